from __future__ import annotations

import azure.functions as func
import pytest

from signin.visits.dimensions import SignInRequest
from signin.visits.filter import is_leave, is_visit
from signin.visits.origins import NO_ORIGINS, Origins
from tests.support.user_agents import CRAWLER, FIREFOX_ON_WINDOWS

ALLOWED = "https://www.example.com"
OTHER = "https://elsewhere.example"


def counts(allowed_origins: Origins = NO_ORIGINS, /, **headers: str) -> bool:
    """Whether the app counts a browser's request with these further headers, `_` in place of `-`."""
    return is_visit(request_of(**headers), allowed_origins)


def request_of(**headers: str) -> SignInRequest:
    sent = {"User-Agent": FIREFOX_ON_WINDOWS} | {name.replace("_", "-"): value for name, value in headers.items()}
    return SignInRequest(func.HttpRequest(method="GET", url="/signin", headers=sent, body=b"").headers)


def by_browser(site: str, mode: str, dest: str) -> dict[str, str]:
    return {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}


def test_bot_is_not_counted() -> None:
    assert not counts(User_Agent=CRAWLER)


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("Sec_Purpose", "prefetch"),
        ("Sec_Purpose", "prefetch;prerender"),
        ("Sec_Purpose", "prefetch;anonymous-client-ip"),
        ("Sec_Purpose", "Prefetch"),
        ("Purpose", "prefetch"),
        ("X_Moz", "prefetch"),
        ("X_Purpose", "preview"),
    ],
)
def test_request_ahead_of_time_is_not_counted(header: str, value: str) -> None:
    assert not counts(**{header: value})
    assert not counts(**{header: value}, **by_browser("same-origin", "cors", "empty"))


@pytest.mark.parametrize("header", ["Sec_Purpose", "Purpose", "X_Moz", "X_Purpose"])
@pytest.mark.parametrize("value", ["", "a talk"])
def test_other_purposes_are_counted(header: str, value: str) -> None:
    assert counts(**{header: value})


@pytest.mark.parametrize(
    "headers",
    [
        {},
        by_browser("same-origin", "cors", "empty"),
        by_browser("same-origin", "same-origin", "empty"),
        {"Sec_Fetch_Mode": "cors"},
    ],
    ids=["no browser", "fetch or XMLHttpRequest", "fetch that allows no other origin", "fetch of Node.js"],
)
def test_own_scripts_and_other_clients_are_counted(headers: dict[str, str]) -> None:
    assert counts(**headers)


@pytest.mark.parametrize("site", ["same-origin", "same-site", "cross-site", "none"])
@pytest.mark.parametrize(
    ("mode", "dest"),
    [
        ("no-cors", "empty"),
        ("no-cors", "image"),
        ("cors", "image"),
        ("no-cors", "script"),
        ("cors", "script"),
        ("no-cors", "style"),
        ("no-cors", "video"),
        ("cors", "font"),
        ("navigate", "document"),
        ("navigate", "iframe"),
        ("navigate", "object"),
        ("websocket", "empty"),
        ("websocket", "websocket"),
    ],
)
def test_request_of_no_script_is_not_counted(site: str, mode: str, dest: str) -> None:
    assert not counts(**by_browser(site, mode, dest))
    for origins in (Origins.parse(ALLOWED), Origins.parse("*")):
        assert not counts(origins, Origin=ALLOWED, **by_browser(site, mode, dest))


@pytest.mark.parametrize("headers", [{}, by_browser("same-origin", "cors", "empty")], ids=["Chromium", "made up"])
def test_websocket_is_not_counted(headers: dict[str, str]) -> None:
    """Chromium sends no Fetch Metadata with it, so that it looks like a program's request."""
    for origins in (NO_ORIGINS, Origins.parse("*")):
        request = request_of(Sec_WebSocket_Version="13", Origin=ALLOWED, **headers)
        assert not is_visit(request, origins)
        assert not is_leave(request, origins)


@pytest.mark.parametrize("site", ["same-site", "cross-site", "none", "", "same-origin, cross-site", "Same-Origin"])
@pytest.mark.parametrize("mode", ["cors", "same-origin"])
def test_script_of_another_origin_is_not_counted(site: str, mode: str) -> None:
    assert not counts(**by_browser(site, mode, "empty"))
    assert not counts(Sec_Fetch_Site=site)


@pytest.mark.parametrize("header", [*by_browser("cross-site", "navigate", "image").items()], ids=lambda pair: pair[0])
def test_one_header_alone_suffices(header: tuple[str, str]) -> None:
    assert not counts(**dict([header]))


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
@pytest.mark.parametrize(
    ("origins", "origin", "is_counted"),
    [
        (ALLOWED, ALLOWED, True),
        (f"{OTHER} {ALLOWED}", ALLOWED, True),
        ("*", ALLOWED, True),
        (ALLOWED, OTHER, False),
        (ALLOWED, "null", False),
        ("*", "null", False),
        ("", ALLOWED, False),
    ],
)
def test_script_of_an_allowed_origin_is_counted(site: str, origins: str, origin: str, is_counted: bool) -> None:
    assert counts(Origins.parse(origins), Origin=origin, **by_browser(site, "cors", "empty")) == is_counted
    assert not counts(Origins.parse(origins), **by_browser(site, "cors", "empty"))
    assert not counts(Origins.parse(origins), Origin=origin, **by_browser(site, "same-origin", "empty"))


def test_allowed_origin_needs_all_headers_of_a_script() -> None:
    headers = by_browser("cross-site", "cors", "empty") | {"Origin": ALLOWED}
    assert counts(Origins.parse(ALLOWED), **headers)
    for name in ("Sec_Fetch_Mode", "Sec_Fetch_Dest", "Origin"):
        assert not counts(Origins.parse(ALLOWED), **{key: value for key, value in headers.items() if key != name})


@pytest.mark.parametrize("origin", [ALLOWED, OTHER, "null"])
def test_origin_alone_shows_no_other_site(origin: str) -> None:
    """The app's own page may have another origin than the app: a front door may change the header `Host`."""
    assert counts(Origin=origin)
    assert counts(Origins.parse(ALLOWED), Origin=origin)
    assert counts(Origins.parse(ALLOWED), Origin=origin, **by_browser("same-origin", "cors", "empty"))


# Pages that are left


def leaves(allowed_origins: Origins = NO_ORIGINS, /, **headers: str) -> bool:
    """Whether a request with these headers reports that a page is left."""
    return is_leave(request_of(**headers), allowed_origins)


def test_beacon_of_the_own_page_reports_a_leave() -> None:
    assert leaves(**by_browser("same-origin", "no-cors", "empty"))
    assert not counts(**by_browser("same-origin", "no-cors", "empty"))


@pytest.mark.parametrize("site", ["same-site", "cross-site"])
def test_beacon_of_another_site_reports_none(site: str) -> None:
    beacon = by_browser(site, "no-cors", "empty") | {"Origin": ALLOWED}
    assert not leaves(**beacon)
    assert not leaves(Origins.parse(OTHER), **beacon)
    assert leaves(Origins.parse(ALLOWED), **beacon)


def test_leave_is_reported_by_scripts_only() -> None:
    assert leaves()
    assert leaves(**by_browser("same-origin", "cors", "empty"))
    assert not leaves(**by_browser("same-origin", "no-cors", "image"))


def test_leave_with_another_user_agent_is_reported() -> None:
    """Chromium sends the beacon of a page that is being closed without the User-Agent that developer tools set."""
    assert leaves(User_Agent=CRAWLER)
