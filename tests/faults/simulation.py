"""Processes in simulated time: a test decides the outcome of each request, so that every history can be replayed.

The code is the real one from the committer's thread down to the SDK's client. Each of its threads is a `SteppedThread`,
which stops at every request to Table Storage until the test resumes it with a `Fault`. Time is a `Clock`,
which only the test, sleeps and requests advance.
"""

from __future__ import annotations

import asyncio
import queue
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Literal, TypeVar, cast

import pytest
from azure.data.tables import TableClient, TableEntity

from signin.counting import committer, deduplicator
from signin.counting import shards as shards_module
from signin.counting.committer import Committer
from signin.counting.deduplicator import Deduplicator
from signin.counting.rows import ShardState
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from signin.operators import adopt as adopt_module
from signin.visits.visit import Visit
from tests.support.clock import Clock
from tests.unit.table_service import Attempt, Fault, TableService, arrives

MAX_AGE = 1.0  # seconds
REQUEST_SECONDS = 0.001
ADOPTED_AT_ONCE = 2  # visits in one transaction of `adopt`

Event = Literal[
    "created",
    "opened",
    "closed",
    "re-opened",
    "returned to shard 0",
    "committed as sole writer",
    "found a repeated visit",
    "counted a repeated visit",
]

T = TypeVar("T")


class Request(Attempt):
    """Any request on its way to the service. `commits_to` is the partition of a transaction."""

    def __init__(self, service: TableService, carry_out: Callable[[], Any], commits_to: str | None = None) -> None:
        super().__init__(service, [])
        self.commits_to = commits_to
        self._carry_out = carry_out

    def arrive(self) -> Any:
        return self._carry_out()

    def fail(self, error: Exception) -> None:
        """Let it have no effect, and this error as its response, whenever it arrives."""

        def carry_out() -> Any:
            raise error

        self._carry_out = carry_out
        self.commits_to = None


class DelayedReply(Request):
    """A reply on its way back: the service has carried out the request."""

    def __init__(self, request: Attempt) -> None:
        reply: Any = request.arrive()
        super().__init__(request.service, lambda: reply)


class ThreadKilled(BaseException):
    """Ends the thread of a process that was killed."""


def kills_thread(request: Attempt) -> Any:
    """The fault that ends the thread instead of answering its request."""
    raise ThreadKilled


class SteppedThread:
    """Stands in for `threading.Thread`: it runs only during `start` and `resume`, up to its next request.

    `request` is the request at which it has stopped; None while it has nothing to do, and at its end.
    """

    _current = threading.local()

    def __init__(self, target: Callable[[], object], name: str = "stepped", daemon: bool = True) -> None:
        self.request: Request | None = None
        self._has_ended = False
        self._target = target
        self._error: BaseException | None = None
        self._faults: queue.SimpleQueue[Fault] = queue.SimpleQueue()
        self._stops: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=daemon)

    def start(self) -> None:
        self._thread.start()
        self.request = self._next_stop()

    def resume(self, fault: Fault) -> None:
        """Apply the fault to its request, or let it look for work if it has none, and run it up to the next request."""
        self._faults.put(fault)
        self.request = self._next_stop()

    def finish(self) -> None:
        """Answer all its requests without a fault, until it has nothing to do."""
        while self.request:
            self.resume(arrives)

    def kill(self) -> None:
        """End it, without an answer to its request."""
        if not self._has_ended:
            self.resume(kills_thread)
        self._thread.join()

    @classmethod
    def stop(cls, request: Request | None = None) -> Fault:
        """Called on the thread itself: stop until the test resumes it, and return the fault for the request."""
        self: SteppedThread = cls._current.thread
        self._stops.put(request)
        return self._faults.get()

    def _next_stop(self) -> Request | None:
        request = self._stops.get()
        if self._error is not None:
            raise self._error
        return request

    def _run(self) -> None:
        self._current.thread = self
        try:
            self._target()
        except ThreadKilled:
            pass
        except BaseException as error:
            self._error = error
        self._has_ended = True
        self._stops.put(None)


class SteppedCondition(threading.Condition):
    """Stands in for `threading.Condition`: a thread that waits for it has nothing to do."""

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        while not (result := predicate()):
            self.release()
            try:
                if SteppedThread.stop() is kills_thread:
                    raise ThreadKilled
            finally:
                self.acquire()
        return result


