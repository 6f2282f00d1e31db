"""What the tests of the broadcasts share: a hub, shards, and whole processes, in virtual time or in real time."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

from signin.counting.errors import EtagMismatch
from signin.counting.shards import Shards
from signin.live.broadcaster import Broadcaster
from signin.live.here import HereNow
from signin.live.hub import Hub
from signin.live.lease import BroadcastLease
from signin.live.pace import Pace
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit

from .table_service import TableService
from .virtual_time import VirtualTime

LONG = 3600.0  # seconds: an interval for which no test waits
SHORT = 0.01
INTERVAL = 1.0  # of virtual time


class Sent(NamedTuple):
    """A broadcast that arrived: when its sending began, and the total in it."""

    at: float
    total: int


class StubHub:
    """Accepts broadcasts, or raises the next of `errors`; `totals` are those of all attempts."""

    def __init__(self) -> None:
        self.totals: queue.Queue[int] = queue.Queue()
        self.calls: list[tuple[str, Sequence[Any]]] = []
        self.errors: queue.Queue[Exception] = queue.Queue()
        self.during_broadcast: Callable[[], object] = lambda: None

    def broadcast(self, target: str, arguments: Sequence[Any]) -> None:
        self.calls.append((target, arguments))
        self.totals.put(arguments[0])
        self.during_broadcast()
        if not self.errors.empty():
            raise self.errors.get()

    def next_total(self) -> int:
        """Wait for the next attempt."""
        try:
            return self.totals.get(timeout=10)
        except queue.Empty:
            raise AssertionError("nothing was broadcast") from None


class StubShards:
    """Counts as the test sets them; those of other processes are known once they were read."""

    def __init__(self) -> None:
        self.own = 0
        self.others = 0
        self.errors: queue.Queue[Exception] = queue.Queue()
        self.may_have_peers = False
        self._known_others = 0

    def totals(self) -> dict[int, int]:
        return {0: self.own, 1: self._known_others}

    def read_others(self) -> None:
        if not self.errors.empty():
            raise self.errors.get()
        self._known_others = self.others

    def read_all(self) -> None:
        self.read_others()

    def value(self) -> Statistics:
        total = self.own + self._known_others
        return Statistics.from_counts(
            total, {"OS": {"iOS": total}, "Browser": {"Safari": total}, "Device": {"Phone": total}}
        )


class StubHere:
    """Counts 12 open pages, which are to be exchanged at `due_at`."""

    def __init__(self, time: VirtualTime) -> None:
        self.due_at: float | None = None
        self.exchanges: list[tuple[float, bool]] = []
        self.is_closed = False
        self._time = time

    @property
    def due_in(self) -> float | None:
        return None if self.due_at is None else self.due_at - self._time.now

    def exchange(self, *, without_pause: bool = False) -> None:
        if without_pause or (self.due_in or 0.0) <= 0.0:
            self.due_at = None
        self.exchanges.append((self._time.now, without_pause))

    def here_now(self) -> HereNow:
        return HereNow(12, 300)

    def close(self) -> None:
        self.is_closed = True


class Process:
    """The counting and the broadcasts of one process, in virtual time; `sent` is shared by all processes."""

    def __init__(
        self,
        service: TableService,
        time: VirtualTime,
        sent: list[Sent],
        interval: float = INTERVAL,
        per_day: int | None = None,
    ) -> None:
        self.table = service.visit_table()
        self.shards = Shards(self.table, max_age=interval)
        self.lease = BroadcastLease(self.table)
        self.errors: list[Exception] = []
        self.during_broadcast: Callable[[], object] = lambda: None
        self._time = time
        self._sent = sent
        pace = Pace(interval, per_day, self.table.now)
        self.broadcaster = Broadcaster(cast(Hub, self), self.shards, self.lease, pace)
        time.control(self.broadcaster)
        self.broadcaster.start()

    def count(self) -> None:
        """Count a visit, as the committer and a sign-in do."""
        self.commit()
        self.broadcaster.changed()
        if not self.shards.is_current:
            self.shards.refresh_if_stale()

    def commit(self) -> None:
        """Commit a visit that this process does not broadcast."""
        while True:
            try:
                state = self.shards.writable()
                self.shards.committed(self.table.commit(self.shards.own, state, [self._visit()]))
                return
            except EtagMismatch:
                self.shards.lost_race()

    def show_statistics(self) -> int:
        """The total that a request for /stats returns."""
        if self.shards.read_all():
            self.broadcaster.found_others()
        return self.shards.value().total

    def _visit(self) -> Visit:
        return Visit.now(at=self.table.now())

    def kill(self) -> None:
        """End the thread as it is: nothing more is sent or written."""
        self._time.kill(self.broadcaster)

    def close(self) -> None:
        """End the thread, whatever the test has arranged."""
        self.errors.clear()
        self.during_broadcast = lambda: None
        self.broadcaster.close(10)

    def broadcast(self, target: str, arguments: Sequence[Any]) -> None:
        """The request of the hub."""
        began = self._time.now
        self.during_broadcast()
        if self.errors:
            raise self.errors.pop(0)
        self._sent.append(Sent(began, arguments[0]))


Start = Callable[[int], list[Process]]


@contextmanager
def starting(create: Callable[[], Process]) -> Iterator[Start]:
    """A function that starts so many processes. They are closed at the end."""
    started: list[Process] = []

    def start(processes: int) -> list[Process]:
        new = [create() for _ in range(processes)]
        started.extend(new)
        return new

    yield start
    for process in started:
        process.close()
