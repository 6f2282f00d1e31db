"""Which sign-in requests are visits."""

from __future__ import annotations

from signin.visits.dimensions import SignInRequest

# Headers by which a browser marks a request that it sends ahead of time, and how their values begin. The last three are
# old names: of Chromium and Safari, of Firefox, and of Safari's previews ("Top Sites").
_AHEAD_OF_TIME = {"sec-purpose": "prefetch", "purpose": "prefetch", "x-moz": "prefetch", "x-purpose": "preview"}

# Fetch Metadata (https://www.w3.org/TR/fetch-metadata/): what the headers of a request contain that a script of the
# app's own page sends by `fetch` or XMLHttpRequest. No script can set or change these headers. Browsers send them by
# HTTPS and on localhost only; Safari does since version 16.4.
_OF_OWN_SCRIPTS = {
    "sec-fetch-site": {"same-origin"},
    "sec-fetch-mode": {"cors", "same-origin"},
    "sec-fetch-dest": {"empty"},
}


def is_visit(request: SignInRequest) -> bool:
    """Whether a request counts. It does unless its headers show one of three reasons against it.

    - A bot that names itself sent it.
    - A browser sent it ahead of time: the visitor may never see the page.
    - A browser sent it, and not for a script of the app's own page. Otherwise any website could have its visitors
      counted here, by a script, an image, a form or a frame, and an address that is typed, followed or reloaded would
      count without the page.
    """
    return not request.client.is_bot and not _is_ahead_of_time(request) and _is_of_own_script(request)


def _is_ahead_of_time(request: SignInRequest) -> bool:
    return any(request.headers.get(name, "").lower().startswith(value) for name, value in _AHEAD_OF_TIME.items())


def _is_of_own_script(request: SignInRequest) -> bool:
    """Whether each header of Fetch Metadata that the request has is one of such a script; other clients have none."""
    headers = ((request.headers.get(name), accepted) for name, accepted in _OF_OWN_SCRIPTS.items())
    return all(value is None or value in accepted for value, accepted in headers)
