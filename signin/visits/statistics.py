"""The visit statistics: a grow-only counter (G-counter).

Each shard has one entry, a `Statistics` that only grows; the value of the counter is their sum.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple, TypedDict

from signin.visits.history import History, SeriesJson
from signin.visits.visit import Visit


class StatisticsJson(TypedDict):
    """The `stats` member of the response to a sign-in, and the response of `/stats`."""

    totalNumber: int
    byOS: dict[str, int]
    byBrowser: dict[str, int]
    byDevice: dict[str, int]
    history: dict[str, SeriesJson]


class BroadcastExtras(TypedDict):
    """The fourth argument of a broadcast, which the pages of Microsoft's C# sample ignore."""

    byDevice: dict[str, int]


class Summary(NamedTuple):
    """The arguments of a broadcast: 2 KB at most, with every label in use."""

    total_number: int
    by_os: dict[str, int]
    by_browser: dict[str, int]
    extras: BroadcastExtras


@dataclass(frozen=True, slots=True)
class Statistics:
    """The number of visits in total, by label and over time. The counts of each map add up to the total."""

    total: int = 0
    by_os: Mapping[str, int] = field(default_factory=dict)
    by_browser: Mapping[str, int] = field(default_factory=dict)
    by_device: Mapping[str, int] = field(default_factory=dict)
    history: History = field(default_factory=History)
    _texts: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)  # by minute

    @classmethod
    def of(cls, visits: Iterable[Visit]) -> Statistics:
        """The statistics of these visits alone."""
        visits = list(visits)
        return cls(
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

    def pruned(self, now: datetime) -> Statistics:
        """The same with the part of the history that is stored, see `History.pruned`."""
        return replace(self, history=self.history.pruned(now))

    def summary(self) -> Summary:
        """Everything but the history, with the most frequent labels first."""
        return Summary(
            self.total,
            _by_count(self.by_os),
            _by_count(self.by_browser),
            {"byDevice": _by_count(self.by_device)},
        )

    def to_json(self, now: datetime) -> StatisticsJson:
        """Everything, with the history up to `now`."""
        total_number, by_os, by_browser, extras = self.summary()
        return {
            "totalNumber": total_number,
            "byOS": by_os,
            "byBrowser": by_browser,
            **extras,
            "history": self.history.to_json(now),
        }

    def json_text(self, now: datetime) -> str:
        """`to_json` as text, made once a minute: the visitors of a batch share these statistics."""
        minute = int(now.timestamp()) // 60
        if minute not in self._texts:
            self._texts.clear()
            self._texts[minute] = json.dumps(self.to_json(now))
        return self._texts[minute]


def _by_count(counts: Mapping[str, int]) -> dict[str, int]:
    """The highest count first; equal counts by label."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
