"""The visit statistics: a value that only grows, and whose sum over shards is the whole truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypedDict

from signin.visits.history import History, SeriesJson
from signin.visits.visit import Visit


class StatisticsJson(TypedDict):
    """The `stats` member of the wire contract."""

    totalNumber: int
    byOS: dict[str, int]
    byBrowser: dict[str, int]
    byDevice: dict[str, int]
    history: dict[str, SeriesJson]


class BroadcastExtras(TypedDict):
    """What the pages of Microsoft's C# sample do not know, and ignore."""

    byDevice: dict[str, int]


class Summary(NamedTuple):
    """The arguments of a broadcast, of bounded size: 2 KB with every label in use."""

    total_number: int
    by_os: dict[str, int]
    by_browser: dict[str, int]
    more: BroadcastExtras


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many visits in all, by each kind of label and over time. Each map sums up to the total."""

    total: int = 0
    by_os: Mapping[str, int] = field(default_factory=dict)
    by_browser: Mapping[str, int] = field(default_factory=dict)
    by_device: Mapping[str, int] = field(default_factory=dict)
    history: History = field(default_factory=History)

    def counting(self, visits: Iterable[Visit]) -> Statistics:
        """These statistics with the given visits added."""
        visits = list(visits)
        return self + Statistics(
            total=len(visits),
            by_os=Counter(visit.os for visit in visits),
            by_browser=Counter(visit.browser for visit in visits),
            by_device=Counter(visit.device for visit in visits),
            history=History.of(visit.at for visit in visits),
        )

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            total=self.total + other.total,
            by_os=Counter(self.by_os) + Counter(other.by_os),
            by_browser=Counter(self.by_browser) + Counter(other.by_browser),
            by_device=Counter(self.by_device) + Counter(other.by_device),
            history=self.history + other.history,
        )

    def summary(self) -> Summary:
        """What changes with a visit, the most frequent labels first."""
        return Summary(
            self.total,
            _most_first(self.by_os),
            _most_first(self.by_browser),
            {"byDevice": _most_first(self.by_device)},
        )

    def to_json(self, now: datetime) -> StatisticsJson:
        """All of it, with the history up to `now`."""
        total_number, by_os, by_browser, more = self.summary()
        return {
            "totalNumber": total_number,
            "byOS": by_os,
            "byBrowser": by_browser,
            **more,
            "history": self.history.to_json(now),
        }


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
