from __future__ import annotations

import pytest

from signin.website.security import page_headers


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


def test_content_type_is_not_sniffed() -> None:
    assert page_headers("https://a.service.signalr.net")["X-Content-Type-Options"] == "nosniff"
