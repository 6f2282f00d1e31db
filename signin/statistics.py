"""The visit statistics: a value that only grows, and whose sum over shards is the whole truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypedDict

from signin.visit import Visit


class StatisticsJson(TypedDict):
    """The `stats` member of the wire contract."""

    totalNumber: int
    byOS: dict[str, int]
    byBrowser: dict[str, int]


@dataclass(frozen=True, slots=True)
class Statistics:
    """How many visits in all, by operating system and by browser; each map sums up to the total."""

    total: int = 0
    by_os: Mapping[str, int] = field(default_factory=dict)
    by_browser: Mapping[str, int] = field(default_factory=dict)

    def counting(self, visits: Iterable[Visit]) -> Statistics:
        """These statistics with the given visits added."""
        visits = list(visits)
        return self + Statistics(
            total=len(visits),
            by_os=Counter(visit.os for visit in visits),
            by_browser=Counter(visit.browser for visit in visits),
        )

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            total=self.total + other.total,
            by_os=Counter(self.by_os) + Counter(other.by_os),
            by_browser=Counter(self.by_browser) + Counter(other.by_browser),
        )

    def to_json(self) -> StatisticsJson:
        return {
            "totalNumber": self.total,
            "byOS": _most_first(self.by_os),
            "byBrowser": _most_first(self.by_browser),
        }


def _most_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
