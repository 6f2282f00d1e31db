from __future__ import annotations

import dataclasses
import json

import pytest

from signin import user_agent
from signin.statistics import Statistics
from signin.visit import Visit

ONE_OF_EACH = [Visit("1", "Windows", "Chrome"), Visit("2", "iOS", "Safari"), Visit("3", "Windows", "Firefox")]


def test_counting_visits_adds_to_the_total_and_to_both_maps() -> None:
    statistics = Statistics(10, {"Windows": 4, "macOS": 6}, {"Chrome": 10}).counting(ONE_OF_EACH)
    assert statistics == Statistics(13, {"Windows": 6, "macOS": 6, "iOS": 1}, {"Chrome": 11, "Safari": 1, "Firefox": 1})


def test_counting_takes_any_iterable_once() -> None:
    assert Statistics().counting(visit for visit in ONE_OF_EACH).total == 3


def test_counting_nobody_changes_nothing() -> None:
    statistics = Statistics(1, {"iOS": 1}, {"Safari": 1})
    assert statistics.counting([]) == statistics


def test_counting_leaves_the_original_as_it_was() -> None:
    before = Statistics(1, {"iOS": 1}, {"Safari": 1})
    before.counting(ONE_OF_EACH)
    assert before == Statistics(1, {"iOS": 1}, {"Safari": 1})
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.total = 2  # type: ignore[misc]


def test_each_map_sums_up_to_the_total() -> None:
    statistics = Statistics().counting(ONE_OF_EACH) + Statistics().counting(ONE_OF_EACH[:2])
    assert sum(statistics.by_os.values()) == sum(statistics.by_browser.values()) == statistics.total == 5


def test_addition_has_a_zero_and_no_order() -> None:
    here, there = Statistics().counting(ONE_OF_EACH), Statistics(7, {"Linux": 7}, {"Chrome": 7})
    assert here + Statistics() == here
    assert here + there == there + here


def test_equal_counts_are_equal_whatever_the_kind_of_mapping() -> None:
    assert Statistics().counting(ONE_OF_EACH[:1]) == Statistics(1, {"Windows": 1}, {"Chrome": 1})


def test_json_has_the_members_of_the_wire_contract() -> None:
    assert Statistics().to_json() == {"totalNumber": 0, "byOS": {}, "byBrowser": {}}


def test_json_lists_the_most_frequent_label_first_and_ties_by_name() -> None:
    by_os = {"Linux": 2, "iOS": 9, "Android": 2, "macOS": 10}
    statistics = Statistics(23, by_os, {})
    assert list(statistics.to_json()["byOS"].items()) == [("macOS", 10), ("iOS", 9), ("Android", 2), ("Linux", 2)]


def test_json_of_every_label_at_a_large_count_is_one_message_of_the_service() -> None:
    systems = {*user_agent._OPERATING_SYSTEMS.values(), "iPadOS", user_agent.OTHER}
    browsers = {*user_agent._BROWSERS.values(), user_agent.OTHER}
    everything = Statistics(10**12, dict.fromkeys(systems, 10**12), dict.fromkeys(browsers, 10**12)).to_json()
    arguments = [everything["totalNumber"], everything["byOS"], everything["byBrowser"]]
    message = json.dumps({"type": 1, "target": "updateSignInStats", "arguments": arguments})
    assert len(message) < 2048, "SignalR bills a second message for every 2 KB"
