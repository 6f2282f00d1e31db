"""A browser that cannot run the page gets one sentence instead of "Connecting" for ever."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.user_agents import CHROME_ON_LINUX

from .site import Site

SENTENCE = "This page has not started. Reload it; if that does not help, this browser is too old to be counted here."

WAIT_TEN_SECONDS = "document.getAnimations().forEach((animation) => animation.currentTime = 11_000)"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(user_agent=CHROME_ON_LINUX)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("script", ["this is no script", "throw new Error()", None])
def test_page_without_its_script_shows_the_notice(shared_site: Site, page: Page, script: str | None) -> None:
    page.route("**/assets/*.js", lambda route: route.fulfill(body=script) if script else route.abort())
    page.goto(shared_site.url)
    expect_notice(page)


@pytest.mark.parametrize("calls", ["WebSocket EventSource fetch", "AbortController", "crypto", "URLSearchParams"])
def test_browser_without_needed_calls_gets_the_notice(shared_site: Site, page: Page, calls: str) -> None:
    page.add_init_script(f"for (const name of '{calls}'.split(' ')) delete globalThis[name]")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(urlsplit(request.url).path))
    page.goto(shared_site.url)
    expect_notice(page)
    assert "/" in requests
    assert "/signin" not in requests


def expect_notice(page: Page) -> None:
    """Expect it after ten seconds, and not before."""
    notice, status = page.get_by_test_id("too-old"), page.get_by_test_id("status")
    expect(status).to_be_visible()
    expect(notice).to_be_hidden()
    page.evaluate(WAIT_TEN_SECONDS)
    expect(notice).to_have_text(SENTENCE)
    expect(notice).to_be_visible()
    expect(status).to_be_hidden()


def test_page_that_has_started_has_no_notice(shared_site: Site, page: Page) -> None:
    page.add_init_script("delete globalThis.WebSocket; delete globalThis.EventSource")  # it is live without them
    page.goto(shared_site.url)
    expect(page.get_by_test_id("status")).to_have_text("Live")
    page.evaluate(WAIT_TEN_SECONDS)
    expect(page.get_by_test_id("too-old")).to_be_hidden()
    expect(page.get_by_test_id("status")).to_be_visible()
