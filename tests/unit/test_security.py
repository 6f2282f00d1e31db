from __future__ import annotations

import pytest

from signin.visits.origins import NO_ORIGINS, Origins
from signin.website.security import cors_headers, is_policy, page_headers


def policy(endpoint: str, origins: str = "") -> dict[str, str]:
    """The sources by directive."""
    headers = page_headers(endpoint, allowed_origins=Origins.parse(origins))
    directives = headers["Content-Security-Policy"].split("; ")
    return {name: sources for name, _, sources in (directive.partition(" ") for directive in directives)}


@pytest.mark.parametrize(
    ("endpoint", "sources"),
    [
        ("https://a.service.signalr.net", "https://a.service.signalr.net wss://a.service.signalr.net"),
        ("http://127.0.0.1:8888", "http://127.0.0.1:8888 ws://127.0.0.1:8888"),
        ("https://proxy.example:8443/signalr", "https://proxy.example:8443 wss://proxy.example:8443"),
    ],
)
def test_page_connects_only_to_app_and_signalr(endpoint: str, sources: str) -> None:
    assert policy(endpoint)["connect-src"] == f"'self' {sources}"


def test_page_loads_only_what_the_app_serves() -> None:
    directives = policy("https://a.service.signalr.net")
    assert directives["default-src"] == "'self'"
    assert directives["object-src"] == directives["base-uri"] == directives["frame-ancestors"] == "'none'"
    assert "unsafe" not in " ".join(directives.values())


@pytest.mark.parametrize("origins", ["https://www.example.com", "https://a.example http://b.example:8080", "*"])
def test_only_allowed_origins_may_show_the_page_in_a_frame(origins: str) -> None:
    endpoint = "https://a.service.signalr.net"
    assert policy(endpoint, origins) == policy(endpoint) | {"frame-ancestors": origins}
    own = page_headers(endpoint, "img-src data:", Origins.parse(origins))
    assert own["Content-Security-Policy"] == "img-src data:"


def test_any_page_may_load_the_content() -> None:
    for policy in (None, "", "img-src data:"):
        headers = page_headers("https://a.service.signalr.net", policy)
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"


@pytest.mark.parametrize("origins", ["https://www.example.com", "https://a.example https://www.example.com", "*"])
def test_pages_of_allowed_origins_may_read_a_response(origins: str) -> None:
    headers = cors_headers("https://www.example.com", Origins.parse(origins))
    assert headers == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": "https://www.example.com",
        "Access-Control-Expose-Headers": "Retry-After",
    }


@pytest.mark.parametrize(
    "origin", ["", "null", "https://elsewhere.example", "https://www.example.com.elsewhere.example"]
)
def test_pages_of_other_origins_may_not_read_a_response(origin: str) -> None:
    assert cors_headers(origin, Origins.parse("https://www.example.com")) == {"Vary": "Origin"}
    assert cors_headers(origin, NO_ORIGINS) == {}


def test_other_policy_replaces_the_default() -> None:
    ours = page_headers("https://a.service.signalr.net")
    other = page_headers("https://a.service.signalr.net", "img-src data:")
    assert other == ours | {"Content-Security-Policy": "img-src data:"}


def test_page_without_policy_keeps_its_other_headers() -> None:
    ours = page_headers("https://a.service.signalr.net")
    none = page_headers("https://a.service.signalr.net", "")
    assert none == {name: value for name, value in ours.items() if name != "Content-Security-Policy"}
    assert len(none) == len(ours) - 1


def test_default_policy_is_a_policy() -> None:
    assert is_policy(page_headers("https://a.service.signalr.net")["Content-Security-Policy"])


def test_content_type_is_not_sniffed() -> None:
    assert page_headers("https://a.service.signalr.net")["X-Content-Type-Options"] == "nosniff"
