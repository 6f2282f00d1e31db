"""Rooms in the browser: each page has its own title, number, QR code and live updates."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from playwright.sync_api import expect

from local.emulators.azurite import Account
from tests.conftest import SignalR, StartApp
from tests.support.audit import audit

from .site import Site
from .visitor import Visitors

TITLES = {"": "Our event", "keynote": 'Opening <keynote> & "more"', "hall-a": "Realtime Sign-in"}


@pytest.fixture
def rooms(settings: Mapping[str, str], start_app: StartApp, signalr: SignalR) -> dict[str, Site]:
    """The pages of one app: at "/", in a room with a title, and in one without."""
    host = start_app({**settings, "Title": TITLES[""], "Rooms": f"keynote={TITLES['keynote']}; hall-a"})
    return {room: Site(f"{host.url}/{room}".rstrip("/"), signalr.url) for room in TITLES}


def test_pages_of_rooms_are_live_at_once(rooms: dict[str, Site], account: Account, visitors: Visitors) -> None:
    pages = {room: visitors.open(site) for room, site in rooms.items()}
    for page in pages.values():
        page.expect_state("live")
    for number, site in enumerate(rooms.values(), start=1):
        for _ in range(number):
            site.visit()
    for number, (room, page) in enumerate(pages.items(), start=1):
        page.expect_total(number + 1)
        page.expect(audit(account, room).statistics)
        assert page.page.title() == f"({number + 1}) {TITLES[room]}"


def test_back_from_another_room_counts_nothing(rooms: dict[str, Site], account: Account, visitors: Visitors) -> None:
    visitor = visitors.open(rooms[""])
    visitor.expect_total(1)
    visitor.page.goto(f"{rooms['keynote'].url}/")
    visitor.expect_total(1)
    for steps in (-1, +1, -1):
        visitor.go(steps)
        visitor.expect_state("live")
        visitor.expect_total(1)
    visitor.came_back = visitor.loads - 1
    assert visitor.sign_ins == 1
    assert [audit(account, room).statistics.total for room in ("", "keynote")] == [1, 1]


def test_page_of_a_room_has_its_title_and_address(rooms: dict[str, Site], visitors: Visitors) -> None:
    for room, site in rooms.items():
        page = visitors.open(site).page
        expect(page.get_by_role("heading", level=1)).to_have_text(TITLES[room])
        assert page.locator("meta[property='og:title']").get_attribute("content") == TITLES[room]
        assert page.get_by_test_id("qr").get_attribute("data-address") == f"{site.url}/"


def test_title_is_large_on_the_wall(rooms: dict[str, Site], visitors: Visitors) -> None:
    page = visitors.open(rooms["keynote"]).page
    heading = page.get_by_role("heading", level=1)
    size = "element => parseFloat(getComputedStyle(element).fontSize)"
    before = heading.evaluate(size)
    page.get_by_test_id("present").click()
    expect(heading).to_be_visible()
    assert heading.evaluate(size) > 2.5 * before
