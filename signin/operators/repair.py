"""Count every shard anew from its rows, and replace the stats rows that differ, also while the app is running.

A shard is counted as it was at a touch of its stats row. The touch changes the ETag, so a commit on its way fails, and
one that follows has read the row after the touch: the Timestamps of its rows, which the service sets, are later by a
round trip. Commits since then add exactly the difference of the stats row to its reading at the touch, whatever that
row counted wrongly before. So the rows up to the touch and that difference are the right statistics at any later ETag.

They are written by If-Match. If the ETag was still the touch's, nothing else has written and the shard is right. Else
another operator may have repaired the shard too, and it is counted again until a count finds nothing to mend.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import NamedTuple

from signin.counting.errors import EtagMismatch, OutcomeUnknown, PermanentError, StorageError
from signin.counting.rows import ADOPTED, ALL_SHARDS, STATS_KEY, ShardState, state_of, stats_row
from signin.counting.table import VisitTable
from signin.operators.adopt import retried
from signin.operators.recount import Recount
from signin.visits.history import RESOLUTIONS, History
from signin.visits.statistics import Statistics

_PAGE_ROWS = 1000  # rows in memory
_TOUCHES = 30  # until a reading finds the stats row as a touch left it
_WRITES = 100  # of a stats row; a busy app commits some 20 times a second
_COUNTS = 5  # of a shard

_SAME_TIME = timedelta(milliseconds=1)  # Azurite's Timestamps are not exact to less


class ShardRepair(NamedTuple):
    """The total of a shard's stats row before and after; None if there was no row, or a malformed one."""

    shard: int
    before: int | None
    after: int
    is_changed: bool


class _StatsRow(NamedTuple):
    """A stats row: its ETag (None: there is none), its Timestamp, and its state (None: it is malformed or missing).

    `is_as_touched`: what wrote it last was a touch.
    """

    etag: str | None = None
    at: datetime | None = None
    state: ShardState | None = None
    is_as_touched: bool = False


def repair(table: VisitTable, advance: Callable[[int], None]) -> Sequence[ShardRepair]:
    """Repair the shards of a counter that need it; what became of each shard. Raises StorageError.

    However a run ends, each stats row has been replaced by the right one, or counts what it counted; another run
    continues. `advance` receives the numbers of rows as they are read.
    """
    names = set(table.partition_keys())
    shards = [shard for shard in ALL_SHARDS if table.partitions.of(shard) in names]
    if not shards:
        return []
    repairs = [_repair(table, shard, advance) for shard in range(max(0, *shards) + 1)]  # also those in a gap
    if ADOPTED in shards:
        repairs.append(_repair(table, ADOPTED, advance))
    # Running processes then read the shards again. Also if nothing was wrong: the run before may have been killed.
    retried(lambda: table.touch(0))
    return repairs


def _repair(table: VisitTable, shard: int, advance: Callable[[int], None]) -> ShardRepair:
    first: _StatsRow | None = None
    failure: StorageError | None = None
    is_changed = False
    for _ in range(_COUNTS):
        origin = _touched(table, shard)
        first = first or origin
        counted = _count(table, shard, origin, advance)
        try:
            written = _write(table, shard, origin, counted)
        except PermanentError:
            raise
        except StorageError as error:
            failure = error
            is_changed |= isinstance(error, OutcomeUnknown)
            continue
        is_changed |= written.has_written
        if written.is_final:
            before = None if first.state is None else first.state.statistics.total
            return ShardRepair(shard, before, written.total, is_changed)
    raise failure or EtagMismatch(f"other processes keep writing to shard {table.partitions.of(shard)}")


def _touched(table: VisitTable, shard: int) -> _StatsRow:
    """Touch the stats row; the row as the touch has left it, or none if there is no row."""
    row = retried(lambda: _read(table, shard))
    for _ in range(_TOUCHES):
        if row.etag is None:
            return row
        retried(lambda: table.touch(shard))
        row = retried(lambda: _read(table, shard))
        if row.is_as_touched:
            return row
    raise EtagMismatch(f"other processes keep writing to shard {table.partitions.of(shard)}")


def _read(table: VisitTable, shard: int) -> _StatsRow:
    row = table.row(table.partitions.of(shard), STATS_KEY)
    if row is None:
        return _StatsRow()
    state = None
    with suppress(PermanentError):
        state = state_of(row)
    return _StatsRow(row.metadata["etag"], row.metadata["timestamp"], state, is_as_touched="Touched" in row)


def _count(table: VisitTable, shard: int, origin: _StatsRow, advance: Callable[[int], None]) -> Recount:
    """Count the visits that were stored before the touch; all of them if there is no stats row."""
    counted = Recount()
    rows = table.visits(shard)
    while page := list(islice(rows, _PAGE_ROWS)):
        until = None if origin.at is None else origin.at + _SAME_TIME
        counted = counted.add((row for row in page if until is None or row.stored_at <= until), table.now())
        advance(len(page))
    return counted


class _Written(NamedTuple):
    total: int
    has_written: bool
    is_final: bool


def _write(table: VisitTable, shard: int, origin: _StatsRow, counted: Recount) -> _Written:
    """Make the stats row right, unless it is. Raises StorageError; after an EtagMismatch the count is of no use."""
    for _ in range(_WRITES):
        latest = retried(lambda: _read(table, shard))
        right = counted.statistics
        if latest.etag != origin.etag:
            right = (right + _gained(origin.state, latest.state)).pruned(table.now())
        # Closed: no process commits to a shard that it cannot read, and one that wants to opens it.
        is_closed = shard != 0 and (latest.state is None or latest.state.is_closed)
        if latest.state is not None and latest.state.is_closed == is_closed:
            stored = latest.state.statistics
            differences = replace(counted, statistics=right).differences(stored, stored, table.now(), with_history=True)
            if not any(True for _ in differences):
                return _Written(stored.total, has_written=False, is_final=True)
        with suppress(EtagMismatch):
            table.write(stats_row(table.partitions.of(shard), right, is_closed=is_closed), latest.etag)
            return _Written(right.total, has_written=True, is_final=latest.etag == origin.etag)
    raise EtagMismatch(f"other processes keep writing to shard {table.partitions.of(shard)}")


def _gained(before: ShardState | None, after: ShardState | None) -> Statistics:
    """What commits have added to a stats row. Raises EtagMismatch if something else must have changed it."""
    if before is None or after is None or after.statistics.total < before.statistics.total:
        raise EtagMismatch("the stats row was replaced")
    new, old = after.statistics, before.statistics
    return Statistics(
        new.total - old.total,
        {column: Counter(by_label) - Counter(old.counts[column]) for column, by_label in new.counts.items()},
        # Intervals that were dropped since are not negative.
        History({name: Counter(new.history.series[name]) - Counter(old.history.series[name]) for name in RESOLUTIONS}),
    )
