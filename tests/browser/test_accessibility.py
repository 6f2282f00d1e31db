"""Accessibility: axe finds no violation in any state of the page, and the keyboard reaches everything."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from playwright.sync_api import Page, Route, ViewportSize, expect

from local.node import NODE_MODULES

from .site import Site
from .visitor import Visitor, Visitors, prerender, show

_AXE = (NODE_MODULES / "axe-core/axe.min.js").read_text(encoding="utf-8")

_SCREENS = {"phone": ViewportSize(width=390, height=844), "desktop": ViewportSize(width=1280, height=800)}

_SERIES = {"start": "2026-11-23T11:35:00Z", "counts": [0] * 60}
_EMPTY = {
    "totalNumber": 0,
    "byOS": {},
    "byBrowser": {},
    "byDevice": {},
    "history": {"minutes": _SERIES, "hours": _SERIES, "days": _SERIES},
}


def _live(visitor: Visitor) -> None:
    visitor.page.goto(visitor.url)
    visitor.expect_state("live")
    visitor.page.get_by_text("As a table").click()


def _presentation(visitor: Visitor) -> None:
    visitor.page.goto(f"{visitor.url}?present")
    visitor.expect_state("live")


def _loading(visitor: Visitor) -> None:
    prerender(visitor.page, visitor.url.rstrip("/"))


def _empty(visitor: Visitor) -> None:
    visitor.tolerate("status of 500")
    visitor.page.route("**/signin?*", lambda route: route.fulfill(status=500))
    visitor.page.route("**/stats*", lambda route: route.fulfill(json=_EMPTY))
    visitor.page.goto(visitor.url)
    visitor.expect_total(0)


def _error(visitor: Visitor) -> None:
    def refuse(route: Route) -> None:
        answer = {"error": "Table Storage cannot be reached.", "recorded": "no"}
        # Otherwise the page might retry by itself, and the button disappear just before the click.
        route.fulfill(status=503, json=answer, headers={"Retry-After": "3600"})

    visitor.tolerate("status of 503")
    for path in ("signin?*", "stats*"):
        visitor.page.route(f"**/{path}", refuse)
    visitor.page.goto(visitor.url)
    expect(visitor.problem).to_be_visible()


def _offline(visitor: Visitor) -> None:
    _live(visitor)
    visitor.tolerate("ERR_INTERNET_DISCONNECTED")
    visitor.page.context.set_offline(True)
    visitor.expect_state("offline")


def _reconnecting(visitor: Visitor) -> None:
    _live(visitor)
    visitor.tolerate("ERR_FAILED")
    visitor.page.route("**/negotiate", lambda route: route.abort())
    visitor.page.evaluate("dispatchEvent(new Event('pagehide'))")  # closes the connection
    visitor.expect_state("reconnecting")


def _not_found(visitor: Visitor) -> None:
    visitor.tolerate("status of 404")
    visitor.page.goto(f"{visitor.url}no/such/page")


STATES: Mapping[str, Callable[[Visitor], None]] = {
    "loading": _loading,
    "empty": _empty,
    "live": _live,
    "error": _error,
    "offline": _offline,
    "reconnecting": _reconnecting,
    "presentation": _presentation,
    "not found": _not_found,
}


def violations(page: Page) -> list[str]:
    """The violations that axe finds: the rule, and the elements that break it."""
    found: list[str] = page.evaluate(
        """async () => (await axe.run()).violations.map(
          ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`
        )"""
    )
    return found


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_no_violation(shared_site: Site, visitors: Visitors, state: str) -> None:
    visitor = visitors.enter(shared_site, reduced_motion="reduce")
    STATES[state](visitor)
    visitor.page.evaluate(_AXE)
    for screen, size in _SCREENS.items():
        for color_scheme in ("light", "dark"):
            visitor.page.set_viewport_size(size)
            visitor.page.emulate_media(color_scheme=color_scheme)
            assert violations(visitor.page) == [], f"{state}, {screen}, {color_scheme}"
    _sign_in(visitor, state)


def _sign_in(visitor: Visitor, state: str) -> None:
    """Let a page sign in that could not: every visitor is counted in the end."""
    visitor.page.unroute_all()
    if state == "loading":
        show(visitor.page)
        visitor.expect_state("live")
    elif state == "error":
        visitor.page.get_by_role("button", name="Try now").click()
        expect(visitor.problem).to_be_hidden()


def test_keyboard_reaches_and_outlines_everything(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    reached: list[str] = []
    visitor.page.get_by_text("As a table").click()
    visitor.page.get_by_role("heading", level=1).click()  # the focus begins at the top
    while len(reached) < 11:
        visitor.page.keyboard.press("Tab")
        name, outline = visitor.page.evaluate(
            """() => {
              const element = document.activeElement;
              const { type, nextElementSibling, parentElement, ariaLabel, value, textContent } = element;
              const drawn = { radio: nextElementSibling, range: parentElement }[type] ?? element;
              return [ariaLabel || value || textContent, getComputedStyle(drawn).outlineStyle];
            }"""
        )
        assert outline == "solid", f"{name} has the focus without an outline."
        reached.append(name)
    assert reached == [
        "Present",
        f"{shared_site.url}",
        "Copy the link",
        "Print a poster",
        "Save the code as SVG",
        "Save the code as PNG",
        "minutes",
        "Point in time",
        "As a table",
        "Save the table as CSV",
        "Save the counts as CSV",
    ]


def test_screen_reader_gets_names_and_announcements(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    page = visitor.page
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Realtime Sign-in")
    expect(page.get_by_role("img", name=f"QR code of {shared_site.url}/")).to_be_visible()
    expect(page.get_by_role("status").first).to_have_text("Live")
    for name in ("Operating systems", "Devices", "Browsers", "Countries", "Languages"):
        table = page.get_by_role("region", name=name).get_by_role("table", name=name)
        expect(table.get_by_role("columnheader")).to_have_count(3)
        expect(table.get_by_role("rowheader")).not_to_have_count(0)
    total = visitor.total.get_attribute("data-value") or ""
    announced = "1 check-in." if total == "1" else f"{int(total):,} check-ins."
    expect(page.get_by_test_id("announcement")).to_have_text(announced)
