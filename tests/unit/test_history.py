from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from signin.visits.history import RESOLUTIONS, History

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)


def ago(**amount: int) -> datetime:
    return NOW - timedelta(**amount)


def counts(history: History, name: str) -> list[int]:
    return history.to_json(NOW)[name]["counts"]


def test_last_interval_is_the_current_one() -> None:
    history = History.of([NOW, ago(seconds=50), ago(minutes=1), ago(hours=1), ago(days=1)])
    assert counts(history, "minutes")[-2:] == [1, 2]
    assert counts(history, "hours")[-2:] == [1, 3]
    assert counts(history, "days")[-2:] == [1, 4]


@pytest.mark.parametrize(
    ("name", "start", "kept"),
    [
        ("minutes", "2026-11-23T11:35:00Z", 60),
        ("hours", "2026-11-21T13:00:00Z", 48),
        ("days", "2025-11-23T00:00:00Z", 366),
    ],
)
def test_json_covers_an_hour_two_days_and_a_year_in_utc(name: str, start: str, kept: int) -> None:
    series = History().to_json(NOW)[name]
    assert (series["start"], series["counts"]) == (start, [0] * kept)


def test_older_intervals_are_dropped() -> None:
    history = History.of([NOW, ago(minutes=61), ago(hours=49), ago(days=367)])
    assert {name: sum(series.values()) for name, series in history.series.items()} == {
        "minutes": 1,
        "hours": 2,
        "days": 3,
    }


def test_minutes_are_empty_after_an_hour_without_visits() -> None:
    assert sum(counts(History.of([ago(hours=1)]), "minutes")) == 0


def test_addition_is_independent_of_order_and_groups() -> None:
    times = [ago(minutes=minutes) for minutes in range(0, 600_000, 997)]
    at_once = History.of(times)
    in_groups = History()
    for begin in reversed(range(0, len(times), 50)):
        in_groups += History.of(times[begin : begin + 50])
    assert in_groups == at_once
    assert History.of(times[:50]) + History.of(times[50:]) == History.of(times[50:]) + History.of(times[:50])


def test_load_restores_dumped_history() -> None:
    history = History.of([ago(hours=hours) for hours in range(1000)])
    assert History.load(history.dump()) == history


def test_full_history_fits_into_a_table_property() -> None:
    series = {
        name: {30_000_000 + number: 10**9 for number in range(resolution.kept)}
        for name, resolution in RESOLUTIONS.items()
    }
    assert 2 * len(History(series).dump()) < 64 * 1024, "a string property holds 64 KiB of UTF-16"


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"minutes": 1, "hours": [], "days": []})])
def test_malformed_history_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        History.load(text)
