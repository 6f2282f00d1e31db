"""Visits over time, by minute, hour and day in UTC. Each series has a bounded number of intervals."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, TypedDict

CLOCK_TOLERANCE = timedelta(minutes=5)  # a visit that lies further ahead of now is not believed


class Resolution(NamedTuple):
    """Intervals of `seconds`, numbered from 1970 (UTC). The newest `kept` of them are shown."""

    seconds: int
    kept: int

    @property
    def stored(self) -> int:
        """How many are stored: enough that visits ahead of now, within CLOCK_TOLERANCE, push out none that is shown."""
        return self.kept + math.ceil(CLOCK_TOLERANCE.total_seconds() / self.seconds)


RESOLUTIONS: Mapping[str, Resolution] = {
    "minutes": Resolution(60, 60),
    "hours": Resolution(3600, 48),
    "days": Resolution(86400, 366),
}

Series = Mapping[int, int]  # interval number: visits


class SeriesJson(TypedDict):
    """The visits of each interval from `start` (UTC, ISO 8601) to the current one, oldest first."""

    start: str
    counts: list[int]


@dataclass(frozen=True, slots=True)
class History:
    """The visits of each interval, for each resolution.

    The same visits give the same history, in whatever order and groups they are added.
    """

    series: Mapping[str, Series] = field(default_factory=lambda: {name: {} for name in RESOLUTIONS})

    @classmethod
    def of(cls, times: Iterable[datetime]) -> History:
        """The history of visits at these times."""
        seconds = [int(time.timestamp()) for time in times]
        return cls(
            {
                name: Counter(second // resolution.seconds for second in seconds)
                for name, resolution in RESOLUTIONS.items()
            }
        )

    def __add__(self, other: History) -> History:
        return History({name: Counter(self.series[name]) + Counter(other.series[name]) for name in RESOLUTIONS})

    def pruned(self, now: datetime) -> History:
        """The part that is stored: without the intervals beyond `now` and CLOCK_TOLERANCE, and without old ones.

        A visit that a wrong clock dates ahead would otherwise be the newest, and all others too old. Old intervals are
        dropped relative to the newest interval that is left, not to `now`: the order of visits makes no difference.
        """
        limit = int((now + CLOCK_TOLERANCE).timestamp())
        result = {}
        for name, resolution in RESOLUTIONS.items():
            past = {interval: n for interval, n in self.series[name].items() if interval <= limit // resolution.seconds}
            oldest = max(past, default=0) - resolution.stored
            result[name] = {interval: count for interval, count in past.items() if interval > oldest}
        return History(result)

    def to_json(self, now: datetime) -> dict[str, SeriesJson]:
        """Each resolution up to the interval that contains `now`, including intervals without visits."""
        result: dict[str, SeriesJson] = {}
        for name, (seconds, kept) in RESOLUTIONS.items():
            end = int(now.timestamp()) // seconds + 1
            start = end - kept
            result[name] = {
                "start": f"{datetime.fromtimestamp(start * seconds, UTC):%Y-%m-%dT%H:%M:%SZ}",
                "counts": [self.series[name].get(interval, 0) for interval in range(start, end)],
            }
        return result

    def dump(self) -> str:
        """Serialize for `load`: the first interval and the counts of each series. A few kilobytes if pruned."""
        dense = {}
        for name, series in self.series.items():
            start = min(series, default=0)
            dense[name] = [start, [series.get(interval, 0) for interval in range(start, max(series, default=-1) + 1)]]
        return json.dumps(dense)

    @classmethod
    def load(cls, text: str) -> History:
        """Parse the output of `dump`.

        Raises ValueError, KeyError, TypeError or RecursionError if the text is malformed.
        """
        dense = json.loads(text)
        series = {}
        for name in RESOLUTIONS:
            start, counts = dense[name]
            if not all(type(number) is int and number >= 0 for number in (start, *counts)):
                raise ValueError("a history consists of whole numbers")
            series[name] = {interval: count for interval, count in enumerate(counts, start) if count}
        return cls(series)
