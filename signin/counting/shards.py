"""The statistics of all shards together, as this process knows them: a grow-only counter (G-counter).

Each shard only grows and the value is their sum, so what is known of a shard is replaced only by something larger,
and no value given out is ever smaller than one given out before.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from signin.counting.table import MAX_SHARDS, ShardState, StorageError
from signin.visits.statistics import Statistics


class _Reader(Protocol):
    def read(self, shard: int) -> ShardState: ...


_JUST_NOW = 0.1  # seconds


class ShardCounter:
    """What this process wrote itself, and what it read of the other shards.

    A process that is alone need not read at all: whoever goes to another shard than the first moves the first one's
    fence before (see `VisitTable.open`), and whoever commits to the first moves it too. If there was no other shard
    after we learned the first one's etag, there is none as long as our commits meet the etag they expect.

    Thread-safe; only `refresh`, `read_all` and `read_others` block, one caller at a time.
    """

    def __init__(self, table: _Reader, max_age: float) -> None:
        self._table = table
        self._max_age = max_age
        self._lock = threading.Lock()
        self._shards: dict[int, Statistics] = {}
        self._value: Statistics | None = None
        self._known_at: dict[int, float] = {}
        self._own: int | None = None
        self._doubts = 1
        self._doubted_at = time.monotonic()
        self._settled_doubts = 0
        self._walk_lock = threading.Lock()
        self._walked_at = float("-inf")
        self._walk_error: StorageError | None = None

    def record(self, shard: int, statistics: Statistics) -> None:
        """Take note of what this process committed a moment ago."""
        self._learn(shard, statistics)
        self._own = shard

    def doubt(self) -> None:
        """Take note that there may be others, since an etag was read anew."""
        with self._lock:
            self._doubts += 1
            self._doubted_at = time.monotonic()

    def totals(self) -> dict[int, int]:
        """How many visits of each shard are known."""
        with self._lock:
            return {shard: statistics.total for shard, statistics in self._shards.items()}

    def value(self) -> Statistics:
        """The sum over all known shards; the same object until one of them changes."""
        with self._lock:
            if self._value is None:
                self._value = sum(self._shards.values(), start=Statistics())
            return self._value

    @property
    def opened(self) -> int:
        """How many shards are known. They are opened in order, without gaps."""
        with self._lock:
            return max(self._shards, default=-1) + 1

    @property
    def may_have_peers(self) -> bool:
        """Whether other processes have counted visits, or might have within the last two `max_age`."""
        return not self._is_alone() or time.monotonic() - self._doubted_at < 2 * self._max_age

    @property
    def is_current(self) -> bool:
        """Whether a visitor whose visit this process has committed can be shown the value as it is."""
        return self._is_alone() or self._is_fresh()

    def refresh(self, committing: int | None = None) -> None:
        """Read the shards of which nothing was heard for `max_age` seconds, up to the first that does not exist.

        Leaves out the shard that the caller is committing to, since the commit will tell. Sends nothing where the last
        walk is younger than `max_age`, so that storage is asked at most once per interval, also while it fails.
        Raises StorageError, after which the value is as old as it was.
        """
        with self._walk_lock:
            if not self._is_fresh():
                is_known = committing in self._shards
                self._walk(committing if is_known else None, heard_since=time.monotonic() - self._max_age)
            elif self._walk_error is not None:
                raise type(self._walk_error)(str(self._walk_error))

    def read_all(self) -> bool:
        """Read every shard, and say whether visits were found that were not known. Raises StorageError.

        For somebody who may have missed a broadcast: every visit that was broadcast before this call is known after it.
        """
        with self._walk_lock:
            known = self.totals()
            self._walk(None, heard_since=float("inf"))
            return self.totals() != known

    def read_others(self) -> None:
        """Read every shard, but for one that this process committed to just now. Raises StorageError.

        For a broadcast. Of two processes that first commit and then look around, one at least sees both commits: this
        is what makes the last broadcast complete.
        """
        is_just_committed = self._own is not None and time.monotonic() - self._known_at[self._own] < _JUST_NOW
        if is_just_committed and self._is_alone():
            return
        with self._walk_lock:
            self._walk(self._own if is_just_committed else None, heard_since=float("inf"))

    def _is_alone(self) -> bool:
        return self.opened == 1 and self._settled_doubts == self._doubts

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._walked_at < self._max_age

    def _walk(self, passing: int | None, heard_since: float) -> None:
        doubts = self._doubts
        self._walk_error = None
        try:
            for shard in range(MAX_SHARDS):
                if shard == passing or self._known_at.get(shard, float("-inf")) >= heard_since:
                    continue
                head = self._table.read(shard)
                if head.etag is None:
                    break
                self._learn(shard, head.statistics)
            self._settled_doubts = doubts
        except StorageError as error:
            self._walk_error = error
            raise
        finally:
            self._walked_at = time.monotonic()

    def _learn(self, shard: int, statistics: Statistics) -> None:
        with self._lock:
            self._known_at[shard] = time.monotonic()
            if shard not in self._shards or statistics.total > self._shards[shard].total:
                self._shards[shard] = statistics
                self._value = None
