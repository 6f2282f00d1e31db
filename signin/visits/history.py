"""Visits over time: by minute, by hour and by day, in UTC, each for a bounded while."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, TypedDict


class Resolution(NamedTuple):
    """Time cut into intervals of `seconds`, numbered since 1970, of which the newest `kept` are remembered."""

    seconds: int
    kept: int


RESOLUTIONS: Mapping[str, Resolution] = {
    "minutes": Resolution(60, 60),
    "hours": Resolution(3600, 48),
    "days": Resolution(86400, 366),
}

Series = Mapping[int, int]  # number of the interval: visits in it


class SeriesJson(TypedDict):
    """The visits in each interval from `start` (UTC, ISO 8601) to now, the oldest first."""

    start: str
    counts: list[int]


@dataclass(frozen=True, slots=True)
class History:
    """How many visits there were in each interval, for each of the resolutions.

    What is forgotten depends on the newest interval and not on the clock: the same visits always give the same history.
    """

    series: Mapping[str, Series] = field(default_factory=lambda: {name: {} for name in RESOLUTIONS})

    @classmethod
    def of(cls, times: Iterable[datetime]) -> History:
        """The history of visits at these times."""
        seconds = [int(time.timestamp()) for time in times]
        return cls(
            {
                name: _newest(Counter(second // resolution.seconds for second in seconds), resolution.kept)
                for name, resolution in RESOLUTIONS.items()
            }
        )

    def __add__(self, other: History) -> History:
        return History(
            {
                name: _newest(Counter(self.series[name]) + Counter(other.series[name]), resolution.kept)
                for name, resolution in RESOLUTIONS.items()
            }
        )

    def to_json(self, now: datetime) -> dict[str, SeriesJson]:
        """For each resolution the intervals up to the one in which `now` lies, those without a visit too."""
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
        """The text that `load` reads, a few kilobytes at the most: for each series where it starts, and its counts."""
        dense = {}
        for name, series in self.series.items():
            start = min(series, default=0)
            dense[name] = [start, [series.get(interval, 0) for interval in range(start, max(series, default=-1) + 1)]]
        return json.dumps(dense)

    @classmethod
    def load(cls, text: str) -> History:
        """Raises ValueError, KeyError or TypeError for what is not such a text."""
        dense = json.loads(text)
        series = {}
        for name in RESOLUTIONS:
            start, counts = dense[name]
            series[name] = {interval: int(count) for interval, count in enumerate(counts, int(start)) if count}
        return cls(series)


def _newest(series: Series, kept: int) -> Series:
    oldest = max(series, default=0) - kept
    return {interval: count for interval, count in series.items() if interval > oldest}
