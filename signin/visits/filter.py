"""Which sign-in requests are visits, and which requests are of an open page."""

from __future__ import annotations

from collections.abc import Set

from signin.visits.dimensions import SignInRequest
from signin.visits.origins import NO_ORIGINS, Origins

# Headers by which a browser marks a request that it sends ahead of time, and how their values begin. The last three are
# old names: of Chromium and Safari, of Firefox, and of Safari's previews ("Top Sites").
_AHEAD_OF_TIME = {"sec-purpose": "prefetch", "purpose": "prefetch", "x-moz": "prefetch", "x-purpose": "preview"}


def is_visit(request: SignInRequest, allowed_origins: Origins = NO_ORIGINS) -> bool:
    """Whether a request counts. It does unless its headers show one of three reasons against it.

    - A bot that names itself sent it.
    - A browser sent it ahead of time: the visitor may never see the page.
    - A browser sent it, and not for a script of the app's own page or of a page of an allowed origin. Otherwise any
      website could have its visitors counted here, by a script, an image, a form or a frame, and an address that is
      typed, followed or reloaded would count without the page.
    """
    return (
        not request.client.is_bot
        and not _is_ahead_of_time(request)
        and _is_of_script(request, allowed_origins, {"cors"})
    )


def is_leave(request: SignInRequest, allowed_origins: Origins = NO_ORIGINS) -> bool:
    """Whether a request reports that a page is left: one of a script, also by `navigator.sendBeacon` ("no-cors").

    Bots are not looked for: in a page that is being closed, Chromium may send another User-Agent than before.
    """
    return _is_of_script(request, allowed_origins, {"cors", "no-cors"})


def _is_ahead_of_time(request: SignInRequest) -> bool:
    return any(request.headers.get(name, "").lower().startswith(value) for name, value in _AHEAD_OF_TIME.items())


def _is_of_script(request: SignInRequest, allowed_origins: Origins, modes: Set[str]) -> bool:
    """Whether a script of the app's own page, or of an allowed origin, sent a request, in one of these modes.

    `fetch` and XMLHttpRequest have the mode "cors"; within an origin also "same-origin".

    Fetch Metadata (https://www.w3.org/TR/fetch-metadata/) shows it: no script can set or change these headers. Browsers
    send all three, by HTTPS and on localhost only; Safari does since version 16.4. Other clients send none, or the mode
    alone, as Node.js does.

    Without them, an `Origin` of another host proves nothing: behind a front door that changes `Host`, the app's own
    page has one too, and the visits of its people would be lost.

    Chromium sends none of them if a page opens a WebSocket, which any website may do.
    """
    if "sec-websocket-version" in request.headers:
        return False
    site, mode, dest = (request.headers.get(f"sec-fetch-{name}") for name in ("site", "mode", "dest"))
    if site in ("same-site", "cross-site"):  # such a request has an Origin if its mode is cors
        return mode in modes and dest == "empty" and allowed_origins.allows(request.headers.get("origin", ""))
    return site in (None, "same-origin") and mode in {None, "same-origin", *modes} and dest in (None, "empty")
