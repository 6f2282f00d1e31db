"""The page in the oldest browsers of package.json: a Chromium that has only what all of them have.

`local/compatibility/older.mjs` finds out what that is, out of the data about browsers, and removes the rest.
"""

from __future__ import annotations

import subprocess

import pytest
from playwright.sync_api import Route, ViewportSize, expect

from local import compatibility
from local.emulators.azurite import Account
from local.node import NODE
from tests.support.audit import audit

from .site import Site
from .test_page import MILLIONS, assert_fits_every_width
from .visitor import Visitor, Visitors

# Of several hundred: calls that the page had used, and one each of a class, a constructor and a property.
REMOVED = {
    *("AbortSignal.timeout", "Array.prototype.toSorted", "Object.hasOwn", "TypedArray.prototype.at"),
    *("globalThis.structuredClone", "globalThis.PerformanceNavigationTiming", "Intl.DisplayNames"),
    *("Element.prototype.requestFullscreen", "new CSSStyleSheet"),
}


def older(part: str, text: str = "") -> str:
    """What `older.mjs` prints."""
    return subprocess.run(
        [NODE, compatibility.FOLDER / "older.mjs", part], input=text, capture_output=True, check=True, encoding="utf-8"
    ).stdout


@pytest.fixture(scope="module")
def calls() -> str:
    """The script that removes calls."""
    compatibility.install()
    return older("calls")


def enter(site: Site, visitors: Visitors, calls: str) -> Visitor:
    """A visitor with the oldest browser whose page is still blank."""
    visitor = visitors.enter(site, permissions=["clipboard-read", "clipboard-write"])
    visitor.page.add_init_script(calls)
    visitor.page.route("**/assets/*.css", serve_older_styles)
    return visitor


def serve_older_styles(route: Route) -> None:
    response = route.fetch()
    route.fulfill(response=response, body=older("styles", response.text()))


def test_oldest_browser_is_counted_and_live(site: Site, account: Account, visitors: Visitors, calls: str) -> None:
    visitor = enter(site, visitors, calls)
    visitor.page.goto(site.url)
    visitor.expect_state("live")
    assert set(visitor.page.evaluate("removed")) >= REMOVED
    visitor.expect(audit(account).statistics)
    assert audit(account).statistics.total == 1
    assert sum(visitor.columns) == 1
    expect(visitor.page.locator(".empty").first).to_be_hidden()

    site.visit()
    visitor.expect_total(2)
    visitor.expect(audit(account).statistics)
    visitor.page.get_by_text("2 days").click()
    visitor.page.get_by_text("As a table").click()
    expect(visitor.page.get_by_test_id("history").locator("tbody tr")).to_have_count(1)
    assert sum(visitor.columns) == 2


def test_oldest_browser_shares_and_presents(shared_site: Site, visitors: Visitors, calls: str) -> None:
    visitor = enter(shared_site, visitors, calls)
    visitor.page.goto(shared_site.url)
    visitor.expect_state("live")
    visitor.page.get_by_test_id("share").click()
    expect(visitor.page.get_by_test_id("share")).to_have_text("Copied")

    visitor.page.get_by_test_id("present").click()
    expect(visitor.page).to_have_url(f"{shared_site.url}/?present")
    visitor.page.keyboard.press("Escape")
    expect(visitor.page).to_have_url(f"{shared_site.url}/")


def test_oldest_browser_lays_the_page_out(shared_site: Site, visitors: Visitors, calls: str) -> None:
    visitor = enter(shared_site, visitors, calls)
    visitor.page.goto(shared_site.url)
    visitor.expect_state("live")
    shared_site.broadcast(*MILLIONS.summary())
    visitor.expect(MILLIONS)
    assert_fits_every_width(visitor.page)
    for width in (390, 1280):
        visitor.page.set_viewport_size(ViewportSize(width=width, height=800))
        code, total = (visitor.page.get_by_test_id(part).bounding_box() for part in ("qr", "total"))
        assert code
        assert total
        assert code["width"] == code["height"] >= 120
        assert code["x"] >= total["x"] + total["width"] or code["y"] >= total["y"] + total["height"]
        assert visitor.page.get_by_test_id("total").evaluate("element => element.scrollWidth <= element.clientWidth")
        assert visitor.page.locator(".bar-fill").first.evaluate("element => element.clientHeight > 0")
