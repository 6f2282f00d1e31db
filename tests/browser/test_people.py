"""Who is counted as a person, and how often a browser is counted."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from local.emulators.azurite import Account
from tests.support.audit import audit

from .site import Site
from .visitor import Visitor, Visitors


def caption(visitor: Visitor) -> str:
    return visitor.page.get_by_test_id("caption").inner_text()


def test_reloads_are_check_ins_of_one_person(site: Site, account: Account, visitors: Visitors) -> None:
    """10 check-ins by 2 people; the wall adds none."""
    wall = visitors.enter(site)
    wall.page.goto(f"{site.url}/?present")
    wall.expect_state("live")
    other, visitor = visitors.open(site), visitors.enter(site)
    other.expect_state("live")
    visitor.page.goto(site.url)
    for _ in range(8):
        visitor.expect_state("live")
        visitor.page.reload()
    visitor.expect_state("live")

    statistics = audit(account).statistics
    assert statistics.total == 10
    assert statistics.counts["Visitor"] == {"New": 2, "Returning": 8}
    for one in (wall, other, visitor):
        one.expect_total(10)
        assert caption(one) == "check-ins by 2 people"

    wall.page.reload()
    wall.expect_total(10)
    assert wall.sign_ins == 0
    assert wall.page.evaluate("localStorage.length") == 0
    assert audit(account).statistics.total == 10


@pytest.mark.parametrize("is_kept", [True, False], ids=["in the back/forward cache", "loaded again"])
def test_back_and_forward_count_nothing(site: Site, account: Account, visitors: Visitors, *, is_kept: bool) -> None:
    visitor = visitors.enter(site)
    if not is_kept:
        visitor.page.add_init_script("addEventListener('unload', () => {})")  # keeps a page out of the cache
    assert_back_and_forward_count_nothing(site, account, visitor)


def assert_back_and_forward_count_nothing(site: Site, account: Account, visitor: Visitor) -> None:
    """A load and a reload, another page, another load: three visits, and none by going to and fro among them."""
    page = visitor.page
    page.goto(site.url)
    visitor.expect_state("live")
    page.reload()
    visitor.expect_state("live")
    page.goto(f"{site.url}/404.html")
    page.goto(f"{site.url}/?again")
    visitor.expect_total(3)
    for route in ([-2], [+2], [-1, -1], [+1, +1]):
        for steps in route:
            visitor.go(steps)
        visitor.expect_state("live")
        visitor.expect_total(3)
    assert visitor.sign_ins == 3
    visitor.came_back = visitor.loads - 3

    site.visit()
    visitor.expect_total(4)
    page.reload()
    visitor.expect_total(5)
    assert audit(account).statistics.total == 5


def test_visitor_sees_the_own_visit_and_invites_others(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    note, invitation = visitor.page.get_by_test_id("counted"), visitor.page.locator(".invitation")
    expect(note).to_have_text("You are in")
    expect(invitation).to_contain_text("Bring others in", use_inner_text=True)
    expect(invitation).not_to_contain_text("Scan to check in", use_inner_text=True)

    visitor.page.get_by_test_id("present").click()
    expect(note).to_be_hidden()
    expect(invitation).to_contain_text("Scan to check in", use_inner_text=True)
    expect(invitation).not_to_contain_text("Bring others in", use_inner_text=True)


def test_wall_invites_to_check_in_after_it_is_left(shared_site: Site, visitors: Visitors) -> None:
    wall = visitors.enter(shared_site)
    wall.page.goto(f"{shared_site.url}/?present")
    wall.expect_state("live")
    wall.page.keyboard.press("Escape")
    expect(wall.page.get_by_test_id("counted")).to_have_text("")
    expect(wall.page.locator(".invitation")).to_contain_text("Scan to check in", use_inner_text=True)
    assert wall.sign_ins == 0


def test_browser_without_storage_is_a_new_visitor(site: Site, account: Account, visitors: Visitors) -> None:
    visitor = visitors.enter(site)
    visitor.page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no', 'SecurityError') } })"
    )
    for _ in range(2):
        visitor.page.goto(site.url)
        visitor.expect_state("live")
    assert audit(account).statistics.counts["Visitor"] == {"New": 2}


def test_browser_stores_one_word_and_no_cookie(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    assert visitor.page.evaluate("Object.entries(localStorage)") == [["visit /", "counted"]]
    assert visitor.page.evaluate("sessionStorage.length") == 0
    assert visitor.page.context.cookies() == []
