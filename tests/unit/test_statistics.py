from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from signin.visits.dimensions import DIMENSIONS, OTHER
from signin.visits.history import History
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)
ONE_OF_EACH = [
    Visit("1", {"OS": "Windows", "Browser": "Chrome", "Device": "Desktop"}, NOW),
    Visit("2", {"OS": "iOS", "Browser": "Safari", "Device": "Phone"}, NOW),
    Visit("3", {"OS": "Windows", "Browser": "Firefox", "Device": "Desktop"}, NOW),
]


def test_visits_add_to_total_and_to_each_map() -> None:
    statistics = Statistics.from_counts(
        10, {"OS": {"Windows": 4, "macOS": 6}, "Browser": {"Chrome": 10}, "Device": {"Tablet": 10}}
    ) + Statistics.of(ONE_OF_EACH)
    assert statistics.total == 13
    assert {
        "OS": {"Windows": 6, "macOS": 6, "iOS": 1},
        "Browser": {"Chrome": 11, "Safari": 1, "Firefox": 1},
        "Device": {"Tablet": 10, "Desktop": 2, "Phone": 1},
    }.items() <= statistics.counts.items()
    assert statistics.history == History.of([NOW] * 3)


def test_visits_may_be_an_iterator() -> None:
    assert Statistics.of(visit for visit in ONE_OF_EACH).total == 3


def test_adding_no_visits_changes_nothing() -> None:
    statistics = Statistics.from_counts(1, {"OS": {"iOS": 1}, "Browser": {"Safari": 1}})
    assert statistics + Statistics.of([]) == statistics


def test_addition_leaves_operands_unchanged() -> None:
    before, added = Statistics.from_counts(1, {"OS": {"iOS": 1}, "Browser": {"Safari": 1}}), Statistics.of(ONE_OF_EACH)
    assert (before + added).total == 4
    assert before == Statistics.from_counts(1, {"OS": {"iOS": 1}, "Browser": {"Safari": 1}})
    assert added == Statistics.of(ONE_OF_EACH)
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.total = 2  # type: ignore[misc]


def test_each_map_adds_up_to_total() -> None:
    statistics = Statistics.of(ONE_OF_EACH) + Statistics.of(ONE_OF_EACH[:2])
    assert list(statistics.counts) == [dimension.column for dimension in DIMENSIONS]
    for counts in statistics.counts.values():
        assert sum(counts.values()) == statistics.total == 5


def test_addition_is_commutative_with_zero() -> None:
    here, there = Statistics.of(ONE_OF_EACH), Statistics.from_counts(7, {"OS": {"Linux": 7}, "Device": {"Desktop": 7}})
    assert here + Statistics() == here
    assert here + there == there + here


def test_equality_ignores_type_of_mapping() -> None:
    expected = Statistics.from_counts(
        1, {"OS": {"Windows": 1}, "Browser": {"Chrome": 1}, "Device": {"Desktop": 1}}, History.of([NOW])
    )
    assert Statistics.of(ONE_OF_EACH[:1]) == expected


def test_json_has_members_of_wire_contract() -> None:
    statistics = Statistics.of(ONE_OF_EACH[:1])
    content = statistics.to_json(NOW)
    assert list(content) == ["totalNumber", *(dimension.key for dimension in DIMENSIONS), "history"]
    assert list(content)[:4] == ["totalNumber", "byOS", "byBrowser", "byDevice"]
    assert {
        "totalNumber": 1,
        "byOS": {"Windows": 1},
        "byBrowser": {"Chrome": 1},
        "byDevice": {"Desktop": 1},
        "history": statistics.history.to_json(NOW),
    }.items() <= content.items()


def test_summary_starts_with_arguments_of_csharp_sample() -> None:
    *of_the_sample, others = Statistics.of(ONE_OF_EACH[:1]).summary()
    assert of_the_sample == [1, {"Windows": 1}, {"Chrome": 1}]
    assert list(others) == [dimension.key for dimension in DIMENSIONS[2:]]
    assert others["byDevice"] == {"Desktop": 1}


def test_summary_sorts_by_count_then_label() -> None:
    counts = {"Linux": 2, "iOS": 9, "Android": 2, "macOS": 10}
    statistics = Statistics.from_counts(23, {dimension.column: counts for dimension in DIMENSIONS})
    _, by_os, by_browser, others = statistics.summary()
    for summarized in (by_os, by_browser, *others.values()):
        assert list(summarized.items()) == [("macOS", 10), ("iOS", 9), ("Android", 2), ("Linux", 2)]


def test_counts_that_lack_visits_have_them_in_other() -> None:
    counts = {"OS": {"iOS": 2, OTHER: 1}, "Device": {"Phone": 5}}
    statistics = Statistics.from_counts(5, counts)
    assert statistics.counts["OS"] == {"iOS": 2, OTHER: 3}
    assert statistics.counts["Browser"] == {OTHER: 5}
    assert statistics.counts["Device"] == {"Phone": 5}
    assert counts["OS"] == {"iOS": 2, OTHER: 1}, "the argument was changed"


def shown(counts: dict[str, int]) -> list[tuple[str, int]]:
    """The labels of a dimension that responses and broadcasts have."""
    statistics = Statistics.from_counts(sum(counts.values()), {"Device": counts})
    by_device: dict[str, int] = statistics.summary()[-1]["byDevice"]
    assert statistics.to_json(NOW)["byDevice"] == by_device
    assert sum(by_device.values()) == statistics.total
    return list(by_device.items())


def test_labels_beyond_the_20_largest_are_shown_as_other() -> None:
    counts = {f"label {number}": number for number in range(1, 24)}
    largest = [(f"label {number}", number) for number in range(23, 3, -1)]
    shown_alone, shown_with_other = shown(counts), shown({**counts, OTHER: 100})
    assert sorted(shown_alone) == sorted([*largest, (OTHER, 1 + 2 + 3)])
    assert shown_with_other == [(OTHER, 100 + 1 + 2 + 3), *largest]


def test_20_labels_and_other_are_shown_as_they_are() -> None:
    counts = {f"label {number}": 100 - number for number in range(20)}
    assert shown(counts) == list(counts.items())
    assert shown({**counts, OTHER: 1}) == [*counts.items(), (OTHER, 1)]


def test_largest_broadcast_is_one_billed_message() -> None:
    """The longest labels of each dimension, more than are shown, with counts of ten digits."""
    counts = {
        dimension.column: dict.fromkeys({*dimension.labels.values(), OTHER}, 10**10 - 1) for dimension in DIMENSIONS
    }
    for dimension in DIMENSIONS:  # the longest labels are the largest, so that they are shown
        by_length = sorted({*dimension.labels.values()} - {OTHER}, key=lambda label: len(json.dumps(label)))
        counts[dimension.column] |= {label: 9 * 10**9 + place for place, label in enumerate(by_length)}
    everything = Statistics.from_counts(10**10 - 1, counts)
    *of_the_sample, more = everything.summary()
    arguments = [*of_the_sample, {**more, "here": 10**10 - 1}]  # as the broadcaster adds the open pages
    message = json.dumps({"type": 1, "target": "updateSignInStats", "arguments": arguments})
    assert len(message) < 2048, "SignalR bills a second message for every 2 KB"
