"""Compare the statistics with the table: read every row and recount every shard.

The app may be running, so a scan of a shard's rows is not a snapshot. But whenever the stats row is read, it is exactly
the sum of the shard's rows. If the stats row's ETag is the same before and after the scan, the scan must match it.
Otherwise each count must lie between the two readings: the scan found every row that the first one counts, and no row
that the second one does not count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from signin.counting.rows import ALL_SHARDS, MAX_SHARDS, ShardState, partition
from signin.counting.table import VisitTable
from signin.live.lease import LEASE_PARTITION
from signin.operators.adopt import SAMPLE, sample_visits
from signin.visits.history import RESOLUTIONS
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit

_PAGE_ROWS = 1000  # rows in memory
_MAX_LISTED = 5  # differences of a kind in the output; the others are only counted


@dataclass(frozen=True, slots=True)
class ShardAudit:
    """The visits of a shard counted row by row, and its stats row before and after the scan.

    `invalid_rows` is the number of rows that are not visits, `invalid_keys` has the keys of the first few.
    """

    shard: int
    counted: Statistics
    before: ShardState
    after: ShardState
    invalid_rows: int
    invalid_keys: Sequence[str]

    @property
    def has_stats_row(self) -> bool:
        return self.after.etag is not None

    @property
    def drift(self) -> int:
        """The surplus of visits in the stats row; negative if it has too few."""
        return _drift(self.counted.total, self.before.statistics.total, self.after.statistics.total)

    def problems(self) -> Iterator[str]:
        """A line for each kind of count that does not match the rows, and one for rows that are not visits."""
        name = partition(self.shard)
        # In a shard that changed during the scan an old interval may have been dropped.
        with_history = self.before.etag == self.after.etag
        counted = _counts(self.counted, with_history)
        before = _counts(self.before.statistics, with_history)
        after = _counts(self.after.statistics, with_history)
        for kind in counted:
            if differences := _differences(counted[kind], before[kind], after[kind]):
                yield f"shard {name}, {kind}: {_listed(differences, len(differences))}"
        if self.invalid_rows:
            keys = _listed(self.invalid_keys, self.invalid_rows)
            yield f"shard {name}, rows that are not visits ({self.invalid_rows:,}): {keys}"


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a table.

    `shards` has every shard with rows, in the order of PartitionKey: the shard "adopted" is the last. `not_adopted` is
    the number of visits of the C# sample that are not counted. `unknown_partitions` has the number of rows of each
    partition that the app does not use.
    """

    shards: Sequence[ShardAudit]
    not_adopted: int
    unknown_partitions: Mapping[str, int]

    def table(self) -> Iterator[str]:
        """The lines of a table: a header, a line for each shard, and the totals."""
        yield _line("shard", "visits in rows", "visits in stats row", "drift")
        for audit in self.shards:
            stats = _range(audit.before.statistics.total, audit.after.statistics.total)
            yield _line(partition(audit.shard), f"{audit.counted.total:,}", stats, _signed(audit.drift))
        yield _line(
            "total",
            f"{sum(audit.counted.total for audit in self.shards):,}",
            _range(
                sum(audit.before.statistics.total for audit in self.shards),
                sum(audit.after.statistics.total for audit in self.shards),
            ),
            _signed(sum(audit.drift for audit in self.shards)),
        )

    def problems(self) -> Iterator[str]:
        """A line for each problem; none if every visit is counted exactly once."""
        for audit in self.shards:
            yield from audit.problems()
        with_stats_row = {audit.shard for audit in self.shards if audit.has_stats_row}
        # The app reads the shards 0, 1, … up to the first without a stats row, and the shard "adopted" in any case.
        missing = next(shard for shard in range(MAX_SHARDS + 1) if shard not in with_stats_row)
        unreachable = [audit for audit in self.shards if audit.shard >= missing]
        if unreachable:
            names = ", ".join(partition(audit.shard) for audit in unreachable)
            rows = sum(audit.counted.total for audit in unreachable)
            yield (
                f"shard {partition(missing)} has no stats row, so the app does not read further; "
                f"visits that it does not show: {rows:,} (in {names})"
            )
        if self.not_adopted:
            yield (
                f"visits of the C# sample that are not counted: {self.not_adopted:,}; "
                "run `python -m signin adopt` to count them"
            )
        for name, rows in self.unknown_partitions.items():
            yield f"partition {name} does not belong to the app; uncounted rows in it: {rows:,}"


