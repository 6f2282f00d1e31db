"""Security headers of the app's responses."""

from __future__ import annotations

from urllib.parse import urlsplit

NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}  # for every response: browsers must not guess another type
STRICT_TRANSPORT = "max-age=31536000"  # seconds, a year: after a visit by https, browsers use only https for this host


def page_headers(signalr_endpoint: str) -> dict[str, str]:
    """For static content: a page loads only what the app serves, and connects only to the app and this endpoint.

    `signalr_endpoint` is the url that SignalR clients connect to.
    """
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
    return {
        "Content-Security-Policy": "; ".join(f"{directive} {sources}" for directive, sources in policy.items()),
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "Referrer-Policy": "strict-origin-when-cross-origin",
        **NO_SNIFFING,
    }
