from __future__ import annotations

import pytest

from signin.website.security import is_policy, page_headers


def policy(endpoint: str) -> dict[str, str]:
    """The sources by directive."""
    directives = page_headers(endpoint)["Content-Security-Policy"].split("; ")
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
