"""The chart of visits over time is readable by pointer, by keyboard and as a table."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

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
