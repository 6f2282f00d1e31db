"""Whether the statistics are what the table holds: every row is read, and every shard counted anew.

The app may be running. Then the rows of a shard are not those of one instant; but its stats row is, each time it is
read, exactly their sum. Where its etag is the same before the rows and after them, they have to be equal to it. Else
each count has to lie between the two: all rows that the first one counts were there, and none that the second does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from signin.counting.table import MAX_SHARDS, ShardState, VisitTable, partition
from signin.live.lease import LEASE_PARTITION
from signin.operators.adopt import SAMPLE, sample_visits
from signin.visits.history import RESOLUTIONS
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit

_AT_ONCE = 1000  # rows in memory: a page
_NAMED = 5  # differences of a kind that are told in full


@dataclass(frozen=True, slots=True)
class ShardAudit:
    """The visits of a shard counted row by row, and its stats row before and after that.

    `strange` are the keys of the rows that are not visits, at most a few of them, and `strange_rows` is their number.
    """

    shard: int
    counted: Statistics
    before: ShardState
    after: ShardState
    strange_rows: int
    strange: Sequence[str]

    @property
    def is_open(self) -> bool:
        """Whether there is a stats row, without which nobody finds the shard."""
        return self.after.etag is not None

    @property
    def drift(self) -> int:
        """How many visits the stats row has too many (or too few, if negative)."""
        return _drift(self.counted.total, self.before.statistics.total, self.after.statistics.total)

    def problems(self) -> Iterator[str]:
        """A line for each kind of count that is not that of the rows, and for rows that are not visits."""
        name = partition(self.shard)
        counted, before, after = self.counted, self.before.statistics, self.after.statistics
        kinds = {
            "total": _differences({"visits": counted.total}, {"visits": before.total}, {"visits": after.total}),
            "by OS": _differences(counted.by_os, before.by_os, after.by_os),
            "by browser": _differences(counted.by_browser, before.by_browser, after.by_browser),
            "by device": _differences(counted.by_device, before.by_device, after.by_device),
        }
        if self.before.etag == self.after.etag:  # else an interval may have been forgotten meanwhile
            for resolution, (seconds, _) in RESOLUTIONS.items():
                kinds[f"history, {resolution}"] = _differences(
                    *(
                        {
                            f"{datetime.fromtimestamp(interval * seconds, UTC):%Y-%m-%dT%H:%MZ}": count
                            for interval, count in statistics.history.series[resolution].items()
                        }
                        for statistics in (counted, before, after)
                    )
                )
        for kind, differences in kinds.items():
            if differences:
                yield f"shard {name}, {kind}: {_some(differences)}"
        if self.strange_rows:
            keys = _some(self.strange, self.strange_rows)
            yield f"shard {name}, rows that are not visits ({self.strange_rows:,}): {keys}"


@dataclass(frozen=True, slots=True)
class Audit:
    """The shards that there are, in order, how many visits of the C# sample are not in them, and any other rows."""

    shards: Sequence[ShardAudit]
    not_adopted: int
    elsewhere: Mapping[str, int]

    def table(self) -> Iterator[str]:
        """The lines of a table: a shard each, and the sum."""
        yield _line("shard", "visits in rows", "visits in stats row", "drift")
        for audit in self.shards:
            stats = _between(audit.before.statistics.total, audit.after.statistics.total)
            yield _line(partition(audit.shard), f"{audit.counted.total:,}", stats, _signed(audit.drift))
        yield _line(
            "total",
            f"{sum(audit.counted.total for audit in self.shards):,}",
            _between(
                sum(audit.before.statistics.total for audit in self.shards),
                sum(audit.after.statistics.total for audit in self.shards),
            ),
            _signed(sum(audit.drift for audit in self.shards)),
        )

    def problems(self) -> Iterator[str]:
        """A line for everything that is not as it should be; none if every row is counted, and counted once."""
        for audit in self.shards:
            yield from audit.problems()
        opened = {audit.shard for audit in self.shards if audit.is_open}
        missing = next(shard for shard in range(MAX_SHARDS + 1) if shard not in opened)
        behind = [audit for audit in self.shards if audit.shard >= missing]
        if behind:
            names = ", ".join(partition(audit.shard) for audit in behind)
            rows = sum(audit.counted.total for audit in behind)
            yield (
                f"shard {partition(missing)} has no stats row, and readers stop there; "
                f"visits that are not shown: {rows:,} (in {names})"
            )
        if self.not_adopted:
            yield (
                f"visits of the C# sample that are not counted: {self.not_adopted:,}; "
                "run `python -m signin adopt` to adopt them"
            )
        for name, rows in self.elsewhere.items():
            yield f"partition {name} is not the app's; rows in it that nothing counts: {rows:,}"


def audit(table: VisitTable, advance: Callable[[int], None]) -> Audit:
    """Read the whole table; `advance` is told of each number of rows dealt with. Raises StorageError."""
    numbers = {partition(shard): shard for shard in range(MAX_SHARDS)}
    shards: list[ShardAudit] = []
    not_adopted = 0
    elsewhere: dict[str, int] = {}
    for name in table.partitions():
        if name in numbers:
            shards.append(_audit_shard(table, numbers[name], advance))
        elif name == SAMPLE:
            for _, is_adopted in sample_visits(table):
                not_adopted += not is_adopted
                advance(1)
        elif name != LEASE_PARTITION:
            elsewhere[name] = 0
            for _ in table.rows(name):
                elsewhere[name] += 1
                advance(1)
    return Audit(shards, not_adopted, elsewhere)


def _audit_shard(table: VisitTable, shard: int, advance: Callable[[int], None]) -> ShardAudit:
    before = table.read(shard)
    counted = Statistics()
    strange: list[str] = []
    strange_rows = 0
    rows = table.visits(shard)
    while page := list(islice(rows, _AT_ONCE)):
        not_visits = [row for row in page if isinstance(row, str)]
        strange_rows += len(not_visits)
        strange = [*strange, *not_visits][:_NAMED]
        counted += Statistics.of(row for row in page if isinstance(row, Visit))
        advance(len(page))
    return ShardAudit(shard, counted, before, table.read(shard), strange_rows, strange)


def _drift(rows: int, before: int, after: int) -> int:
    """By how much the stats row exceeds the rows (or, negative, falls short of them) at the least."""
    return max(before - rows, 0) or min(after - rows, 0)


def _differences(rows: Mapping[str, int], before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """For each label that differs: how often it is in the rows and in the stats row."""
    return [
        f"{label} {counts[0]:,} in rows, {_between(*counts[1:])} in stats row"
        for label in sorted({*rows, *before, *after})
        if _drift(*(counts := (rows.get(label, 0), before.get(label, 0), after.get(label, 0))))
    ]


def _between(before: int, after: int) -> str:
    return f"{after:,}" if before == after else f"{before:,}-{after:,}"


def _signed(drift: int) -> str:
    return f"{drift:+,}" if drift else "0"


def _some(all_of_them: Sequence[str], number: int | None = None) -> str:
    """The first few, and how many more there are."""
    named = all_of_them[:_NAMED]
    more = (number or len(all_of_them)) - len(named)
    return "; ".join([*named, *([f"and {more:,} more"] if more else [])])


def _line(*cells: str) -> str:
    return f"{cells[0]:<7}{cells[1]:>17}{cells[2]:>23}{cells[3]:>10}"
