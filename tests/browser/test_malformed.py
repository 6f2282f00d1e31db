"""Malformed answers and updates are refused, and the page remains live and goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from local.emulators.azurite import Account
from tests.support.audit import audit

from .site import Site
from .visitor import Visitor, Visitors

TICK = 5_000  # ms between the page's updates of the age
REFUSED = "A callback for the method 'updatesigninstats' threw error 'TypeError: The app sent a malformed"

WINDOWS, CHROME = {"Windows": 9}, {"Chrome": 9}
UPDATES: list[list[Any]] = [
    [],
    [9],
    [None, None, None, None],
    [None, WINDOWS, CHROME],
    ["9", WINDOWS, CHROME],
    [[9], WINDOWS, CHROME],
    [-9, WINDOWS, CHROME],
    [9.5, WINDOWS, CHROME],
    [1e30, WINDOWS, CHROME],
    [1e30, {"Windows": 1e30}, {"Chrome": 1e30}],
    [2**53, {"Windows": 2**53}, {"Chrome": 2**53}],
    [2**53 - 1, WINDOWS, CHROME],
    [9, None, CHROME],
    [9, WINDOWS, None],
    [9, [9], CHROME],
    [9, WINDOWS, "Chrome"],
    [9, {"Windows": None}, CHROME],
    [9, {"Windows": {"10": 9}}, CHROME],
    [9, {"__proto__": None}, CHROME],
    [9, {"x" * 1_000: 9}, CHROME],
    [9, WINDOWS, CHROME, None],
    [9, WINDOWS, CHROME, []],
    [9, WINDOWS, CHROME, {"byDevice": None}],
    [9, WINDOWS, CHROME, {"byDevice": {"Phone": "9"}}],
    [9, WINDOWS, CHROME, {"history": None}],
]


def expect_ticking(visitor: Visitor) -> None:
    """Expect that the page writes its age anew at the next tick. Its clock must be installed."""
    age = visitor.page.get_by_test_id("age")
    age.evaluate("element => element.textContent = ''")
    visitor.page.clock.fast_forward(TICK)
    expect(age).to_have_text("last check-in just now")


def test_malformed_updates_leave_page_live_and_ticking(site: Site, visitors: Visitors) -> None:
    visitor = visitors.enter(site)
    visitor.tolerate(re.escape(REFUSED))
    visitor.page.clock.install()
    visitor.page.goto(site.url)
    visitor.expect_state("live")
    visitor.expect_total(1)

    for update in UPDATES:
        site.broadcast(*update)
    expect_ticking(visitor)
    site.visit()
    visitor.expect_total(2)
    assert visitor.shown.totals == [1, 2]
    assert visitor.shown.states == ["connecting", "live"]
    refusals = [problem for problem in visitor.problems if REFUSED in problem]
    assert len(refusals) == len(UPDATES), "each update is refused once"


Change = Callable[[Any], Any]


def replace(**members: object) -> Change:
    """A change of the answers: they have other members, also in their `stats`."""

    def change(body: dict[str, Any]) -> dict[str, Any]:
        stats = {"stats": {**body["stats"], **members}} if "stats" in body else {}
        return {**body, **members, **stats}

    return change


def spoil_answers(visitor: Visitor, change: Change) -> None:
    """Change the JSON of all answers of the app to the page."""

    def respond(route: Route) -> None:
        response = route.fetch()
        route.fulfill(response=response, body=json.dumps(change(response.json())))

    for path in ("signin?*", "stats*", "negotiate"):
        visitor.page.route(f"{visitor.url}{path}", respond)


@pytest.mark.parametrize(
    "change",
    [lambda _: None, lambda _: [], replace(byOS=None), replace(totalNumber=1e30), replace(history={"minutes": None})],
    ids=["null", "list", "byOS", "totalNumber", "history"],
)
def test_page_recovers_from_malformed_answers(change: Change, site: Site, account: Account, visitors: Visitors) -> None:
    visitor = visitors.enter(site)
    visitor.page.clock.install()
    spoil_answers(visitor, change)
    visitor.page.goto(site.url)
    expect(visitor.problem).to_contain_text("The app sent a malformed")
    expect(visitor.total).to_have_text("\N{EN DASH}")

    visitor.page.unroute_all(behavior="wait")
    # An event, because the page may have tried by itself since, and hidden the button.
    visitor.problem.get_by_role("button", include_hidden=True).dispatch_event("click")
    visitor.expect_state("live")
    visitor.expect_total(1)
    expect_ticking(visitor)
    site.visit()
    visitor.expect_total(2)
    assert audit(account).statistics.total == 2
    assert visitor.shown.states == ["connecting", "live"]


def test_page_without_a_usable_endpoint_shows_the_numbers(site: Site, visitors: Visitors) -> None:
    visitor = visitors.enter(site)
    visitor.page.clock.install()
    spoil_answers(visitor, replace(authInfo={"serviceUrl": 5, "accessToken": None}, url="javascript:0"))
    visitor.page.goto(site.url)
    visitor.expect_total(1)
    expect_ticking(visitor)
    visitor.expect_state("connecting")

    visitor.page.unroute_all(behavior="wait")
    visitor.page.evaluate("dispatchEvent(new Event('online'))")
    visitor.expect_state("live")
    site.visit()
    visitor.expect_total(2)
