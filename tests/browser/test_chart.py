"""The chart of visits over time is readable by pointer, by keyboard and as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Route, expect

from .site import Site
from .visitor import Visitor, Visitors

NO_TIME = re.compile(r"^[\d,]+ check-ins? in the last hour$")
A_TIME = re.compile(r"^\d\d:\d\d [AP]M: [\d,]+ check-ins?$")


@pytest.fixture
def visitor(shared_site: Site, visitors: Visitors) -> Visitor:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    return visitor


def test_newest_minutes_include_the_last_visit(visitor: Visitor) -> None:
    assert len(visitor.columns) == 60
    assert sum(visitor.columns[-2:]) >= 1


def test_period_can_be_chosen(visitor: Visitor) -> None:
    reading = visitor.page.get_by_test_id("reading")
    expect(reading).to_have_text(NO_TIME)
    for name, columns, text in (("2 days", 48, "in the last two days"), ("Year", 30, "in the last year")):
        visitor.page.get_by_text(name, exact=True).click()
        expect(reading).to_contain_text(text)
        assert len(visitor.columns) == columns


def test_pointer_shows_the_value_of_a_column(visitor: Visitor) -> None:
    reading = visitor.page.get_by_test_id("reading")
    visitor.page.get_by_test_id("plot").hover(position={"x": 40, "y": 40})
    expect(reading).to_have_text(A_TIME)
    visitor.page.mouse.move(0, 0)
    expect(reading).to_have_text(NO_TIME)


def test_arrow_keys_show_the_value_of_a_column(visitor: Visitor) -> None:
    cursor = visitor.page.get_by_role("slider", name="Point in time")
    cursor.press("End")
    cursor.press("ArrowLeft")
    reading = visitor.page.get_by_test_id("reading")
    expect(reading).to_have_text(A_TIME)
    expect(cursor).to_have_attribute("aria-valuetext", reading.inner_text())
    assert cursor.input_value() == "58"


def test_table_omits_intervals_without_visits(visitor: Visitor) -> None:
    table = visitor.page.get_by_test_id("history")
    expect(table).to_be_hidden()
    visitor.page.get_by_text("As a table").click()
    expect(table.get_by_role("columnheader").first).to_have_text("From")
    counts = [int(text.replace(",", "")) for text in table.get_by_role("cell").all_inner_texts()]
    assert counts == [count for count in reversed(visitor.columns) if count]


# A chart with known columns, at a known time


def series(start: str, kept: int, visits: dict[int, int]) -> dict[str, object]:
    """A series as the app sends it, with visits in some of its intervals and none in the others."""
    return {"start": start, "counts": [visits.get(place, 0) for place in range(kept)]}


NOW = datetime(2026, 11, 23, 11, 35, 20, tzinfo=UTC)
STATS = {
    "totalNumber": 1_000_000,
    "byOS": {"Windows": 1_000_000},
    "byBrowser": {"Chrome": 1_000_000},
    "history": {
        "minutes": series("2026-11-23T10:36:00Z", 60, {0: 7, 30: 1_200, 58: 1, 59: 3}),
        "hours": series("2026-11-21T12:00:00Z", 48, {0: 2, 46: 50, 47: 1_211}),
        "days": series("2025-11-23T00:00:00Z", 366, {265: 40, 364: 10, 365: 1_261}),
    },
}


@pytest.fixture
def known(shared_site: Site, visitors: Visitors) -> Iterator[Visitor]:
    """A page that shows STATS, in New York, where the time is five hours behind UTC."""
    visitor = visitors.enter(shared_site, timezone_id="America/New_York")
    visitor.page.clock.set_fixed_time(NOW)

    def respond(route: Route) -> None:
        response = route.fetch()
        body = response.json()
        route.fulfill(response=response, json={**body, "stats": STATS} if "stats" in body else STATS)

    for path in ("signin?*", "stats*"):
        visitor.page.route(f"{visitor.url}{path}", respond)
    visitor.page.goto(visitor.url)
    visitor.expect_state("live")
    visitor.expect_total(1_000_000)
    yield visitor
    visitor.page.unroute_all(behavior="ignoreErrors")  # a request may be under way


@pytest.mark.parametrize(
    ("period", "peak", "reading", "axis", "columns"),
    [
        (
            "Hour",
            "1,200",
            "1,211 check-ins in the last hour",
            ["05:36 AM", "06:06 AM", "now"],
            {"Home": "05:36 AM: 7 check-ins", "End": "06:35 AM: 3 check-ins", "ArrowLeft": "06:34 AM: 1 check-in"},
        ),
        (
            "2 days",
            "1,211",
            "1,263 check-ins in the last two days",
            ["Sat 07:00 AM", "Sun 07:00 AM", "now"],
            {
                "Home": "Sat 07:00 AM: 2 check-ins",
                "End": "Mon 06:00 AM: 1,211 check-ins",
                "ArrowLeft": "Mon 05:00 AM: 50 check-ins",
            },
        ),
        (
            "Year",
            "1,261",
            "1,311 check-ins in the last year",
            ["Aug 15", "Oct 4", "now"],
            {
                "Home": "Aug 15: 40 check-ins",
                "End": "Nov 23: 1,261 check-ins",
                "ArrowLeft": "Nov 22: 10 check-ins",
            },
        ),
    ],
)
def test_chart_shows_each_column_at_its_time(
    known: Visitor, period: str, peak: str, reading: str, axis: list[str], columns: dict[str, str]
) -> None:
    known.page.get_by_text(period, exact=True).click()
    cursor = known.page.get_by_role("slider", name="Point in time")
    line = known.page.get_by_test_id("reading")
    expect(line).to_have_text(reading)
    expect(known.page.locator(".peak")).to_have_text(peak)
    assert known.page.locator(".axis > *").all_inner_texts() == axis
    expect(cursor).to_have_attribute("aria-valuetext", columns["End"])
    for key, text in columns.items():
        cursor.press(key)
        expect(line).to_have_text(text)
        expect(cursor).to_have_attribute("aria-valuetext", text)


def test_pointer_selects_the_column_below_it(known: Visitor) -> None:
    plot = known.page.get_by_test_id("plot")
    line = known.page.get_by_test_id("reading")
    box = plot.bounding_box()
    assert box
    for place, text in ((0, "05:36 AM: 7 check-ins"), (30, "06:06 AM: 1,200 check-ins"), (59, "06:35 AM: 3 check-ins")):
        for part in (0.2, 0.8):
            plot.hover(position={"x": (place + part) * box["width"] / 60, "y": 40})
            expect(line).to_have_text(text)
    outlines = known.page.locator(".selected").get_attribute("d")
    assert outlines
    assert outlines.startswith("M59.15 "), "the last column is marked"


def test_highest_column_has_the_full_height(known: Visitor) -> None:
    outlines = known.page.locator(".columns").get_attribute("d") or ""
    tops = dict(re.findall(r"M([\d.]+) 100V([\d.]+)h", outlines))
    assert tops == {"0.15": "98", "30.15": "0", "58.15": "98", "59.15": "98"}


def test_table_has_the_time_of_each_count(known: Visitor) -> None:
    known.page.get_by_text("As a table").click()
    rows = known.page.get_by_test_id("history").locator("tbody tr")
    assert [row.split() for row in rows.all_inner_texts()] == [
        ["06:35", "AM", "3"],
        ["06:34", "AM", "1"],
        ["06:06", "AM", "1,200"],
        ["05:36", "AM", "7"],
    ]
