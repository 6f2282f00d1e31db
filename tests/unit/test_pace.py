"""The interval between broadcasts by the visits of the day, without processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from signin.live.pace import Pace
from signin.visits.history import History

HOUR, DAY = 3600, 86400
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
FIRST_HOUR = int(MIDNIGHT.timestamp()) // HOUR


def history(hours: dict[int, int]) -> History:
    """Visits by the hour of the day."""
    return History({"minutes": {}, "hours": {FIRST_HOUR + hour: visits for hour, visits in hours.items()}, "days": {}})


def interval(per_day: int | None, at: float, hours: dict[int, int], shortest: float = 1.0) -> float:
    """The interval at this second of the day."""
    return Pace(shortest, per_day, lambda: MIDNIGHT + timedelta(seconds=at)).interval(history(hours))


@dataclass
class Day:
    """A day on which the app broadcasts each visit twice, as soon as the limit allows."""

    per_day: int
    shortest: float = 1.0
    hours: Counter[int] = field(default_factory=Counter)
    sent: list[float] = field(default_factory=list)
    intervals: list[float] = field(default_factory=list)
    _at: float = 0.0
    _unsent: int = 0
    _next_at: float = 0.0

    def pass_hours(self, hours: float, pause: float) -> None:
        """A visit after every `pause` seconds."""
        end = min(self._at + hours * HOUR, DAY)
        while self._at < end:
            self.hours[int(self._at // HOUR)] += 1
            self._unsent = 2  # a broadcast carries all visits
            self._send_until(min(self._at + pause, end))

    def _send_until(self, end: float) -> None:
        while self._unsent and (at := max(self._next_at, self._at)) < end:
            self._unsent -= 1
            self.sent.append(at)
            self.intervals.append(interval(self.per_day, at, self.hours, self.shortest))
            self._next_at = at + self.intervals[-1]
        self._at = end


def test_interval_never_grows_without_a_limit() -> None:
    assert interval(None, DAY - 1, dict.fromkeys(range(24), 10**6)) == 1.0


@pytest.mark.parametrize(("per_day", "longest"), [(1_000, 172.8), (20_000, 8.64), (172_800, 1.0)])
def test_interval_grows_up_to_a_limit(per_day: int, longest: float) -> None:
    intervals = [interval(per_day, at, dict.fromkeys(range(24), 10**6)) for at in range(0, DAY, 600)]
    assert max(intervals) == pytest.approx(longest, rel=0.01)
    assert max(intervals) <= longest


@pytest.mark.parametrize("per_day", [1_000, 5_000, 20_000])
def test_interval_grows_gradually(per_day: int) -> None:
    """It at most doubles in a minute, however many visits there are."""
    intervals = [interval(per_day, at, dict.fromkeys(range(at // HOUR + 1), 10**6)) for at in range(0, DAY, 60)]
    assert intervals[0] == 1.0
    assert intervals[-1] > 0.9 * 2 * DAY / per_day
    assert all(earlier <= later + 0.001 and later <= 2 * earlier for earlier, later in pairwise(intervals))


def test_interval_shrinks_after_a_peak() -> None:
    peak = dict.fromkeys(range(8), HOUR)
    intervals = [interval(10_000, hour * HOUR, peak) for hour in range(8, 24)]
    assert intervals[0] > 15.0
    assert intervals[-1] == 1.0
    assert intervals == sorted(intervals, reverse=True)


def test_interval_shrinks_after_a_burst() -> None:
    """The estimate of a minute is at most what was available, however short the interval is."""
    assert interval(1_000, 60, {0: 600}, shortest=0.1) > 170.0
    assert interval(1_000, 10 * HOUR, {0: 600}, shortest=0.1) == 0.1


def test_interval_is_the_shortest_one_on_the_next_day() -> None:
    assert interval(1_000, DAY - 1, dict.fromkeys(range(24), HOUR)) > 170.0
    assert interval(1_000, DAY, dict.fromkeys(range(24), HOUR)) == 1.0


def test_visit_counts_as_two_broadcasts() -> None:
    """By the process that counted it, and by one that found it by a reading."""
    at = 8 * HOUR
    available = 1_000 / 2 * (1 + (at + 60) / DAY)
    slowed_from = int(available - 1_000 / 8) // 2
    assert interval(1_000, at, {2: slowed_from}) == 1.0
    assert interval(1_000, at, {2: slowed_from + 1}) > 1.0


def test_visits_at_once_count_as_one_broadcast_an_interval() -> None:
    assert interval(1_000, 120, {0: 10**6}) == 1.0


HONEST_DAYS: dict[str, tuple[int, float, list[tuple[float, float]]]] = {
    # The most broadcasts a day, the shortest interval, and for how many hours there was a visit after how many seconds.
    "a demo: 1,000 visits": (20_000, 1.0, [(24, 86.4)]),
    "a quiet page with an event from 9:00 to 12:00": (20_000, 1.0, [(9, 60), (3, 1), (12, 60)]),
    "a public event: 1,000,000 visits, every 10 s": (20_000, 10.0, [(24, 1)]),
}


@pytest.mark.parametrize("name", HONEST_DAYS)
def test_documented_limit_does_not_touch_an_honest_day(name: str) -> None:
    per_day, shortest, hours = HONEST_DAYS[name]
    visits: Counter[int] = Counter()
    at = 0.0
    for duration, pause in hours:
        end = at + duration * HOUR
        while at < end:
            visits[int(at // HOUR)] += 1
            at += pause
            if at % 600 < pause:
                assert interval(per_day, at, visits, shortest) == shortest


Hours = st.lists(st.tuples(st.floats(0.1, 24), st.sampled_from([1, 3, 20, 60, 98, 150, 600])), max_size=6)


@settings(deadline=None, max_examples=12)
@given(st.sampled_from([1_000, 1_500]), st.sampled_from([0.1, 1.0, 30.0]), Hours)
@example(1_000, 1.0, [(24, 1)])
@example(1_000, 0.1, [(24, 1)])
@example(1_000, 1.0, [(24, 98)])
@example(1_000, 1.0, [(12, 600), (12, 1)])
@example(1_000, 0.1, [(3, 20), (21, 1)])
@example(1_500, 0.1, [(2.7, 20), (3.8, 98), (4.4, 1), (7.7, 60), (6.4, 150)])
def test_no_day_exceeds_its_limit(per_day: int, shortest: float, hours: Sequence[tuple[float, float]]) -> None:
    day = Day(per_day, shortest)
    for duration, pause in hours:
        day.pass_hours(duration, pause)
    assert len(day.sent) <= per_day + 1
    for broadcasts, at in enumerate(day.sent):
        assert broadcasts <= per_day / 2 * (1 + at / DAY) + 1, "more were sent than were available"
    assert all(shortest <= interval <= max(shortest, 2 * DAY / per_day) for interval in day.intervals)


@pytest.mark.parametrize(
    "hours",
    [{}, {0: 0}, {0: 10**400}, {-1: 10**9}, {-(10**9): 1}, {10**9: 1}, {23: 10**30}, dict.fromkeys(range(24), 10**400)],
    ids=["empty", "zero", "huge", "yesterday", "long ago", "far ahead", "evening", "huge day"],
)
def test_interval_is_bounded_whatever_the_history(hours: dict[int, int]) -> None:
    for at in (0, 0.5, 1, HOUR, DAY / 2, DAY - 1):
        assert 1.0 <= interval(1_000, at, hours) <= 172.8
