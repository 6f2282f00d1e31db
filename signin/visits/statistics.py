"""The visit statistics: a grow-only counter (G-counter).

Each shard has one entry, a `Statistics` that only grows; the value of the counter is their sum.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from signin.visits.dimensions import DIMENSIONS, IN_SAMPLE, OTHER, People
from signin.visits.history import History
from signin.visits.visit import Visit

Counts = Mapping[str, int]  # visits by label

_SHOWN = 20  # labels of each dimension, and "Other": a broadcast may have 2 KB


@dataclass(frozen=True, slots=True)
class Statistics:
    """The number of visits in total, by label and over time.

    `counts` has the counts of each dimension by its column. They add up to the total.
    """

    total: int = 0
    counts: Mapping[str, Counts] = field(default_factory=lambda: {dimension.column: {} for dimension in DIMENSIONS})
    history: History = field(default_factory=History)
    _texts: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)  # by minute

    @classmethod
    def from_counts(cls, total: int, counts: Mapping[str, Counts], history: History | None = None) -> Statistics:
        """Statistics whose counts may lack a dimension, or visits of it: those count as "Other"."""
        complete = {}
        for dimension in DIMENSIONS:
            by_label = counts.get(dimension.column, {})
            missing = total - sum(by_label.values())
            complete[dimension.column] = _sum(by_label, {OTHER: missing}) if missing > 0 else by_label
        return cls(total, complete, history or History())

    @classmethod
    def of(cls, visits: Iterable[Visit]) -> Statistics:
        """The statistics of these visits alone."""
        visits = list(visits)
        counts = {
            dimension.column: Counter([visit.labels.get(dimension.column, OTHER) for visit in visits])
            for dimension in DIMENSIONS
        }
        return cls(len(visits), counts, History.of(visit.at for visit in visits))

    def __add__(self, other: Statistics) -> Statistics:
        counts = {column: _sum(by_label, other.counts[column]) for column, by_label in self.counts.items()}
        return Statistics(self.total + other.total, counts, self.history + other.history)

    @property
    def people(self) -> People:
        """How many people the visits are by."""
        return People.of(self.counts)

    def pruned(self, now: datetime) -> Statistics:
        """The same with the part of the history that is stored, see `History.pruned`."""
        return replace(self, history=self.history.pruned(now))

    def summary(self) -> tuple[Any, ...]:
        """The arguments of a broadcast: the total, the counts of the first two dimensions, and one object.

        The object has the other dimensions; the pages of Microsoft's C# sample ignore it. All take 2 KB at most.
        """
        shown = self._shown()
        in_sample = [shown.pop(dimension.key) for dimension in DIMENSIONS[:IN_SAMPLE]]
        return (self.total, *in_sample, shown)

    def to_json(self, now: datetime) -> dict[str, Any]:
        """The `stats` of the response to a sign-in, and the response of `/stats`.

        `{"totalNumber", …, "history"}`, in between the counts of each dimension. The history ends at `now`.
        """
        return {"totalNumber": self.total, **self._shown(), "history": self.history.to_json(now)}

    def json_text(self, now: datetime) -> str:
        """`to_json` as text, made once a minute: the visitors of a batch share these statistics."""
        minute = int(now.timestamp()) // 60
        if minute not in self._texts:
            self._texts.clear()
            self._texts[minute] = json.dumps(self.to_json(now))
        return self._texts[minute]

    def _shown(self) -> dict[str, dict[str, int]]:
        return {dimension.key: _largest(self.counts[dimension.column]) for dimension in DIMENSIONS}


def _sum(here: Counts, there: Counts) -> Counts:
    if len(here) < len(there):
        here, there = there, here
    return {**here, **{label: here.get(label, 0) + count for label, count in there.items()}}


def _largest(counts: Counts) -> dict[str, int]:
    """The largest labels, and the sum of the rest in "Other". The highest count first; equal counts by label."""
    named = sorted((-count, label) for label, count in counts.items() if label != OTHER)
    rest = counts.get(OTHER, 0) - sum(count for count, _ in named[_SHOWN:])
    shown = sorted([*named[:_SHOWN], *([(-rest, OTHER)] if rest else [])])
    return {label: -count for count, label in shown}
