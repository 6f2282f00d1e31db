"""The shards as one process knows them: which one it commits to, and the statistics of all of them.

The rules, which tests/faults/test_shard_protocol.py checks in every interleaving:

1. To commit to a shard above 0 at an ETag that it has read, a process reads the ETag, then changes shard 0's ETag, then
   commits. At the ETag of its own last commit it need not change shard 0's.
2. No process commits to a closed shard: it re-opens it, and then 1 applies. Closing is conditional on the shard's ETag:
   a commit on its way comes first, or fails and finds the shard closed. ("adopted" is closed; only
   `operators/adopt.py` commits to it, and changes shard 0's ETag at the end.)
3. A process on shard 0 closes every other shard that was last changed IDLE_SECONDS before the newest one, which as a
   rule is its own, by the service's clock. A process on another shard goes back to shard 0 if that is idle as long.
4. A process that leaves a crowded shard takes one that it knows to be closed; if there is none, any other shard or a
   new one. Shards are opened without gaps.
5. The sole writer reads nothing: it has found all other shards closed or absent since it learnt shard 0's ETag, and its
   commits to shard 0 have met the expected ETag ever since, and it has not moved. So it knows every visit there is.

Why 5 holds: the sole writer learnt shard 0's ETag at t0, and found shard k closed or absent at t1 > t0. A commit to k
after t1 needs a re-opening after t1, then a reading of the new ETag, and then a change of shard 0's ETag, before the
commit. An ETag of k from before t1 is void, because closing changed it, and an ETag never recurs. So the next commit of
the sole writer fails, and it reads again. A lone process therefore pays one request a visit, however many processes and
shards there once were.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from signin.counting.errors import EtagMismatch, StorageError
from signin.counting.rows import ADOPTED, MAX_SHARDS, Partitions, ShardState
from signin.visits.statistics import Statistics

logger = logging.getLogger(__name__)

IDLE_SECONDS = 180.0  # after which an unchanged shard is idle
CROWDED = 3  # conflicts within the last commits, after which a process leaves a shard

_RECENT_COMMITS = 20
_FRESH_WALK_SECONDS = 0.1  # a broadcast this soon after a walk need not walk again
# For so many `max_age` after a change by another process it may still be there. A process that finds visits of another
# one waits two intervals for their broadcast (`Broadcaster.found_others`), and then perhaps one for the lease.
_PEER_AGES = 4

ShardTotals = Mapping[int, int]
"""How many visits are known of each shard that has any: a version vector."""


class Table(Protocol):
    """The requests of `table.VisitTable` that this module needs."""

    @property
    def partitions(self) -> Partitions: ...
    def read(self, shard: int) -> ShardState: ...
    def read_all(self, shards: Iterable[int]) -> list[ShardState]: ...
    def open_shard(self, shard: int, state: ShardState) -> ShardState: ...
    def close_shard(self, shard: int, state: ShardState) -> ShardState: ...
    def touch(self, shard: int) -> None: ...


class Shards:
    """All shards, as this process knows them.

    What is known of a shard only grows, and the value is the sum (a G-counter), so no value that was returned is ever
    larger than a later one, as long as the table is not recreated.

    `writable`, `committed`, `lost_race`, `reread` and `lose_etag` are for the committer's thread, the rest for any. A
    walk is one reading of all shards; concurrent callers share it.
    """

    def __init__(self, table: Table, max_age: float) -> None:
        """`max_age`: for how many seconds visitors are shown other processes' visits as last read."""
        self._table = table
        self._max_age = max_age

        # Written by the committer's thread only.
        self._own = 0
        self._state: ShardState | None = None  # the own shard at an ETag to commit at; None: to be read
        self._conflicts: deque[bool] = deque(maxlen=_RECENT_COMMITS)
        self._attempts = 0  # at commits
        self._is_committing = False

        self._lock = threading.Lock()  # guards all up to the next lock; never held during a request
        self._known: dict[int, ShardState] = {}
        self._value: Statistics | None = None
        self._committed_at = float("-inf")
        self._first_etag: str | None = None  # shard 0's, as last seen
        self._epoch = 0  # grows when another process has, or may have, changed shard 0's ETag
        self._verified_epoch = -1  # in which a walk has found all other shards closed or absent
        self._foreign_change_at = time.monotonic()
        self._is_first_idle = False
        self._foreign_changes = 0

        self._walk_lock = threading.Lock()  # guards what follows; held during a walk
        self._walked_from = float("-inf")  # when the last walk that has ended began
        self._walk_error: StorageError | None = None

    # For the committer's thread

    @property
    def own(self) -> int:
        """The shard that this process commits to at present."""
        return self._own

    def writable(self) -> ShardState:
        """The own shard's state, at an ETag at which this process may commit.

        Sends nothing after a commit. Raises StorageError; an EtagMismatch means that the next call may succeed at once.
        """
        if sum(self._conflicts) >= CROWDED:
            self._leave()
        elif self._own > 0 and self._is_first_idle:  # rule 3
            self._move_to(0, None)
        while self._state is None:
            self._read_own()
        self._attempts += 1
        self._is_committing = True
        return self._state

    def committed(self, state: ShardState) -> None:
        """Record a commit of this process, at the state that `writable` returned; `state` is the new one."""
        with self._lock:
            if self._own == 0:
                if self._state is None or self._state.etag != self._first_etag:  # a late walk has seen an older ETag
                    self._epoch += 1
                self._first_etag = state.etag
            self._learn(self._own, state)
            self._committed_at = time.monotonic()
        self._state = state
        self._is_committing = False
        self._conflicts.append(False)

    def lost_race(self) -> None:
        """Record that another process has changed the own shard's ETag."""
        self._conflicts.append(True)
        with self._lock:
            self._foreign_changes += 1
        self.lose_etag()

    def reread(self) -> None:
        """Read the own shard anew: a commit to it, whose reply was lost, has succeeded. Raises StorageError."""
        self.lose_etag()
        self._read_own()

    def gave_up(self) -> None:
        """Record that the visits were certainly not committed."""
        self._is_committing = False

    def lose_etag(self) -> None:
        """Record that the own shard's ETag is not known any more."""
        self._state = None
        self._is_committing = False
        if self._own == 0:
            with self._lock:
                self._see_first(None)

    def _read_own(self) -> None:
        with self._lock:
            known = self._known.get(self._own)
        state = self._table.read(self._own)
        if _is_recreated(known, state) or (self._own > 0 and not state.exists):
            self._forget()
            return
        with self._lock:
            self._learn(self._own, state, is_foreign=True)
            if self._own == 0:
                self._see_first(state.etag)
        if state.is_closed:
            self._move_to(0, None)  # it was closed because it was idle
            return
        if self._own > 0:
            self._touch_first()  # rule 1
        self._state = state

    def _leave(self) -> None:
        """Go on in another shard, since this one has too many writers."""
        with self._lock:
            opened = max(self._known, default=0) + 1
            closed = [shard for shard, state in self._known.items() if state.is_closed and shard not in (ADOPTED, 0)]
        others = [shard for shard in range(min(max(opened, self._own + 1) + 1, MAX_SHARDS)) if shard != self._own]
        choice = random.choice(closed or others)  # rule 4
        state = self._open(choice) if choice > 0 else None
        crowded, chosen = (self._table.partitions.of(shard) for shard in (self._own, choice))
        logger.info("shard %s is crowded, going on in shard %s", crowded, chosen)
        self._move_to(choice, state)

    def _open(self, shard: int) -> ShardState:
        """Make sure that a shard above 0 exists and is open, and change shard 0's ETag (rule 1).

        A shard is created closed, and opened after all shards before it were read. So a shard that is open has no gap
        before it, at which readers would stop, even if the table was recreated meanwhile: its ETag would not match.
        """
        state = self._table.read(shard)
        if not state.exists:
            state = self._table.close_shard(shard, state)
        if state.is_closed:
            if not all(before.exists for before in self._table.read_all(range(shard))):
                self._forget()
                raise EtagMismatch("the table was recreated")
            state = self._table.open_shard(shard, state)
        self._touch_first()
        return state

    def _touch_first(self) -> None:
        try:
            self._table.touch(0)
        except EtagMismatch:  # there is no shard 0: the table was recreated
            self._forget()
            raise

    def _move_to(self, shard: int, state: ShardState | None) -> None:
        self._conflicts.clear()
        with self._lock:
            self._own, self._state = shard, state
            self._is_first_idle = False
            self._epoch += 1  # also for a walk that began before

    def _forget(self) -> None:
        """Start over in shard 0: the table was recreated, or its rows were deleted."""
        logger.warning("the table was recreated or emptied: counting starts over with what is in it now")
        self._move_to(0, None)
        with self._lock:
            self._forget_known(self._known)

    # For every thread

    def totals(self) -> ShardTotals:
        """How many visits of each shard are known."""
        with self._lock:
            return {shard: state.statistics.total for shard, state in self._known.items() if state.statistics.total}

    def value(self) -> Statistics:
        """The sum over all known shards; the same object until one of them changes."""
        with self._lock:
            if self._value is None:
                self._value = sum((state.statistics for state in self._known.values()), start=Statistics())
            return self._value

    @property
    def is_sole_writer(self) -> bool:
        """Whether this process knows every visit that was committed before its own last commit (rule 5)."""
        return self._own == 0 and self._verified_epoch == self._epoch

    @property
    def may_have_peers(self) -> bool:
        """Whether other processes count visits, or did so within the last `max_age` times _PEER_AGES."""
        return not self.is_sole_writer or time.monotonic() - self._foreign_change_at < _PEER_AGES * self._max_age

    @property
    def foreign_changes(self) -> int:
        """How often this process has noticed a commit or a touch by another one. A process that is alone notices none.

        It notices them in shard 0 and in its own shard, and commits in all others, from its first reading on.
        """
        return self._foreign_changes

    @property
    def is_own_known(self) -> bool:
        """Whether every visit that this process has committed is known: not after a commit with unknown outcome."""
        return self._state is not None

    @property
    def is_current(self) -> bool:
        """Whether a visitor whose visit this process has committed can be shown the value as it is."""
        return self.is_sole_writer or time.monotonic() - self._walked_from < self._max_age

    def refresh_if_stale(self) -> None:
        """Walk, unless a walk has begun within the last `max_age`, also a failed one. Raises StorageError."""
        self._walk(since=time.monotonic() - self._max_age)

    def read_all(self) -> bool:
        """Learn every visit that was acknowledged before this call; whether there were any new ones.

        Raises StorageError. A sole writer reads shard 0 only: at the expected ETag it knows the rest.
        """
        known = self.totals()
        self._walk(since=time.monotonic())
        return self.totals() != known

    def read_others(self) -> None:
        """Learn what a broadcast should contain besides this process's own commits. Raises StorageError.

        Of two processes that first commit and then read the other shards, at least one sees both commits. This makes
        the last broadcast complete.
        """
        if not self.is_sole_writer:
            self._walk(since=max(self._committed_at, time.monotonic() - _FRESH_WALK_SECONDS))

    def _walk(self, since: float) -> None:
        """Return when a walk that began after `since` has ended; raises what it raised."""
        with self._walk_lock:
            if self._walked_from > since:
                if self._walk_error is not None:
                    raise type(self._walk_error)(str(self._walk_error)) from self._walk_error
                return
            began, failure = time.monotonic(), None
            try:
                if not self._first_is_unchanged():
                    self._read_shards()
            except StorageError as error:
                failure = error
                raise
            finally:
                self._walked_from, self._walk_error = began, failure

    def _first_is_unchanged(self) -> bool:
        """Whether one read of shard 0 shows that nothing was committed that this process does not know (rule 5)."""
        with self._lock:
            expected, epoch = self._first_etag, self._epoch
        if not self.is_sole_writer:
            return False
        etag = self._table.read(0).etag
        with self._lock:  # within the epoch, only this process's own commits have changed the expected ETag
            return self._epoch == epoch and etag in (expected, self._first_etag)

    def _read_shards(self) -> None:
        with self._lock:
            own, known, first_etag, epoch = self._own, dict(self._known), self._first_etag, self._epoch
            attempts = None if self._is_committing else self._attempts
        states = self._read_existing(known)
        with self._lock:
            # During an own commit it is not known yet who has changed the own shard: the commit will find out.
            doubtful = set() if attempts == self._attempts else {own, self._own}
            if any(_is_changed(known.get(shard), states[shard], shard) for shard in states.keys() - doubtful):
                self._foreign_changes += 1
            if any(_is_recreated(known.get(shard), state) for shard, state in states.items()):
                self._forget_known(known)
            # While this process commits to shard 0, its commits find out whether the ETag is the expected one.
            if (own > 0 or self._state is None) and states[0].etag not in (first_etag, self._first_etag):
                self._see_first(states[0].etag)
            for shard, state in states.items():
                self._learn(shard, state, is_foreign=True)
        idle = _idle(states)
        others = [
            self._close(shard, state) if own == 0 and shard in idle and not state.is_closed else state
            for shard, state in states.items()
            if shard != own
        ]
        all_closed = all(state.is_closed or not state.exists for state in others)
        with self._lock:
            self._is_first_idle = 0 in idle
            self._verified_epoch = epoch if all_closed and own == self._own == 0 else -1

    def _read_existing(self, known: Mapping[int, ShardState]) -> dict[int, ShardState]:
        """Every shard's state, by parallel requests: the known shards and the next one, then twice as many."""
        states: dict[int, ShardState] = {}
        first, end = ADOPTED, max(known, default=0) + 2
        while first < MAX_SHARDS:
            shards = range(first, min(end, MAX_SHARDS))
            states |= zip(shards, self._table.read_all(shards), strict=True)
            if not states[shards[-1]].exists:
                break
            first, end = end, 2 * end
        return states

    def _close(self, shard: int, state: ShardState) -> ShardState:
        try:
            return self._table.close_shard(shard, state)
        except EtagMismatch:  # it is not idle any more
            return state

    # With `_lock` held

    def _learn(self, shard: int, state: ShardState, *, is_foreign: bool = False) -> None:
        if not state.exists:
            return
        known = self._known.get(shard)
        if known is not None and state.statistics.total < known.statistics.total:
            return  # it was read before the known state was committed
        if known is None or state.statistics != known.statistics:  # a recreated table may hold as many visits
            self._value = None
            if is_foreign:
                self._foreign_change_at = time.monotonic()
        self._known[shard] = state

    def _see_first(self, etag: str | None) -> None:
        if etag is None or etag != self._first_etag:
            self._epoch += 1
            self._foreign_change_at = time.monotonic()
        self._first_etag = etag

    def _forget_known(self, known: Mapping[int, ShardState]) -> None:
        """Forget these states, but not those that were learnt since."""
        self._known = {shard: state for shard, state in self._known.items() if state is not known.get(shard)}
        self._value = None
        self._see_first(None)


def _is_recreated(known: ShardState | None, state: ShardState) -> bool:
    """Whether a reading that began after `known` was known shows a table, or a row, that was recreated since."""
    return known is not None and (not state.exists or state.statistics.total < known.statistics.total)


def _is_changed(known: ShardState | None, state: ShardState, shard: int) -> bool:
    """Whether a shard that was known has a commit more, or, if it is shard 0, a touch."""
    if known is None:
        return False
    return state.etag != known.etag if shard == 0 else state.statistics != known.statistics


def _idle(states: Mapping[int, ShardState]) -> set[int]:
    """The shards that were last changed IDLE_SECONDS or longer before the newest one, by the service's clock."""
    changed_at = {shard: state.changed_at for shard, state in states.items() if state.changed_at is not None}
    newest = max(changed_at.values(), default=None)
    return {shard for shard, at in changed_at.items() if newest and (newest - at).total_seconds() >= IDLE_SECONDS}
