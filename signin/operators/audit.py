"""Compare the statistics with the table: read every row and recount every shard.

The app may be running, so a scan of a shard's rows is not a snapshot. But whenever the stats row is read, it is exactly
the sum of the shard's rows. If the stats row's ETag is the same before and after the scan, the scan must match it.
Otherwise each count must lie between the two readings: the scan found every row that the first one counts, and no row
that the second one does not count.

The rows of all shards are read side by side, in the order of time: two rows of one visit are minutes apart.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from operator import attrgetter, itemgetter

from signin.counting.rows import ALL_SHARDS, MAX_SHARDS, Partitions, ShardState, room_of, rooms_of
from signin.counting.table import VisitTable
from signin.operators.adopt import SAMPLE, sample_visits
from signin.operators.recount import Recount, as_range
from signin.visits.visit import Visit

_PAGE_ROWS = 1000  # rows of a shard in memory
_NAME_WIDTH = 7  # characters of a shard's name in the output, at least
_MAX_LISTED = 5  # differences of a kind in the output; the others are only counted
_REPEATED_MINUTES = 15  # a page repeats a visit for less, and its app looks for the key as long


@dataclass(frozen=True, slots=True)
class ShardAudit:
    """The visits of a shard counted row by row, and its stats row before and after the scan, which ended at `at`.

    `invalid_rows` is the number of rows that are not visits, `invalid_keys` has the keys of the first few.
    """

    partitions: Partitions
    shard: int
    counted: Recount
    before: ShardState
    after: ShardState
    at: datetime
    invalid_rows: int
    invalid_keys: Sequence[str]

    @property
    def name(self) -> str:
        """The PartitionKey of the shard."""
        return self.partitions.of(self.shard)

    @property
    def total(self) -> int:
        """The number of visits in the rows."""
        return self.counted.statistics.total

    @property
    def drift(self) -> int:
        """The surplus of visits in the stats row; negative if it has too few."""
        return self.counted.drift(self.before.statistics, self.after.statistics)

    def differences(self) -> Iterator[str]:
        """A line for each kind of count that does not match the rows."""
        differences = self.counted.differences(
            self.before.statistics,
            self.after.statistics,
            self.at,
            # In a shard that changed during the scan an old interval may have been dropped.
            with_history=self.before.etag == self.after.etag,
        )
        for kind, labels in differences:
            yield f"shard {self.name}, {kind}: {_listed(labels, len(labels))}"

    def problems(self) -> Iterator[str]:
        """The differences, and a line for rows that are not visits."""
        yield from self.differences()
        if self.invalid_rows:
            keys = _listed(self.invalid_keys, self.invalid_rows)
            yield f"shard {self.name}, rows that are not visits ({self.invalid_rows:,}): {keys}"


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a table, or of some rooms.

    `shards` has every shard with rows: first those of the default counter, then room by room, in the order of
    PartitionKey, so that the shard "adopted" is the last of its counter. `not_adopted` is
    the number of visits of the C# sample that are not counted. `unknown_partitions` has the number of rows of each
    partition that the app does not use. `repeated` is the number of visits that have two rows, because two processes
    counted them, and `repeated_keys` has the second row of the first few.
    """

    shards: Sequence[ShardAudit]
    repeated: int
    repeated_keys: Sequence[str]
    not_adopted: int
    unknown_partitions: Mapping[str, int]

    def table(self) -> Iterator[str]:
        """The lines of a table: a header, a line for each shard, and the totals."""
        width = max([_NAME_WIDTH, *(len(audit.name) for audit in self.shards)])
        yield _line(width, "shard", "visits in rows", "visits in stats row", "drift")
        for audit in self.shards:
            stats = as_range(audit.before.statistics.total, audit.after.statistics.total)
            yield _line(width, audit.name, f"{audit.total:,}", stats, _signed(audit.drift))
        yield _line(
            width,
            "total",
            f"{sum(audit.total for audit in self.shards):,}",
            as_range(
                sum(audit.before.statistics.total for audit in self.shards),
                sum(audit.after.statistics.total for audit in self.shards),
            ),
            _signed(sum(audit.drift for audit in self.shards)),
        )

    def problems(self) -> Iterator[str]:
        """A line for each problem; none if every visit is counted exactly once."""
        for audit in self.shards:
            yield from audit.problems()
        for missing, unreachable in self._beyond_gaps():
            names = ", ".join(audit.name for audit in unreachable)
            rows = sum(audit.total for audit in unreachable)
            yield (
                f"shard {missing} has no stats row, so the app does not read further; "
                f"visits that it does not show: {rows:,} (in {names})"
            )
        if self.repeated:
            keys = _listed(self.repeated_keys, self.repeated)
            yield f"visits that have two rows, and so are counted twice ({self.repeated:,}): {keys}"
        if self.not_adopted:
            yield (
                f"visits of the C# sample that are not counted: {self.not_adopted:,}; "
                "run `python -m signin adopt` to count them"
            )
        for name, rows in self.unknown_partitions.items():
            yield f"partition {name} does not belong to the app; uncounted rows in it: {rows:,}"

    @property
    def needs_repair(self) -> bool:
        """Whether `python -m signin repair` would mend something."""
        return any(self._beyond_gaps()) or any(True for audit in self.shards for _ in audit.differences())

    def _beyond_gaps(self) -> Iterator[tuple[str, Sequence[ShardAudit]]]:
        """The first shard without a stats row, and the shards that the app therefore does not read, of each counter.

        It reads the shards 0, 1, … up to the first without a stats row, and the shard "adopted" in any case.
        """
        for partitions, group in groupby(self.shards, key=attrgetter("partitions")):
            shards = list(group)
            with_stats_row = {audit.shard for audit in shards if audit.after.exists}
            missing = next(shard for shard in range(MAX_SHARDS + 1) if shard not in with_stats_row)
            if unreachable := [audit for audit in shards if audit.shard >= missing]:
                yield partitions.of(missing), unreachable


