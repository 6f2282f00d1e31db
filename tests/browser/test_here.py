"""How many pages are open now, as the app counts them and as pages show it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import requests
from playwright.sync_api import Browser, Error, Page, Playwright, expect

from local.browser.headless import running_chromium
from tests.support import TEST_TIMEOUT
from tests.support.user_agents import CHROME_ON_LINUX

from .site import Site
from .visitor import Visitor, Visitors


@pytest.fixture
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium that names itself by its command line.

    Beacons of a page that is left do not have the User-Agent of the browser's context, and those of a headless browser
    do not count.
    """
    with running_chromium(playwright, [f"--user-agent={CHROME_ON_LINUX}"]) as browser:
        yield browser


def expect_open_pages(site: Site, number: int) -> None:
    """Wait until the app counts so many pages; a page that is left reports it in the background."""
    until = time.monotonic() + TEST_TIMEOUT
    while (now := requests.get(f"{site.url}/stats", timeout=TEST_TIMEOUT).json()["here"]["now"]) != number:
        assert time.monotonic() < until, f"{now} pages instead of {number}"
        time.sleep(0.05)


def expect_shown(visitor: Visitor, number: int) -> None:
    expect(visitor.page.get_by_test_id("here")).to_have_text(f"{number} here now")


def open_another(visitor: Visitor, site: Site) -> Page:
    """A page that may be closed or may crash."""
    page = visitor.page.context.new_page()
    page.goto(site.url)
    expect(page.get_by_test_id("status")).to_have_attribute("data-state", "live")
    return page


def test_open_pages_are_counted_until_they_are_left(site: Site, visitors: Visitors) -> None:
    wall = visitors.enter(site)
    wall.page.goto(f"{site.url}/?present")
    visitor = visitors.open(site)
    closed, crashed = (open_another(visitor, site) for _ in range(2))
    for one in (wall, visitor):
        one.expect_state("live")
        expect_shown(one, 3)

    closed.close()
    expect_open_pages(site, 2)
    with suppress(Error):
        crashed.goto("chrome://crash")
    visitor.page.goto(f"{site.url}/404.html")
    expect_open_pages(site, 1)
    site.visit()  # its broadcast has the number
    expect_shown(wall, 1)

    visitor.go(-1)
    visitor.came_back = visitor.loads - 1
    expect_open_pages(site, 2)
    expect_shown(visitor, 2)
