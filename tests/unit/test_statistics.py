from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from signin.visits import user_agent
from signin.visits.history import History
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
ONE_OF_EACH = [
    Visit("1", "Windows", "Chrome", NOW, "Desktop"),
    Visit("2", "iOS", "Safari", NOW, "Phone"),
    Visit("3", "Windows", "Firefox", NOW, "Desktop"),
]


def test_visits_add_to_total_and_to_each_map() -> None:
    statistics = Statistics(10, {"Windows": 4, "macOS": 6}, {"Chrome": 10}, {"Tablet": 10}) + Statistics.of(ONE_OF_EACH)
    assert (statistics.total, statistics.by_os, statistics.by_browser, statistics.by_device) == (
        13,
        {"Windows": 6, "macOS": 6, "iOS": 1},
        {"Chrome": 11, "Safari": 1, "Firefox": 1},
        {"Tablet": 10, "Desktop": 2, "Phone": 1},
    )
    assert statistics.history == History.of([NOW] * 3)


def test_visits_may_be_an_iterator() -> None:
    assert Statistics.of(visit for visit in ONE_OF_EACH).total == 3


def test_adding_no_visits_changes_nothing() -> None:
    statistics = Statistics(1, {"iOS": 1}, {"Safari": 1})
    assert statistics + Statistics.of([]) == statistics


def test_addition_leaves_operands_unchanged() -> None:
    before, added = Statistics(1, {"iOS": 1}, {"Safari": 1}), Statistics.of(ONE_OF_EACH)
    assert (before + added).total == 4
    assert before == Statistics(1, {"iOS": 1}, {"Safari": 1})
    assert added == Statistics.of(ONE_OF_EACH)
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.total = 2  # type: ignore[misc]


def test_each_map_adds_up_to_total() -> None:
    statistics = Statistics.of(ONE_OF_EACH) + Statistics.of(ONE_OF_EACH[:2])
    for counts in (statistics.by_os, statistics.by_browser, statistics.by_device):
        assert sum(counts.values()) == statistics.total == 5


def test_addition_is_commutative_with_zero() -> None:
    here, there = Statistics.of(ONE_OF_EACH), Statistics(7, {"Linux": 7}, {"Chrome": 7}, {"Desktop": 7})
    assert here + Statistics() == here
    assert here + there == there + here


def test_equality_ignores_type_of_mapping() -> None:
    expected = Statistics(1, {"Windows": 1}, {"Chrome": 1}, {"Desktop": 1}, History.of([NOW]))
    assert Statistics.of(ONE_OF_EACH[:1]) == expected


def test_json_has_members_of_wire_contract() -> None:
    statistics = Statistics.of(ONE_OF_EACH[:1])
    assert statistics.to_json(NOW) == {
        "totalNumber": 1,
        "byOS": {"Windows": 1},
        "byBrowser": {"Chrome": 1},
        "byDevice": {"Desktop": 1},
        "history": statistics.history.to_json(NOW),
    }


def test_summary_starts_with_arguments_of_csharp_sample() -> None:
    assert Statistics.of(ONE_OF_EACH[:1]).summary() == (
        1,
        {"Windows": 1},
        {"Chrome": 1},
        {"byDevice": {"Desktop": 1}},
    )


def test_summary_sorts_by_count_then_label() -> None:
    counts = {"Linux": 2, "iOS": 9, "Android": 2, "macOS": 10}
    _, by_os, by_browser, extras = Statistics(23, counts, counts, counts).summary()
    for summarized in (by_os, by_browser, extras["byDevice"]):
        assert list(summarized.items()) == [("macOS", 10), ("iOS", 9), ("Android", 2), ("Linux", 2)]


def test_summary_of_all_labels_is_one_billed_message() -> None:
    systems = {*user_agent._OPERATING_SYSTEMS.values(), "iPadOS", user_agent.OTHER}
    browsers = {*user_agent._BROWSERS.values(), user_agent.OTHER}
    devices = {"Desktop", "Phone", "Tablet", user_agent.OTHER}
    by_os, by_browser, by_device = (dict.fromkeys(labels, 10**12) for labels in (systems, browsers, devices))
    everything = Statistics(10**12, by_os, by_browser, by_device)
    message = json.dumps({"type": 1, "target": "updateSignInStats", "arguments": everything.summary()})
    assert len(message) < 2048, "SignalR bills a second message for every 2 KB"