def audit(table: VisitTable, advance: Callable[[int], None]) -> Audit:
    """Read the whole table. Calls `advance` with the number of rows read since the last call. Raises StorageError."""
    numbers = {partition(shard): shard for shard in ALL_SHARDS}
    shards: list[ShardAudit] = []
    not_adopted = 0
    unknown_partitions: dict[str, int] = {}
    for name in table.partitions():
        if name in numbers:
            shards.append(_audit_shard(table, numbers[name], advance))
        elif name == SAMPLE:
            for _, is_adopted in sample_visits(table):
                not_adopted += not is_adopted
                advance(1)
        elif name != LEASE_PARTITION:
            unknown_partitions[name] = 0
            for _ in table.rows(name):
                unknown_partitions[name] += 1
                advance(1)
    return Audit(shards, not_adopted, unknown_partitions)


def _audit_shard(table: VisitTable, shard: int, advance: Callable[[int], None]) -> ShardAudit:
    before = table.read(shard)
    counted = Statistics()
    invalid_rows = 0
    invalid_keys: list[str] = []
    rows = table.visits(shard)
    while page := list(islice(rows, _PAGE_ROWS)):
        keys = [row for row in page if isinstance(row, str)]
        invalid_rows += len(keys)
        invalid_keys = [*invalid_keys, *keys][:_MAX_LISTED]
        counted += Statistics.of(row for row in page if isinstance(row, Visit))
        advance(len(page))
    return ShardAudit(shard, counted, before, table.read(shard), invalid_rows, invalid_keys)


def _counts(statistics: Statistics, with_history: bool) -> Mapping[str, Mapping[str, int]]:
    """Everything that the statistics count: for each kind the count of each label or interval."""
    counts = {
        "total": {"visits": statistics.total},
        "by OS": statistics.by_os,
        "by browser": statistics.by_browser,
        "by device": statistics.by_device,
    }
    if with_history:
        for name, (seconds, _) in RESOLUTIONS.items():
            counts[f"history, {name}"] = {
                f"{datetime.fromtimestamp(interval * seconds, UTC):%Y-%m-%dT%H:%MZ}": count
                for interval, count in statistics.history.series[name].items()
            }
    return counts


def _drift(rows: int, before: int, after: int) -> int:
    """The smallest possible excess of the stats row over the rows, negative if it has too few visits."""
    return max(before - rows, 0) or min(after - rows, 0)


def _differences(rows: Mapping[str, int], before: Mapping[str, int], after: Mapping[str, int]) -> list[str]:
    """For each label or interval that differs, its count in the rows and in the stats row."""
    return [
        f"{label} {counts[0]:,} in rows, {_range(*counts[1:])} in stats row"
        for label in sorted({*rows, *before, *after})
        if _drift(*(counts := (rows.get(label, 0), before.get(label, 0), after.get(label, 0))))
    ]


def _range(before: int, after: int) -> str:
    return f"{after:,}" if before == after else f"{before:,}-{after:,}"


def _signed(drift: int) -> str:
    return f"{drift:+,}" if drift else "0"


def _listed(items: Sequence[str], total: int) -> str:
    """The first few of the items, and the number of the others."""
    first = items[:_MAX_LISTED]
    others = total - len(first)
    return "; ".join([*first, *([f"and {others:,} more"] if others else [])])


def _line(*cells: str) -> str:
    return f"{cells[0]:<7}{cells[1]:>17}{cells[2]:>23}{cells[3]:>10}"
