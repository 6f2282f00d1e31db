"""Security headers of the app's responses."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}  # for every response: browsers must not guess another type
STRICT_TRANSPORT = "max-age=31536000"  # seconds, a year: after a visit by https, browsers use only https for this host

# The names of directives, e.g. `default-src`. All have a hyphen but one (CSP Level 3, section 6).
_DIRECTIVE = re.compile(r"([a-z]+(-[a-z]+)+|sandbox)( [ -~]*)?", re.IGNORECASE | re.ASCII)


def page_headers(signalr_endpoint: str, policy: str | None = None) -> dict[str, str]:
    """For static content: its Content-Security-Policy and the other headers of every page.

    `signalr_endpoint` is the url that SignalR clients connect to. `policy` replaces the app's own policy, see
    `default_policy`; "" means no policy.
    """
    if policy is None:
        policy = default_policy(signalr_endpoint)
    return {
        **({"Content-Security-Policy": policy} if policy else {}),
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        **NO_SNIFFING,
    }


def default_policy(signalr_endpoint: str) -> str:
    """The app's own policy: a page loads only what the app serves, and connects only to the app and this endpoint."""
    host = urlsplit(signalr_endpoint)
    signalr = f"{host.scheme}://{host.netloc} {'wss' if host.scheme == 'https' else 'ws'}://{host.netloc}"
    policy = {
        "default-src": "'self'",
        "connect-src": f"'self' {signalr}",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


def is_policy(text: str) -> bool:
    """Whether a text can be the value of the header: directives between semicolons, in printable ASCII on one line.

    Browsers ignore a directive that they do not know, so that a policy such as "off" would protect nothing, silently.
    """
    directives = [directive for part in text.split(";") if (directive := part.strip(" "))]
    return bool(directives) and all(_DIRECTIVE.fullmatch(directive) for directive in directives)
