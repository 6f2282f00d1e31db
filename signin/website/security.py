"""The headers that keep a page to what it is meant to do."""

from __future__ import annotations

from urllib.parse import urlsplit

NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}  # for every answer: its type is the one that it says
STRICT_TRANSPORT = "max-age=31536000"  # seconds that browsers ask for this host by https only, once they have done so


def page_headers(signalr_endpoint: str) -> dict[str, str]:
    """For static content: it loads what the app serves and nothing else, and connects to this SignalR endpoint only.

    `signalr_endpoint` is the url that clients are sent to.
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