class SteppedClient:
    """A `TableClient` that stops its thread at each request."""

    def __init__(self, service: TableService, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    def get_entity(self, partition_key: str, row_key: str, **options: Any) -> Any:
        return self._send(lambda: self._service.get_entity(partition_key, row_key, **options))

    def query_entities(self, query_filter: str, **options: Any) -> Iterator[TableEntity]:
        """One request: the simulated tables are smaller than a page."""
        rows: list[TableEntity] = self._send(lambda: list(self._service.query_entities(query_filter, **options)))
        yield from rows

    def create_entity(self, entity: TableEntity) -> Any:
        return self._send(lambda: self._service.create_entity(entity))

    def update_entity(self, entity: Mapping[str, Any], **options: Any) -> Any:
        return self._send(lambda: self._service.update_entity(entity, **options))

    def submit_transaction(self, operations: Sequence[Any]) -> Any:
        partition = operations[0][1]["PartitionKey"]
        return self._send(lambda: self._service.submit_transaction(operations), commits_to=partition)

    def _send(self, carry_out: Callable[[], Any], commits_to: str | None = None) -> Any:
        request = Request(self._service, carry_out, commits_to)
        fault = SteppedThread.stop(request)
        self._clock.now += REQUEST_SECONDS
        return fault(request)


class SequentialExecutor(Executor):
    """Stands in for a pool of threads: runs each call at once, so that a thread has one request at a time."""

    def __init__(self, max_workers: int | None = None, thread_name_prefix: str = "") -> None:
        pass

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


class CountingTable(VisitTable):
    """Counts the shards that are opened and closed."""

    def __init__(self, client: TableClient, events: Counter[Event], room: str) -> None:
        super().__init__(client, readers=SequentialExecutor(), room=room)
        self._events = events

    def open_shard(self, shard: int, state: ShardState) -> ShardState:
        opened = super().open_shard(shard, state)
        self._events["re-opened" if state.statistics.total else "opened"] += 1
        return opened

    def close_shard(self, shard: int, state: ShardState) -> ShardState:
        closed = super().close_shard(shard, state)
        self._events["closed" if state.exists else "created"] += 1
        return closed


class CountingShards(Shards):
    """Counts the returns to an idle shard 0, and the commits of a sole writer."""

    def __init__(self, table: VisitTable, events: Counter[Event]) -> None:
        super().__init__(table, MAX_AGE)
        self._events = events

    def writable(self) -> ShardState:
        is_elsewhere = self._own > 0 and self._is_first_idle
        state = super().writable()
        if is_elsewhere and self._own == 0:
            self._events["returned to shard 0"] += 1
        return state

    def committed(self, state: ShardState) -> None:
        was_sole_writer = self.is_sole_writer
        super().committed(state)
        if was_sole_writer and self.is_sole_writer:
            self._events["committed as sole writer"] += 1


class Process:
    """The counting part of a process: its deduplicator, its committer and its shards."""

    def __init__(
        self, number: int, service: TableService, clock: Clock, events: Counter[Event], room: str = ""
    ) -> None:
        table = CountingTable(cast(TableClient, SteppedClient(service, clock)), events, room)
        self.number = number
        self.acknowledged: set[str] = set()
        self.has_changes = False  # commits that have not been broadcast
        self.shards = CountingShards(table, events)
        committer = Committer(table, self.shards, on_commit=self._on_commit)
        committer.start()
        self.committing = cast(SteppedThread, committer._thread)
        self._deduplicator = Deduplicator(committer, self.shards, table)
        self._events = events
        self.reading: SteppedThread | None = None

    def _on_commit(self) -> None:
        self.has_changes = True

    def submit(self, visit: Visit) -> Future[None]:
        done = self._deduplicator.submit(visit)
        if self.committing.request is None:
            self.committing.resume(arrives)
        return done

    def repeat(self, visit: Visit) -> Future[None]:
        """Look the visit up, and submit it unless it was counted. Called on a thread of `read`.

        Raises NotAcknowledged if it cannot be looked up.
        """
        asyncio.run(self._deduplicator.look_up(visit))
        done = self.submit(visit)
        self._events[
            "found a repeated visit" if done.done() and not done.exception() else "counted a repeated visit"
        ] += 1
        return done

    def read(self, work: Callable[[], None]) -> None:
        """Begin to read in a thread of its own, unless one is reading already."""
        if self.reading is None or self.reading.request is None:
            self.reading = SteppedThread(work)
            self.reading.start()

    @property
    def waiting(self) -> list[SteppedThread]:
        """The threads that wait for a response."""
        return [thread for thread in (self.committing, self.reading) if thread and thread.request]

    def kill(self) -> list[Request]:
        """End all threads, and return the requests that were under way."""
        requests = [thread.request for thread in self.waiting if thread.request]
        for thread in (self.committing, self.reading):
            if thread is not None:
                thread.kill()
        return requests


@contextmanager
def simulation(clock: Clock, chance: random.Random, crowded: int, idle_seconds: float) -> Iterator[None]:
    """Run the app with stepped threads and simulated time, and with these values of CROWDED and IDLE_SECONDS."""
    stepped_threading = SimpleNamespace(Thread=SteppedThread, Condition=SteppedCondition, Lock=threading.Lock)
    with pytest.MonkeyPatch.context() as patch:
        for module in (committer, shards_module):
            patch.setattr(module, "threading", stepped_threading)
        for module in (committer, shards_module, adopt_module):
            patch.setattr(module, "random", chance)
        for module in (committer, deduplicator, shards_module, adopt_module):
            patch.setattr(module, "time", clock)
        patch.setattr(deduplicator, "ThreadPoolExecutor", SequentialExecutor)
        patch.setattr(adopt_module, "MAX_VISITS", ADOPTED_AT_ONCE)
        patch.setattr(adopt_module, "_labels", lambda row: {"OS": row["OS"]})  # a label of its own for each visit
        patch.setattr(shards_module, "CROWDED", crowded)
        patch.setattr(shards_module, "IDLE_SECONDS", idle_seconds)
        yield
