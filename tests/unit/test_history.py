from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signin.visits.history import CLOCK_TOLERANCE, RESOLUTIONS, History

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
    """What is shown is kept also if the newest visit is dated CLOCK_TOLERANCE ahead."""
    history = History.of([NOW, ago(minutes=66), ago(hours=50), ago(days=368)]).pruned(NOW)
    assert {name: sum(series.values()) for name, series in history.series.items()} == {
        "minutes": 1,
        "hours": 2,
        "days": 3,
    }


@pytest.mark.parametrize(("name", "stored"), [("minutes", 65), ("hours", 49), ("days", 367)])
def test_pruned_history_has_exactly_the_stored_intervals(name: str, stored: int) -> None:
    times = [ago(**{name: amount}) for amount in range(stored + 2)]
    oldest = int(times[stored - 1].timestamp()) // RESOLUTIONS[name].seconds
    assert min(History.of(times).pruned(NOW).series[name]) == oldest
    assert RESOLUTIONS[name].stored == stored


def test_minutes_are_empty_after_an_hour_without_visits() -> None:
    assert sum(counts(History.of([ago(hours=1)]), "minutes")) == 0


def test_addition_is_independent_of_order_and_groups() -> None:
    times = [ago(minutes=minutes) for minutes in range(0, 600_000, 997)]
    at_once = History.of(times).pruned(NOW)
    in_groups = History()
    for begin in reversed(range(0, len(times), 50)):
        in_groups = (in_groups + History.of(times[begin : begin + 50])).pruned(NOW)
    assert in_groups == at_once
    assert History.of(times[:50]) + History.of(times[50:]) == History.of(times[50:]) + History.of(times[:50])


def test_load_restores_dumped_history() -> None:
    history = History.of([ago(hours=hours) for hours in range(1000)]).pruned(NOW)
    assert History.load(history.dump()) == history


def test_full_history_fits_into_a_table_property() -> None:
    series = {
        name: {30_000_000 + number: 10**9 for number in range(resolution.stored)}
        for name, resolution in RESOLUTIONS.items()
    }
    assert 2 * len(History(series).dump()) < 64 * 1024, "a string property holds 64 KiB of UTF-16"


# Wrong clocks


@pytest.mark.parametrize(
    "ahead", [timedelta(minutes=6), timedelta(minutes=61), timedelta(days=365), timedelta(days=9999)]
)
def test_visit_from_the_future_wipes_nothing(ahead: timedelta) -> None:
    believable = History.of([ago(minutes=minutes) for minutes in range(0, 600_000, 7)]).pruned(NOW)
    history = (believable + History.of([NOW + ahead])).pruned(NOW)
    later_intervals = {name: ahead >= timedelta(seconds=RESOLUTIONS[name].seconds) for name in RESOLUTIONS}
    assert all(
        (counts(history, name) == counts(believable, name)) for name, is_later in later_intervals.items() if is_later
    )
    assert all(sum(counts(history, name)) >= sum(counts(believable, name)) for name in RESOLUTIONS)


def test_visit_a_little_ahead_is_believed_and_wipes_nothing_shown() -> None:
    believable = History.of([ago(minutes=minutes) for minutes in range(60)])
    history = (believable + History.of([NOW + CLOCK_TOLERANCE])).pruned(NOW)
    assert counts(history, "minutes") == [1] * 60
    assert history.to_json(NOW + CLOCK_TOLERANCE)["minutes"]["counts"][-6:] == [1, 0, 0, 0, 0, 1]


def test_stored_future_intervals_heal() -> None:
    """An earlier version stored what a clock that was a year ahead had dated, in place of everything else."""
    wiped = History.of([NOW + timedelta(days=365)])
    history = (wiped + History.of([NOW])).pruned(NOW)
    assert history == History.of([NOW])
    assert counts(wiped + History.of([NOW]), "minutes")[-1] == 1, "another shard has stored them"


def test_visit_dated_behind_pushes_nothing_out() -> None:
    believable = History.of([NOW, ago(minutes=5)])
    history = (believable + History.of([ago(days=365), ago(days=5000)])).pruned(NOW)
    assert counts(history, "minutes") == counts(believable, "minutes")
    assert counts(history, "days")[0] == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 70), st.sampled_from([-900, -365, -1, 0, 0, 0, 1, 365, 900]), st.integers(-90, 90)),
        max_size=40,
    ),
    st.randoms(),
)
def test_chart_of_believable_visits_survives_any_clocks(visits: list[tuple[int, int, int]], random: Random) -> None:
    """Visits of the last 70 minutes, by processes with clocks that are off by days and minutes, in any order."""
    dated = [(minute, ago(minutes=minute) + timedelta(days=days, minutes=off)) for minute, days, off in visits]
    random.shuffle(dated)
    history = History()
    for _, at in dated:
        history = (history + History.of([at])).pruned(NOW)
        history = History.load(history.dump())
    times = [at for _, at in dated]
    assert history.to_json(NOW) == History.of(times).to_json(NOW), "a visit of an interval that is shown is missing"
    for name, (seconds, _) in RESOLUTIONS.items():
        limit = int((NOW + CLOCK_TOLERANCE).timestamp()) // seconds
        assert max(history.series[name], default=0) <= limit
        assert len(history.series[name]) <= RESOLUTIONS[name].stored


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"minutes": 1, "hours": [], "days": []})])
def test_malformed_history_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        History.load(text)
