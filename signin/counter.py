"""The statistics of all shards together, as this process knows them: a grow-only counter (G-counter).

Each shard only grows and the value is their sum, so what is known of a shard is replaced only by something larger,
and no value given out is ever smaller than one given out before.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

from signin.statistics import Statistics
from signin.table import MAX_SHARDS, Head, StorageError


class _Reader(Protocol):
    def read(self, shard: int) -> Head: ...


class ShardCounter:
    """What this process wrote itself, and what it read of the other shards.

    Thread-safe; only the two methods that read block, one caller at a time.
    """

    def __init__(self, table: _Reader, max_age: float) -> None:
        self._table = table
        self._max_age = max_age
        self._lock = threading.Lock()
        self._shards: dict[int, Statistics] = {}
        self._known_at: dict[int, float] = {}
        self._own: int | None = None
        self._walk_lock = threading.Lock()
        self._walked_at = float("-inf")
        self._walk_error: StorageError | None = None

    def record(self, shard: int, statistics: Statistics) -> None:
        """Take note of what this process committed a moment ago, and that the shard is its own from now on."""
        self._own = shard
        self._learn(shard, statistics)

    def value(self) -> Statistics:
        """The sum over all known shards."""
        with self._lock:
            return sum(self._shards.values(), start=Statistics())

    @property
    def opened(self) -> int:
        """How many shards are known. They are opened in order, without gaps."""
        with self._lock:
            return max(self._shards, default=-1) + 1

    @property
    def is_current(self) -> bool:
        """Whether the other shards need not be read before the value is shown to a visitor.

        They were read less than `max_age` ago, or there were none when they were read last. A process that is alone
        looks around after each of its commits, for the broadcast.
        """
        has_looked = self._walked_at > float("-inf") and self._walk_error is None
        return (has_looked and self.opened <= 1) or self._is_fresh()

    def refresh(self, committing: int | None = None) -> None:
        """Read the shards of which nothing was heard for `max_age` seconds, up to the first that does not exist.

        Leaves out the shard that the caller is committing to, since the commit will tell. Sends nothing where the last
        walk is younger than `max_age`, so that storage is asked at most once per interval, also while it fails.
        Raises StorageError, after which the value is as old as it was.
        """
        with self._walk_lock:
            if not self._is_fresh():
                self._walk(committing, heard_since=time.monotonic() - self._max_age)
            elif self._walk_error is not None:
                raise self._walk_error

    def refresh_others(self) -> None:
        """Read every shard but this process's own, up to the first that does not exist. Raises StorageError.

        Of two processes that each commit first and read the other's shard then, one at least sees both commits: this
        is what makes the last broadcast complete.
        """
        with self._walk_lock:
            self._walk(self._own, heard_since=float("inf"))

    def _is_fresh(self) -> bool:
        return time.monotonic() - self._walked_at < self._max_age

    def _walk(self, passing: int | None, heard_since: float) -> None:
        self._walk_error = None
        try:
            for shard in range(MAX_SHARDS):
                if shard == passing or self._known_at.get(shard, float("-inf")) >= heard_since:
                    continue
                head = self._table.read(shard)
                if head.etag is None:
                    return
                self._learn(shard, head.statistics)
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
