"""Visits over time, by minute, hour and day in UTC. Each series has a bounded number of intervals."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple, TypedDict


class Resolution(NamedTuple):
    """Intervals of `seconds`, numbered from 1970 (UTC). The newest `kept` of them are stored."""

    seconds: int
    kept: int


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

    Old intervals are dropped relative to the newest interval with a visit, not to the clock. So the same visits give
    the same history, in whatever order and groups they are added.
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
        """Serialize for `load`, in a few kilobytes at most: the first interval and the counts of each series."""
        dense = {}
        for name, series in self.series.items():
            start = min(series, default=0)
            dense[name] = [start, [series.get(interval, 0) for interval in range(start, max(series, default=-1) + 1)]]
        return json.dumps(dense)

    @classmethod
    def load(cls, text: str) -> History:
        """Parse the output of `dump`. Raises ValueError, KeyError or TypeError if the text is malformed."""
        dense = json.loads(text)
        series = {}
        for name in RESOLUTIONS:
            start, counts = dense[name]
            series[name] = {interval: int(count) for interval, count in enumerate(counts, int(start)) if count}
        return cls(series)


def _newest(series: Series, kept: int) -> Series:
    oldest = max(series, default=0) - kept
    return {interval: count for interval, count in series.items() if interval > oldest}
