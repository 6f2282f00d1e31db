"""The page on a big screen, and the link to share it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import pytest
from playwright.sync_api import Browser, ViewportSize, expect

from tests.conftest import StartApp
from tests.support.web_server import Response, WebServer

from .qr import scan
from .site import Site
from .visitor import Visitor, Visitors

STILL = 3_000  # ms
CELEBRATION = 10_000  # ms

PRESENTED = re.compile(r"\?present$")


def is_presented(visitor: Visitor) -> bool:
    return bool(visitor.page.evaluate("document.body.classList.contains('presenting')"))


@pytest.mark.parametrize("leave", ["button", "Escape", "full screen ends"])
def test_button_presents_the_page_in_full_screen(shared_site: Site, visitors: Visitors, leave: str) -> None:
    visitor = visitors.open(shared_site)
    button = visitor.page.get_by_test_id("present")
    button.click()
    expect(visitor.page).to_have_url(PRESENTED)
    assert is_presented(visitor)
    visitor.page.wait_for_function("document.fullscreenElement !== null")

    match leave:
        case "button":
            button.click()
        case "Escape":
            visitor.page.keyboard.press("Escape")
        case _:
            visitor.page.evaluate("document.exitFullscreen()")
    expect(visitor.page).to_have_url(f"{shared_site.url}/")
    visitor.page.wait_for_function("document.fullscreenElement === null")
    assert not is_presented(visitor)


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1024, 768), (1280, 720), (1920, 1080)])
def test_bookmarked_presentation_fits_the_screen(
    shared_site: Site, visitors: Visitors, width: int, height: int
) -> None:
    visitor = visitors.enter(shared_site, viewport=ViewportSize(width=width, height=height))
    visitor.page.goto(f"{shared_site.url}/?present")
    visitor.expect_state("live")
    code = visitor.page.get_by_test_id("qr")
    assert scan(code) == f"{shared_site.url}/"
    beyond = visitor.page.evaluate(
        "[document.documentElement.scrollWidth - innerWidth, document.documentElement.scrollHeight - innerHeight]"
    )
    assert max(beyond) <= 0, f"The page is {beyond} px larger than the screen."


def test_button_copies_the_link_and_confirms_it(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.enter(shared_site, permissions=["clipboard-read", "clipboard-write"])
    visitor.page.goto(f"{shared_site.url}/?campaign=poster")
    button = visitor.page.get_by_test_id("share")
    expect(button).to_have_text("Copy the link")
    button.dblclick()
    expect(button).to_have_text("Copied")
    expect(visitor.page.get_by_test_id("announcement")).to_have_text("Copied")
    assert visitor.page.evaluate("navigator.clipboard.readText()") == f"{shared_site.url}/"
    expect(button).to_have_text("Copy the link")


# Counts the locks that the page holds; a headless browser may refuse them.
WAKE_LOCK = """
globalThis.locks = [];
Object.defineProperty(navigator, "wakeLock", { value: { request: async (type) => {
  const lock = { type, released: false, release: async () => { lock.released = true } };
  locks.push(lock);
  return lock;
} } });
"""
HELD = "locks.filter(({ type, released }) => type === 'screen' && !released).length"


def test_wall_stays_awake_while_it_is_presented(shared_site: Site, visitors: Visitors) -> None:
    page = visitors.enter(shared_site).page
    page.add_init_script(WAKE_LOCK)
    page.goto(f"{shared_site.url}/?present")
    page.wait_for_function(f"{HELD} === 1")
    page.evaluate("locks[0].released = true; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function(f"{HELD} === 1")
    page.get_by_test_id("present").click()
    page.wait_for_function(f"{HELD} === 0")
    assert page.evaluate("locks.length") == 2


def test_pointer_and_button_hide_while_the_pointer_is_still(shared_site: Site, visitors: Visitors) -> None:
    page = visitors.enter(shared_site).page
    page.clock.install()
    page.goto(f"{shared_site.url}/?present")
    button = page.get_by_test_id("present")
    page.mouse.move(300, 300)
    expect(button).to_have_css("opacity", "1")

    page.clock.fast_forward(STILL)
    expect(button).to_have_css("opacity", "0")
    expect(page.locator("body")).to_have_css("cursor", "none")
    page.mouse.move(310, 300)
    expect(button).to_have_css("opacity", "1")
    expect(page.locator("body")).not_to_have_css("cursor", "none")

    page.keyboard.press("Tab")
    page.clock.fast_forward(STILL)
    expect(button).to_be_focused()
    expect(button).to_have_css("opacity", "1")
    page.keyboard.press("Enter")
    page.clock.fast_forward(STILL)
    expect(page.locator("body")).not_to_have_css("cursor", "none")


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_milestone_is_celebrated_calmly_if_the_visitor_wants_that(
    shared_site: Site, visitors: Visitors, motion: Literal["no-preference", "reduce"]
) -> None:
    visitor = visitors.enter(shared_site, reduced_motion=motion)
    page = visitor.page
    page.clock.install()
    page.goto(f"{shared_site.url}/?present")
    visitor.expect_state("live")
    milestone = page.get_by_test_id("milestone")
    expect(milestone).to_have_role("status")
    expect(milestone).to_be_empty()
    shared_site.broadcast(1_000_012, {"Windows": 1_000_012}, {"Chrome": 1_000_012})
    expect(milestone).to_have_text("1,000,000 check-ins!")
    expect(milestone).to_be_visible()
    moving = "document.getAnimations().length"
    if motion == "reduce":
        assert page.evaluate(moving) == 0
    else:
        expect(page.locator(".splash")).to_have_count(1)
        assert page.evaluate(moving) > 50
        assert scan(page.get_by_test_id("qr")) == f"{shared_site.url}/"
        beyond = page.evaluate("document.documentElement.scrollHeight - innerHeight")
        assert beyond <= 0, f"The celebration makes the page {beyond} px higher."
    page.clock.fast_forward(CELEBRATION)
    expect(milestone).to_be_empty()
    expect(page.locator(".splash")).to_have_count(0)


def test_wall_in_a_frame_logs_no_errors(settings: Mapping[str, str], start_app: StartApp, browser: Browser) -> None:
    frame = ""
    with WebServer(lambda _: Response(body=frame.encode(), headers={"Content-Type": "text/html"})) as other:
        address = other.url.replace("127.0.0.1", "localhost")  # another site: a frame of it gets no permissions
        app = start_app({**settings, "AllowedOrigins": address})
        frame = f"<link rel='icon' href='data:,'><iframe src='{app.url}/?present' width=900 height=600></iframe>"
        page = browser.new_page()
        messages: list[str] = []
        page.on("console", lambda message: messages.append(message.text))
        page.on("pageerror", lambda error: messages.append(str(error)))
        page.goto(address)
        wall = page.frame_locator("iframe")
        expect(wall.get_by_test_id("status")).to_have_attribute("data-state", "live")
        button = wall.get_by_test_id("present")
        for text in ("Present", "Leave"):
            button.click()
            expect(button).to_have_text(text)
        assert page.frames[-1].evaluate("isSecureContext && 'wakeLock' in navigator && !document.fullscreenEnabled")
        page.context.close()
    assert messages == []