def audit(table: VisitTable, advance: Callable[[int], None], rooms: Sequence[str] | None = None) -> Audit:
    """Read the whole table, or only the shards of these rooms.

    Calls `advance` with the number of rows read since the last call. Raises StorageError.
    """
    names = list(table.partition_keys())
    counters = [table.of_room(room) for room in rooms or rooms_of(names)]
    shards: list[ShardAudit] = []
    repeated = 0
    repeated_keys: list[str] = []
    for counter in counters:
        scans = [_Scan(counter, shard, advance) for shard in ALL_SHARDS if counter.partitions.of(shard) in names]
        for key in _repeated(heapq.merge(*(scan.visits() for scan in scans), key=itemgetter(0))):
            repeated += 1
            repeated_keys = [*repeated_keys, key][:_MAX_LISTED]
        shards += sorted((scan.result for scan in scans), key=attrgetter("name"))
    not_adopted = 0
    unknown_partitions: dict[str, int] = {}
    for name in names if rooms is None else ():
        if name == SAMPLE:
            for _, is_adopted in sample_visits(counters):
                not_adopted += not is_adopted
                advance(1)
        elif room_of(name) is None:
            unknown_partitions[name] = 0
            for _ in table.rows(name):
                unknown_partitions[name] += 1
                advance(1)
    return Audit(shards, repeated, repeated_keys, not_adopted, unknown_partitions)


class _Scan:
    """Counts the visits of a shard while they are read; `result` is there at the end."""

    result: ShardAudit

    def __init__(self, table: VisitTable, shard: int, advance: Callable[[int], None]) -> None:
        self._table = table
        self._shard = shard
        self._advance = advance

    def visits(self) -> Iterator[tuple[str, str, Visit]]:
        """The RowKey and the PartitionKey of each visit, and the visit, in the order of RowKey."""
        partitions = self._table.partitions
        name = partitions.of(self._shard)
        before = self._table.read(self._shard)
        counted = Recount()
        invalid_rows = 0
        invalid_keys: list[str] = []
        rows = self._table.visits(self._shard)
        while page := list(islice(rows, _PAGE_ROWS)):
            invalid = [row.key for row in page if row.visit is None]
            invalid_rows += len(invalid)
            invalid_keys = [*invalid_keys, *invalid][:_MAX_LISTED]
            counted = counted.add(page, self._table.now())
            self._advance(len(page))
            yield from ((row.key, name, row.visit) for row in page if row.visit is not None)
        after = self._table.read(self._shard)
        now = self._table.now()
        self.result = ShardAudit(partitions, self._shard, counted, before, after, now, invalid_rows, invalid_keys)


def _repeated(visits: Iterable[tuple[str, str, Visit]]) -> Iterator[str]:
    """The rows with the idempotency key of another row of the minutes before, given the visits of all shards in order.

    Keeps some 80 bytes for each key of _REPEATED_MINUTES.
    """
    recent: dict[int, set[int]] = {}  # by minute: the hashes of the idempotency keys
    for row_key, name, visit in visits:
        if visit.idempotency_key is None:
            continue
        key, minute = hash(visit.idempotency_key), int(visit.at.timestamp()) // 60
        if minute not in recent:
            recent = {past: keys for past, keys in recent.items() if past >= minute - _REPEATED_MINUTES}
            recent[minute] = set()
        if any(key in keys for keys in recent.values()):
            yield f"{row_key} in {name}"
        recent[minute].add(key)


def _signed(drift: int) -> str:
    return f"{drift:+,}" if drift else "0"


def _listed(items: Sequence[str], total: int) -> str:
    """The first few of the items, and the number of the others."""
    first = items[:_MAX_LISTED]
    others = total - len(first)
    return "; ".join([*first, *([f"and {others:,} more"] if others else [])])


def _line(width: int, *cells: str) -> str:
    return f"{cells[0]:<{width}}{cells[1]:>17}{cells[2]:>23}{cells[3]:>10}"
