"""Every visit is counted once and shown on every open page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice, pairwise

from playwright.sync_api import Route, WebSocket, expect

from local.emulators.azurite import Account
from tests.support.audit import audit
from tests.support.user_agents import BROWSERS, CHROME_ON_WINDOWS, FIREFOX_ON_LINUX, SAFARI_ON_IPHONE

from .site import Site
from .visitor import Visitors, prerender, show, visit_and_broadcast


def test_two_pages_show_each_others_visit(site: Site, account: Account, visitors: Visitors) -> None:
    first = visitors.open(site, user_agent=CHROME_ON_WINDOWS)
    first.expect_state("live")
    first.expect(audit(account).statistics)
    assert first.bars("by-os") == [("Windows", 1)]

    second = visitors.open(site, user_agent=SAFARI_ON_IPHONE)
    for visitor in (first, second):
        visitor.expect_state("live")
        visitor.expect_total(2)
        visitor.expect(audit(account).statistics)
        assert visitor.bars("by-os") == [("iOS", 1), ("Windows", 1)]
        assert visitor.bars("by-device") == [("Desktop", 1), ("Phone", 1)]
        assert visitor.bars("by-browser") == [("Chrome", 1), ("Safari", 1)]
    assert first.page.title() == "(2) Realtime Sign-in"


def test_pages_follow_a_burst_to_its_exact_total(site: Site, account: Account, visitors: Visitors) -> None:
    both = [visitors.open(site, user_agent=FIREFOX_ON_LINUX) for _ in range(2)]
    for visitor in both:
        visitor.expect_state("live")

    user_agents = islice(cycle(BROWSERS), 100)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(site.visit, user_agents))

    assert audit(account).statistics.total == 102
    for visitor in both:
        visitor.expect(audit(account).statistics)
        assert sum(visitor.columns) == 102
        for numbers in (visitor.shown.totals, visitor.shown.numbers):
            assert all(earlier < later for earlier, later in pairwise(numbers)), f"a number decreased: {numbers}"


def test_reload_is_another_visit(site: Site, account: Account, visitors: Visitors) -> None:
    visitor = visitors.open(site)
    visitor.expect_state("live")
    visitor.page.reload()
    visitor.expect_state("live")
    visitor.expect_total(2)
    assert audit(account).statistics.total == 2


def test_page_from_back_forward_cache_is_live_again(site: Site, account: Account, visitors: Visitors) -> None:
    visitor = visitors.open(site)
    visitor.expect_state("live")
    visitor.page.evaluate("globalThis.isTheSamePage = true")
    visitor.page.goto(f"{site.url}/404.html")
    visit_and_broadcast(site, visitors)

    visitor.page.go_back(wait_until="commit")
    assert visitor.page.evaluate("globalThis.isTheSamePage"), "the page was reloaded instead of restored"
    visitor.expect_state("live")
    visitor.expect_total(3)
    assert audit(account).statistics.total == 3
    assert visitor.sign_ins == 1


def test_prerendered_page_is_counted_when_shown(site: Site, account: Account, visitors: Visitors) -> None:
    visitor = visitors.enter(site)
    prerender(visitor.page, site.url)
    assert visitor.sign_ins == 0
    assert audit(account).statistics.total == 0

    show(visitor.page)
    visitor.expect_state("live")
    visitor.expect_total(1)
    assert audit(account).statistics.total == 1


def test_page_with_a_hanging_sign_in_is_live_after_two_seconds(
    site: Site, account: Account, visitors: Visitors
) -> None:
    site.visit()
    visitor = visitors.enter(site)
    visitor.page.clock.install()
    sign_ins: list[Route] = []
    visitor.page.route("**/signin?*", lambda route: sign_ins.append(route))  # neither answered nor passed on
    sockets: list[WebSocket] = []
    visitor.page.on("websocket", lambda socket: sockets.append(socket))
    with visitor.page.expect_request("**/signin?*"):
        visitor.page.goto(site.url)
    visitor.page.clock.fast_forward(2_000)
    visitor.expect_state("live")
    visitor.expect_total(1)
    expect(visitor.problem).to_be_hidden()
    site.visit()
    visitor.expect_total(2)

    (sign_in,) = sign_ins
    with visitor.page.expect_response("**/signin?*"):
        sign_in.continue_()
    visitor.expect_total(3)
    visitor.expect(audit(account).statistics)
    assert visitor.shown.totals == [1, 2, 3]
    assert visitor.shown.states == ["connecting", "live"]
    assert len(sockets) == 1


def test_gain_is_the_number_of_new_visits(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    gain = visitor.page.locator(".gain")
    expect(gain).to_be_empty()
    for total, text in ((5_000_000, None), (5_000_001, "+1"), (5_001_234, "+1,233")):
        shared_site.broadcast(total, {"Windows": total}, {"Chrome": total})
        visitor.expect_total(total)
        if text:
            expect(gain).to_have_text(text)
