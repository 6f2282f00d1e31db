"""Worker processes in slow motion: nothing goes on but what a test lets go on, so that every history can be replayed.

The code is the real one from the committer's thread down to the SDK's client. Under it, each thread is an `Actor`,
which runs until it asks Table Storage for something and then waits to be told what becomes of the request; time is a
`Clock` that nothing but the test and the requests moves.
"""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from azure.data.tables import TableClient, TableEntity

from signin.counting import committer
from signin.counting import shards as shards_module
from signin.counting.committer import Committer
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from signin.visits.visit import Visit
from tests.unit.table_service import Attempt, Fault, TableService, arrives

MAX_AGE = 1.0  # seconds
REQUEST_SECONDS = 0.001

T = TypeVar("T")


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Request(Attempt):
    """Any request on its way to the service; a test may let it arrive at once, much later, or never."""

    def __init__(self, service: TableService, carry_out: Callable[[], Any], commits_to: str | None = None) -> None:
        super().__init__(service, [])
        self.commits_to = commits_to
        self._carry_out = carry_out

    def arrive(self) -> Any:
        return self._carry_out()


class Killed(BaseException):
    """Ends a thread of a process that was killed."""


def killed(request: Attempt) -> Any:
    """What becomes of the request of a thread that is killed, as far as the thread can tell."""
    raise Killed


class Actor:
    """Stands in for `threading.Thread`: it runs only within `start` and `go_on`, until its next request.

    `request` is what it waits for; None while it has nothing to do, or is over.
    """

    _current = threading.local()

    def __init__(self, target: Callable[[], object], name: str = "actor", daemon: bool = True) -> None:
        self.request: Request | None = None
        self._is_over = False
        self._target = target
        self._error: BaseException | None = None
        self._turns: queue.SimpleQueue[Fault] = queue.SimpleQueue()
        self._stops: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=daemon)

    def start(self) -> None:
        self._thread.start()
        self.request = self._next_stop()

    def go_on(self, fate: Fault) -> None:
        """Let this become of the request (if it has none: let it look again for something to do), up to the next."""
        self._turns.put(fate)
        self.request = self._next_stop()

    def finish(self) -> None:
        """Let all requests arrive and be answered, until there is nothing to do."""
        while self.request:
            self.go_on(arrives)

    def kill(self) -> None:
        """End it where it is."""
        if not self._is_over:
            self.go_on(killed)
        self._thread.join()

    @classmethod
    def stop(cls, request: Request | None = None) -> Fault:
        """For the actor's own thread: wait to be told how to go on."""
        self: Actor = cls._current.actor
        self._stops.put(request)
        return self._turns.get()

    def _next_stop(self) -> Request | None:
        request = self._stops.get()
        if self._error is not None:
            raise self._error
        return request

    def _run(self) -> None:
        self._current.actor = self
        try:
            self._target()
        except Killed:
            pass
        except BaseException as error:
            self._error = error
        self._is_over = True
        self._stops.put(None)


class Condition(threading.Condition):
    """Stands in for `threading.Condition`: who waits has nothing to do."""

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        while not (result := predicate()):
            self.release()
            try:
                if Actor.stop() is killed:
                    raise Killed
            finally:
                self.acquire()
        return result


class Wire:
    """A `TableClient` each of whose requests waits for what becomes of it."""

    def __init__(self, service: TableService, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    def get_entity(self, partition_key: str, row_key: str, **options: Any) -> Any:
        return self._ask(lambda: self._service.get_entity(partition_key, row_key, **options))

    def create_entity(self, entity: TableEntity) -> Any:
        return self._ask(lambda: self._service.create_entity(entity))

    def update_entity(self, entity: Mapping[str, Any], **options: Any) -> Any:
        return self._ask(lambda: self._service.update_entity(entity, **options))

    def submit_transaction(self, operations: Sequence[Any]) -> Any:
        partition = operations[0][1]["PartitionKey"]
        return self._ask(lambda: self._service.submit_transaction(operations), commits_to=partition)

    def _ask(self, carry_out: Callable[[], Any], commits_to: str | None = None) -> Any:
        request = Request(self._service, carry_out, commits_to)
        fate = Actor.stop(request)
        self._clock.now += REQUEST_SECONDS
        return fate(request)


class InTurn(Executor):
    """Stands in for a pool of threads: the requests of one actor are sent one after the other."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        done: Future[T] = Future()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:
            done.set_exception(error)
        return done


class Process:
    """The part of a worker process that counts: its committer, and what it knows of the shards."""

    def __init__(self, number: int, service: TableService, clock: Clock) -> None:
        table = VisitTable(cast(TableClient, Wire(service, clock)), readers=InTurn())
        self.number = number
        self.acknowledged: set[str] = set()
        self.has_changes = False  # that have yet to be broadcast
        self.shards = Shards(table, MAX_AGE)
        self.committer = Committer(table, self.shards, on_commit=self._committed)
        self.committer.start()
        self.committing = cast(Actor, self.committer._thread)
        self.reading: Actor | None = None

    def _committed(self) -> None:
        self.has_changes = True

    def submit(self, visit: Visit) -> Future[None]:
        done = self.committer.submit(visit)
        if self.committing.request is None:
            self.committing.go_on(arrives)
        return done

    def read(self, work: Callable[[], None]) -> None:
        """Begin to read in a thread of its own, unless one is reading already."""
        if self.reading is None or self.reading.request is None:
            self.reading = Actor(work)
            self.reading.start()

    @property
    def waiting(self) -> list[Actor]:
        """Those with a request under way."""
        return [actor for actor in (self.committing, self.reading) if actor and actor.request]

    def kill(self) -> list[Request]:
        """End at once; the requests that were under way."""
        requests = [actor.request for actor in self.waiting if actor.request]
        for actor in (self.committing, self.reading):
            if actor is not None:
                actor.kill()
        return requests


@contextmanager
def simulated(clock: Clock, chance: random.Random, crowded: int, idle_seconds: float) -> Iterator[None]:
    """Let the app run in slow motion, with other limits for when a shard is left and when it is closed."""
    simulated_threading = SimpleNamespace(Thread=Actor, Condition=Condition, Lock=threading.Lock)
    with pytest.MonkeyPatch.context() as patch:
        for module in (committer, shards_module):
            patch.setattr(module, "threading", simulated_threading)
            patch.setattr(module, "time", clock)
        patch.setattr(committer, "random", chance)
        patch.setattr(shards_module, "random", chance)
        patch.setattr(shards_module, "CROWDED", crowded)
        patch.setattr(shards_module, "IDLE_SECONDS", idle_seconds)
        yield
