"""Group commit: one thread writes every waiting visit in one transaction, exactly once, before it is acknowledged.

While a transaction is in flight the next batch gathers. There is no timer: a lone visit is committed at once, and under
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

from signin.counting.errors import EtagMismatch, OutcomeUnknown, PermanentError, StorageError
from signin.counting.rows import ShardState
from signin.counting.shards import Shards
from signin.counting.table import MAX_VISITS
from signin.telemetry.metrics import Metrics
from signin.telemetry.outage import with_notes
from signin.visits.visit import Visit

logger = logging.getLogger(__name__)

MAX_WAITING = 100  # batches; further visits are rejected at once rather than kept waiting in memory
QUEUE_SECONDS = 10.0  # a batch that has waited longer is rejected, not recorded
COMMIT_SECONDS = 10.0  # no new attempt at a batch begins after this time

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

Recorded = Literal["no", "unknown"]


class NotAcknowledged(Exception):
    """A visit that could not be made durable in time. It certainly was not recorded ("no"), or may be ("unknown")."""

    def __init__(self, reason: str, recorded: Recorded) -> None:
        super().__init__(reason)
        self.recorded = recorded


class Table(Protocol):
    """The requests of `table.VisitTable` that this module needs."""

    def has_visit(self, shard: int, visit: Visit) -> bool: ...
    def commit(self, shard: int, state: ShardState, visits: Sequence[Visit]) -> ShardState: ...


@dataclass(frozen=True, slots=True)
class _Batch:
    """Visits that share a transaction, and the future that reports its outcome to their visitors."""

    until: float
    visits: list[Visit] = field(default_factory=list)
    done: Future[None] = field(default_factory=Future)


class Committer:
    """Takes visits from any thread and commits them on a thread of its own.

    `on_commit` is called on that thread after a commit, or after one whose outcome is unknown; it must not block or
    raise.
    """

    def __init__(
        self, table: Table, shards: Shards, on_commit: Callable[[], None], metrics: Metrics | None = None
    ) -> None:
        self._table = table
        self._shards = shards
        self._on_commit = on_commit
        self._metrics = metrics or Metrics()
        self._waiting: deque[_Batch] = deque()  # guarded by `_changed`, as is the next
        self._is_closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def submit(self, visit: Visit) -> Future[None]:
        """Queue a visit. The future is done once it is durable and counted, or fails with NotAcknowledged.

        The visits of a batch share their future, so that a commit wakes its waiters once. It cannot be cancelled.
        """
        with self._changed:
            if self._is_closing:
                return self._rejected("this process is shutting down")
            if not self._waiting or len(self._waiting[-1].visits) == MAX_VISITS:
                if len(self._waiting) == MAX_WAITING:
                    return self._rejected(f"{MAX_WAITING * MAX_VISITS} visits are waiting already")
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
                self._commit(batch.visits)
            except NotAcknowledged as error:
                logger.error("%d visits were not acknowledged: %s", len(batch.visits), with_notes(error))
                self._fail(batch, error)
            except Exception:  # a defect of ours, but this thread has to go on
                logger.exception("a commit of %d visits failed unexpectedly", len(batch.visits))
                self._fail(batch, NotAcknowledged("an internal error; see the log", recorded="unknown"))
            else:
                self._metrics.count("commits")
                self._metrics.count("visits", len(batch.visits))
                self._metrics.record_duration("commit", time.monotonic() - began)
                batch.done.set_result(None)
                self._on_commit()

    def _next_batch(self) -> _Batch | None:
        """Wait for visits and take the oldest batch of them; None at the end."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                if not self._waiting:
                    return None
                self._metrics.record_queue(sum(len(batch.visits) for batch in self._waiting))
                batch = self._waiting.popleft()
            if time.monotonic() <= batch.until:
                return batch
            self._fail(batch, NotAcknowledged("Table Storage is too slow", recorded="no"))

    def _rejected(self, reason: str) -> Future[None]:
        self._metrics.count("visits_not_recorded")
        done: Future[None] = Future()
        done.set_exception(NotAcknowledged(reason, recorded="no"))
        return done

    def _fail(self, batch: _Batch, error: NotAcknowledged) -> None:
        self._metrics.count("visits_not_recorded" if error.recorded == "no" else "visits_unknown", len(batch.visits))
        if error.recorded == "unknown":
            self._shards.lose_etag()
        else:
            self._shards.gave_up()
        batch.done.set_exception(error)
        if error.recorded == "unknown":  # it may have been committed, and should then be broadcast
            self._on_commit()

    def _commit(self, visits: Sequence[Visit]) -> None:
        """Write the visits exactly once. Raises NotAcknowledged."""
        retries = _Retries()
        while True:
            began = time.monotonic()
            try:
                state = self._shards.writable()
            except StorageError as error:
                retries.wait_after(error, recorded="no")
                continue
            if time.monotonic() - began > _LONGEST_PAUSE:  # it may have sent several requests, of up to 7 s each
                retries.check_time("Table Storage is too slow")
            if self._send(self._shards.own, state, visits, retries):
                return
            self._metrics.count("conflicts")
            self._shards.lost_race()
            retries.check_time("other processes keep writing to the same shard")

    def _send(self, shard: int, state: ShardState, visits: Sequence[Visit], retries: _Retries) -> bool:
        """Send the transaction until its outcome is known: whether it committed, or the ETag had changed before.

        After an attempt without an answer only the identical operations with the same ETag are sent, so that at most
        one of the attempts commits, however late it arrives. Once the ETag has changed, the row of one of the visits
        shows whether such an attempt has changed it.
        """
        recorded: Recorded = "no"
        while True:
            try:
                self._shards.committed(self._table.commit(shard, state, visits))
                return True
            except EtagMismatch:
                return recorded == "unknown" and self._has_committed(shard, visits, retries)
            except StorageError as error:
                if isinstance(error, OutcomeUnknown):
                    recorded = "unknown"
                retries.wait_after(error, recorded)

    def _has_committed(self, shard: int, visits: Sequence[Visit], retries: _Retries) -> bool:
        """Whether an attempt that was not answered has committed. The own shard is then known with it."""
        while True:
            try:
                if not self._table.has_visit(shard, visits[0]):
                    return False
                self._shards.reread()
                self._metrics.count("unknown_outcomes_resolved")
                return True
            except StorageError as error:
                retries.wait_after(error, recorded="unknown")


class _Retries:
    """The attempts at one commit: growing pauses between them, and a time after which none begins."""

    def __init__(self) -> None:
        self._until = time.monotonic() + COMMIT_SECONDS
        self._pause = _FIRST_PAUSE

    def wait_after(self, error: StorageError, recorded: Recorded) -> None:
        """Wait before the next attempt. Raises NotAcknowledged if there should be none."""
        if isinstance(error, PermanentError):
            raise NotAcknowledged(str(error), recorded) from error
        self.check_time(str(error), recorded)
        if not isinstance(error, EtagMismatch):  # which means that another process made progress
            time.sleep(self._pause * random.uniform(0.5, 1.0))
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def check_time(self, reason: str, recorded: Recorded = "no") -> None:
        """Raises NotAcknowledged after COMMIT_SECONDS."""
        if time.monotonic() > self._until:
            raise NotAcknowledged(reason, recorded)
