"""The visits of a shard counted row by row, and how they differ from its stats row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from signin.counting.table import StoredVisit
from signin.visits.history import CLOCK_TOLERANCE, RESOLUTIONS, History
from signin.visits.statistics import Statistics

_DOUBTFUL_AFTER = CLOCK_TOLERANCE - timedelta(minutes=1)  # what the app believed is not known to the second


@dataclass(frozen=True, slots=True)
class Recount:
    """The statistics of visit rows.

    A visit whose RowKey is dated minutes after the row was stored comes from a wrong clock. The app may have believed
    it, or counted it in the total and not in the history. So it is in `doubtful`, not in the history of `statistics`.
    """

    statistics: Statistics = field(default_factory=Statistics)
    doubtful: History = field(default_factory=History)

    def add(self, rows: Iterable[StoredVisit], now: datetime) -> Recount:
        """This and the visits among the rows; `now` as in `Statistics.pruned`."""
        visits = [(row.visit, row.visit.at > row.stored_at + _DOUBTFUL_AFTER) for row in rows if row.visit is not None]
        added = Statistics.of(visit for visit, _ in visits)
        history = History.of(visit.at for visit, is_doubtful in visits if not is_doubtful)
        doubtful = History.of(visit.at for visit, is_doubtful in visits if is_doubtful)
        return Recount(
            (self.statistics + replace(added, history=history)).pruned(now), (self.doubtful + doubtful).pruned(now)
        )

    def drift(self, before: Statistics, after: Statistics) -> int:
        """The surplus of visits in the stats row; negative if it has too few."""
        return _drift(self.statistics.total, self.statistics.total, before.total, after.total)

    def differences(
        self, before: Statistics, after: Statistics, now: datetime, *, with_history: bool
    ) -> Iterator[tuple[str, list[str]]]:
        """Each kind of count that differs from the stats row, with its labels or intervals that differ.

        `before` and `after` are the stats row before and after the rows were read: a count may lie between them.
        """
        most = self.statistics + Statistics(history=self.doubtful)
        shown = _shown(most.history + before.history + after.history, now) if with_history else {}
        least_counts, *other_counts = (
            _counts(statistics, shown) for statistics in (self.statistics, most, before, after)
        )
        for kind, counts in least_counts.items():
            if differences := _differences(counts, *(others[kind] for others in other_counts)):
                yield kind, differences


def as_range(before: int, after: int) -> str:
    """A count that changed from one reading of the stats row to the next."""
    return f"{after:,}" if before == after else f"{before:,}-{after:,}"


def _shown(history: History, now: datetime) -> Mapping[str, range]:
    """The intervals that are compared: as many as are shown, which is all that an earlier version stored."""
    newest = {name: max(series, default=0) for name, series in history.pruned(now).series.items()}
    return {name: range(newest[name] - kept + 1, newest[name] + 1) for name, (_, kept) in RESOLUTIONS.items()}


def _counts(statistics: Statistics, shown: Mapping[str, range]) -> Mapping[str, Mapping[str, int]]:
    """Everything that the statistics count: for each kind the count of each label, or of each interval in `shown`."""
    counts: dict[str, Mapping[str, int]] = {
        "total": {"visits": statistics.total},
        **{f"by {column}": by_label for column, by_label in statistics.counts.items()},
    }
    for name, intervals in shown.items():
        counts[f"history, {name}"] = {
            f"{datetime.fromtimestamp(interval * RESOLUTIONS[name].seconds, UTC):%Y-%m-%dT%H:%MZ}": count
            for interval, count in statistics.history.series[name].items()
            if interval in intervals
        }
    return counts


def _drift(least: int, most: int, before: int, after: int) -> int:
    """The smallest possible excess of the stats row over the rows, negative if it has too few visits."""
    return max(before - most, 0) or min(after - least, 0)


def _differences(
    least: Mapping[str, int], most: Mapping[str, int], before: Mapping[str, int], after: Mapping[str, int]
) -> list[str]:
    """For each label or interval that differs, its count in the rows and in the stats row."""
    differences = []
    for label in sorted({*most, *before, *after}):
        counts = [counts.get(label, 0) for counts in (least, most, before, after)]
        if _drift(*counts):
            differences.append(f"{label} {counts[0]:,} in rows, {as_range(*counts[2:])} in stats row")
    return differences
