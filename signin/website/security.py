"""Security headers of the app's responses."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from signin.visits.origins import NO_ORIGINS, Origins

NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}  # for every response: browsers must not guess another type
STRICT_TRANSPORT = "max-age=31536000"  # seconds, a year: after a visit by https, browsers use only https for this host

# The names of directives, e.g. `default-src`. All have a hyphen but one (CSP Level 3, section 6).
_DIRECTIVE = re.compile(r"([a-z]+(-[a-z]+)+|sandbox)( [ -~]*)?", re.IGNORECASE | re.ASCII)


def page_headers(
    signalr_endpoint: str, policy: str | None = None, allowed_origins: Origins = NO_ORIGINS
) -> dict[str, str]:
    """For static content: its Content-Security-Policy and the other headers of every page.

    `signalr_endpoint` is the url that SignalR clients connect to. `policy` replaces the app's own policy, see
    `default_policy`; "" means no policy.
    """
    if policy is None:
        policy = default_policy(signalr_endpoint, allowed_origins)
    return {
        **({"Content-Security-Policy": policy} if policy else {}),
        # The content is public. Without it, pages with `Cross-Origin-Embedder-Policy: require-corp` could not load it.
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        **NO_SNIFFING,
    }


def default_policy(signalr_endpoint: str, allowed_origins: Origins) -> str:
    """The app's own policy: a page loads only what the app serves, and connects only to the app and this endpoint.

    Only pages of the allowed origins may show it in a frame.
    """
    host = urlsplit(signalr_endpoint)
    signalr = f"{host.scheme}://{host.netloc} {'wss' if host.scheme == 'https' else 'ws'}://{host.netloc}"
    policy = {
        "default-src": "'self'",
        "connect-src": f"'self' {signalr}",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": " ".join(allowed_origins.listed) or "'none'",
    }
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


def cors_headers(origin: str, allowed_origins: Origins) -> dict[str, str]:
    """For a response that pages of the allowed origins may read: the permission if its request came from one of them.

    `origin` is the header `Origin` of the request, or "". The headers permit simple requests only: they answer no
    preflight, and allow no cookies.
    """
    if not allowed_origins.listed:
        return {}
    if not allowed_origins.allows(origin):
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "Retry-After",
    }


def is_policy(text: str) -> bool:
    """Whether a text can be the value of the header: directives between semicolons, in printable ASCII on one line.

    Browsers ignore a directive that they do not know, so that a policy such as "off" would protect nothing, silently.
    """
    directives = [directive for part in text.split(";") if (directive := part.strip(" "))]
    return bool(directives) and all(_DIRECTIVE.fullmatch(directive) for directive in directives)
