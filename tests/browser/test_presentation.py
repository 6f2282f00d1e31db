"""The page on a big screen, and the link to share it."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import ViewportSize, expect

from .qr import scan
from .site import Site
from .visitor import Visitor, Visitors

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
