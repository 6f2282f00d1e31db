"""Group commit: one thread writes every waiting visit in one transaction, exactly once, before anybody is told.

While a transaction is under way the next batch gathers. There is no timer: a lone visit is written at once, and under
load up to 99 visits share one request.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Literal, Protocol

from signin.counting.shards import ShardCounter
from signin.counting.table import (
    MAX_SHARDS,
    MAX_VISITS,
    EtagMismatch,
    OutcomeUnknown,
    PermanentError,
    ShardState,
    StorageError,
    partition,
)
from signin.telemetry.metrics import Metrics
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit

logger = logging.getLogger(__name__)

MAX_WAITING = 100  # batches; further visits are turned away at once rather than kept waiting in memory
QUEUE_SECONDS = 10.0  # a batch that was not taken up by then is given back, not recorded
COMMIT_SECONDS = 10.0  # no new attempt at a batch is begun after this time

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

# A process leaves a shard after this many conflicts within its last commits.
CROWDED = 3
_RECENT_COMMITS = 20


class NotAcknowledged(Exception):
    """A visit that could not be made durable in time: it was not recorded ("no"), or perhaps it was ("unknown")."""

    def __init__(self, reason: str, recorded: Literal["no", "unknown"]) -> None:
        super().__init__(reason)
        self.recorded = recorded


class Table(Protocol):
    """What the committer needs of `table.VisitTable`."""

    def read(self, shard: int) -> ShardState: ...
    def holds(self, shard: int, visit: Visit) -> bool: ...
    def commit(self, shard: int, head: ShardState, visits: Sequence[Visit]) -> ShardState: ...
    def open(self, shard: int) -> None: ...


@dataclass(frozen=True, slots=True)
class _Batch:
    """Visits that will share a transaction, and what tells their visitors how it ended."""

    until: float
    visits: list[Visit] = field(default_factory=list)
    done: Future[None] = field(default_factory=Future)


class Committer:
    """Takes visits from any thread and commits them on its own, one shard at a time, lowest shard first.

    `on_commit` is called on that thread when something was, or may have been, committed; it must not block or raise.
    """

    def __init__(
        self, table: Table, counter: ShardCounter, on_commit: Callable[[], None], metrics: Metrics | None = None
    ) -> None:
        self._table = table
        self._counter = counter
        self._on_commit = on_commit
        self._metrics = metrics or Metrics()
        self._waiting: deque[_Batch] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._shard = 0
        self._head: ShardState | None = None  # None: not known, to be read before the next commit
        self._conflicts: deque[bool] = deque(maxlen=_RECENT_COMMITS)
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._thread.start()

    @property
    def shard(self) -> int:
        """The shard that this process commits to at present."""
        return self._shard

    def submit(self, visit: Visit) -> Future[None]:
        """Queue a visit; the future is done once it is durable and counted, or fails with NotAcknowledged.

        The visits of a batch share their future, so that whoever waits is woken once for all of them. It cannot be
        cancelled.
        """
        with self._changed:
            if self._is_closing:
                return self._turned_away("this process is shutting down")
            if not self._waiting or len(self._waiting[-1].visits) == MAX_VISITS:
                if len(self._waiting) == MAX_WAITING:
                    return self._turned_away(f"{MAX_WAITING * MAX_VISITS} visits are waiting already")
                self._waiting.append(_Batch(until=time.monotonic() + QUEUE_SECONDS))
                self._waiting[-1].done.set_running_or_notify_cancel()
                self._changed.notify()
            batch = self._waiting[-1]
            batch.visits.append(visit)
            return batch.done

    def close(self, timeout: float) -> None:
        """Take no more visits, commit the waiting ones, and return when done or after `timeout` seconds."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while batch := self._next_batch():
            began = time.monotonic()
            try:
                statistics = self._commit(batch.visits)
            except Exception as error:
                self._head = None
                if not isinstance(error, NotAcknowledged):  # a defect of ours, but this thread has to go on
                    logger.exception("a commit of %d visits failed unexpectedly", len(batch.visits))
                    error = NotAcknowledged("an internal error; see the log", recorded="unknown")
                else:
                    logger.error("%d visits were not acknowledged: %s", len(batch.visits), error)
                self._count_failure(error, len(batch.visits))
                batch.done.set_exception(error)
                if error.recorded == "unknown":  # it may have been, and then everybody should see it
                    self._on_commit()
            else:
                self._counter.record(self._shard, statistics)
                self._metrics.count("commits")
                self._metrics.count("visits", len(batch.visits))
                self._metrics.record_duration("commit", time.monotonic() - began)
                batch.done.set_result(None)
                self._on_commit()

    def _next_batch(self) -> _Batch | None:
        """Wait for visits and take the oldest batch of them; None is the end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                if not self._waiting:
                    return None
                self._metrics.record_queue(sum(len(batch.visits) for batch in self._waiting))
                batch = self._waiting.popleft()
            if time.monotonic() <= batch.until:
                return batch
            error = NotAcknowledged("Table Storage is too slow", recorded="no")
            self._count_failure(error, len(batch.visits))
            batch.done.set_exception(error)

    def _turned_away(self, reason: str) -> Future[None]:
        error = NotAcknowledged(reason, recorded="no")
        self._count_failure(error, 1)
        done: Future[None] = Future()
        done.set_exception(error)
        return done

    def _count_failure(self, error: NotAcknowledged, visits: int) -> None:
        self._metrics.count("visits_not_recorded" if error.recorded == "no" else "visits_unknown", visits)

    def _commit(self, visits: Sequence[Visit]) -> Statistics:
        """Write the visits exactly once; the shard's statistics with them. Raises NotAcknowledged.

        Each attempt is fenced by the etag of the stats row. As long as an attempt is without an answer, only the very
        same operations with the same etag are sent again, so that at most one of them can commit, however late it
        arrives. Once the fence has moved, one of the visits' rows tells whether such an attempt is what moved it.
        """
        deadline = time.monotonic() + COMMIT_SECONDS
        pause = _FIRST_PAUSE
        in_doubt = False  # an attempt was not answered: it may have committed, or still commit
        has_conflict = False  # the fence has moved, and not by such an attempt
        while True:
            try:
                if self._head is None:
                    is_committed = in_doubt and self._table.holds(self._shard, visits[0])
                    in_doubt = is_committed
                    if has_conflict and not is_committed:
                        has_conflict = False
                        self._conflicts.append(True)
                        self._metrics.count("conflicts")
                        self._leave_if_crowded()
                    self._head = self._table.read(self._shard)
                    self._counter.doubt()
                    if is_committed:
                        self._metrics.count("unknown_outcomes_resolved")
                        return self._head.statistics
                    if self._head.etag is None and self._shard > 0:  # it was opened: the table has been made anew
                        self._shard, self._head = 0, None
                        continue
                self._head = self._table.commit(self._shard, self._head, visits)
            except EtagMismatch as error:
                self._head = None
                has_conflict = True
                failure: StorageError = error
            except StorageError as error:
                in_doubt = in_doubt or (isinstance(error, OutcomeUnknown) and self._head is not None)
                failure = error
            else:
                self._conflicts.append(False)
                return self._head.statistics

            if isinstance(failure, PermanentError) or time.monotonic() > deadline:
                raise NotAcknowledged(str(failure), recorded="unknown" if in_doubt else "no") from failure
            if not isinstance(failure, EtagMismatch):  # there somebody else has made progress
                time.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(2 * pause, _LONGEST_PAUSE)

    def _leave_if_crowded(self) -> None:
        """Move to another shard, or open the next one, where this one has too many writers."""
        if sum(self._conflicts) < CROWDED:
            return
        opened = max(self._counter.opened, self._shard + 1)
        choice = random.choice([shard for shard in range(min(opened + 1, MAX_SHARDS)) if shard != self._shard])
        self._table.open(choice)
        logger.info("shard %s is crowded, going on in shard %s", partition(self._shard), partition(choice))
        self._shard = choice
        self._conflicts.clear()
