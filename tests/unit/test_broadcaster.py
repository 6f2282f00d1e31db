from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest

from signin.counting.shards import ShardCounter
from signin.counting.table import OutcomeUnknown
from signin.live import broadcaster as broadcaster_module
from signin.live.broadcaster import TARGET, Broadcaster
from signin.live.hub import Hub, SignalRError
from signin.live.lease import BroadcastLease
from signin.visits.statistics import Statistics

from .table_service import TableService

LONG = 3600.0  # seconds: an interval that no test waits for
SHORT = 0.01


class StubHub:
    """Takes broadcasts, or fails as `errors` say; `sent` is every attempt's total."""

    def __init__(self) -> None:
        self.sent: queue.Queue[int] = queue.Queue()
        self.calls: list[tuple[str, Sequence[Any]]] = []
        self.errors: queue.Queue[Exception] = queue.Queue()
        self.gates: queue.Queue[threading.Event] = queue.Queue()

    def broadcast(self, target: str, arguments: Sequence[Any]) -> None:
        self.calls.append((target, arguments))
        self.sent.put(arguments[0])
        if not self.gates.empty():
            assert self.gates.get().wait(10), "the gate was not opened"
        if not self.errors.empty():
            raise self.errors.get()

    def next_total(self) -> int:
        """Wait for the next broadcast."""
        try:
            return self.sent.get(timeout=10)
        except queue.Empty:
            raise AssertionError("nothing was broadcast") from None


class StubCounter:
    """Statistics as the test sets them; what other processes did is seen when the others are read."""

    def __init__(self) -> None:
        self.total = 0
        self.elsewhere = 0
        self.errors: queue.Queue[Exception] = queue.Queue()
        self._known_elsewhere = 0
        self.may_have_peers = False

    def totals(self) -> dict[int, int]:
        return {0: self.total, 1: self._known_elsewhere}

    def read_others(self) -> None:
        if not self.errors.empty():
            raise self.errors.get()
        self._known_elsewhere = self.elsewhere

    def value(self) -> Statistics:
        total = self.total + self._known_elsewhere
        return Statistics(total, {"iOS": total}, {"Safari": total}, {"Phone": total})


class Pauses:
    """Stands in for the event that ends a pause: the test sees each pause, and ends it."""

    def __init__(self) -> None:
        self.begun: queue.Queue[float] = queue.Queue()
        self._end = threading.Semaphore(0)
        self._is_set = False

    def wait(self, seconds: float) -> bool:
        self.begun.put(seconds)
        if not self._is_set:
            assert self._end.acquire(timeout=10), "the pause was not ended"
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self._end.release()

    def is_set(self) -> bool:
        return self._is_set

    def end(self) -> None:
        self._end.release()

    def next(self) -> float:
        """Wait for the next pause, and end it."""
        seconds = self.begun.get(timeout=10)
        self.end()
        return seconds


@pytest.fixture
def hub() -> StubHub:
    return StubHub()


@pytest.fixture
def counter() -> StubCounter:
    return StubCounter()


def in_control_of_pauses(broadcaster: Broadcaster) -> Pauses:
    pauses = Pauses()
    broadcaster._closing = cast(threading.Event, pauses)
    return pauses


Start = Callable[[float], Broadcaster]


@pytest.fixture
def service() -> TableService:
    return TableService()


@pytest.fixture
def start(hub: StubHub, counter: StubCounter, service: TableService) -> Iterator[Start]:
    """Start a broadcaster with this interval."""
    started: list[Broadcaster] = []

    def start(interval: float) -> Broadcaster:
        lease = BroadcastLease(service.visit_table())
        started.append(Broadcaster(cast(Hub, hub), cast(ShardCounter, counter), lease, interval))
        return started[-1]

    yield start
    for broadcaster in started:
        broadcaster.close(10)


def test_a_lone_change_is_sent_at_once(hub: StubHub, counter: StubCounter, start: Start) -> None:
    broadcaster = start(LONG)
    counter.total = 1
    broadcaster.changed()
    assert hub.next_total() == 1


def test_what_is_sent_is_what_the_pages_listen_for(hub: StubHub, counter: StubCounter, start: Start) -> None:
    broadcaster = start(LONG)
    counter.total = 3
    broadcaster.changed()
    hub.next_total()
    assert TARGET == "updateSignInStats"
    assert hub.calls == [(TARGET, (3, {"iOS": 3}, {"Safari": 3}, {"byDevice": {"Phone": 3}}))]


def test_nothing_is_sent_while_nothing_changes(hub: StubHub, start: Start) -> None:
    start(SHORT).close(10)
    assert hub.sent.empty()


def test_changing_does_not_block(hub: StubHub, start: Start) -> None:
    gate = threading.Event()
    hub.gates.put(gate)
    broadcaster = start(LONG)
    broadcaster.changed()
    hub.next_total()
    for _ in range(1000):
        broadcaster.changed()
    gate.set()


def test_many_changes_in_an_interval_are_one_more_broadcast_with_the_last_of_them(
    hub: StubHub, counter: StubCounter, start: Start
) -> None:
    broadcaster = start(LONG)
    pauses = in_control_of_pauses(broadcaster)
    counter.total = 1
    broadcaster.changed()
    assert hub.next_total() == 1
    for counter.total in range(2, 100):
        broadcaster.changed()
    assert hub.sent.empty(), "sent before the interval was over"
    assert pauses.next() == pytest.approx(LONG, abs=10)
    assert hub.next_total() == 99
    assert pauses.next() == pytest.approx(LONG, abs=10)
    broadcaster.close(10)
    assert hub.sent.empty()


def test_a_change_during_a_broadcast_is_sent_by_the_next(hub: StubHub, counter: StubCounter, start: Start) -> None:
    gate = threading.Event()
    hub.gates.put(gate)
    broadcaster = start(SHORT)
    counter.total = 1
    broadcaster.changed()
    assert hub.next_total() == 1
    counter.total = 2
    broadcaster.changed()
    gate.set()
    assert hub.next_total() == 2


def test_the_last_change_is_always_sent(hub: StubHub, counter: StubCounter, start: Start) -> None:
    broadcaster = start(0.001)
    for counter.total in range(1, 2000):
        broadcaster.changed()
    while hub.next_total() < 1999:
        pass


def test_a_broadcast_carries_what_other_processes_committed_before_it(
    hub: StubHub, counter: StubCounter, start: Start
) -> None:
    broadcaster = start(LONG)
    counter.total, counter.elsewhere = 1, 10
    broadcaster.changed()
    assert hub.next_total() == 11


def test_what_could_not_be_read_for_the_last_broadcast_is_sent_later(
    hub: StubHub, counter: StubCounter, start: Start
) -> None:
    """Nobody else may be left to send it: the other process read this one's shard before this one's commit."""
    counter.errors.put(OutcomeUnknown("down"))
    broadcaster = start(SHORT)
    counter.total, counter.elsewhere = 1, 10
    broadcaster.changed()
    sent = hub.next_total()
    if sent != 11:
        try:
            sent = hub.sent.get(timeout=10)
        except queue.Empty:
            pytest.fail(f"{sent} is the last number that open pages get, the truth is 11")
    assert sent == 11


def test_a_failed_broadcast_is_repeated_without_a_further_change(
    hub: StubHub, counter: StubCounter, start: Start
) -> None:
    hub.errors.put(SignalRError("busy"))
    broadcaster = start(SHORT)
    counter.total = 5
    broadcaster.changed()
    assert [hub.next_total(), hub.next_total()] == [5, 5]


def test_the_pauses_after_failures_grow_up_to_a_limit_and_end_with_the_first_success(
    hub: StubHub, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        hub.errors.put(SignalRError("busy"))
    monkeypatch.setattr(broadcaster_module, "_LONGEST_PAUSE", 6 * LONG)
    broadcaster = start(LONG)
    pauses = in_control_of_pauses(broadcaster)
    broadcaster.changed()
    expected = [2 * LONG, 4 * LONG, 6 * LONG, 6 * LONG, LONG]
    assert [pauses.next() for _ in range(5)] == pytest.approx(expected, abs=10)


def test_a_failing_service_is_not_asked_more_often_than_a_working_one(hub: StubHub, start: Start) -> None:
    hub.errors.put(SignalRError("busy"))
    broadcaster = start(LONG)
    pauses = in_control_of_pauses(broadcaster)
    broadcaster.changed()
    assert pauses.next() >= LONG


def test_failures_are_logged_when_they_begin_and_when_they_end(
    hub: StubHub, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="signin.live.broadcaster")
    broadcaster = start(LONG)
    pauses = in_control_of_pauses(broadcaster)
    for _ in range(2):
        for _ in range(3):
            hub.errors.put(SignalRError("busy"))
        broadcaster.changed()
        for _ in range(4):
            pauses.next()
    failing = ("WARNING", "broadcasts fail, visits are counted all the same: busy")
    working = ("INFO", "broadcasts work again")
    assert [(record.levelname, record.message) for record in caplog.records] == [failing, working] * 2


def test_closing_sends_what_is_pending_without_waiting_for_the_interval(
    hub: StubHub, counter: StubCounter, start: Start
) -> None:
    broadcaster = start(LONG)
    broadcaster.changed()
    hub.next_total()
    counter.total = 7
    broadcaster.changed()
    broadcaster.close(10)
    assert hub.next_total() == 7
    assert not broadcaster._thread.is_alive()


def test_closing_sends_nothing_when_nothing_is_pending(hub: StubHub, start: Start) -> None:
    broadcaster = start(LONG)
    broadcaster.changed()
    hub.next_total()
    broadcaster.close(10)
    assert hub.sent.empty()


def test_closing_does_not_insist_on_a_service_that_fails(hub: StubHub, start: Start) -> None:
    for _ in range(10):
        hub.errors.put(SignalRError("busy"))
    broadcaster = start(LONG)
    broadcaster.changed()
    hub.next_total()
    broadcaster.close(10)
    assert not broadcaster._thread.is_alive()
    assert len(hub.calls) <= 2


def test_closing_does_not_wait_longer_than_it_may(hub: StubHub, start: Start) -> None:
    gate = threading.Event()
    hub.gates.put(gate)
    broadcaster = start(LONG)
    broadcaster.changed()
    hub.next_total()
    broadcaster.close(0.0)
    assert broadcaster._thread.is_alive()
    gate.set()


@pytest.mark.parametrize("where", ["hub", "counter"])
def test_the_thread_survives_a_defect(where: str, hub: StubHub, counter: StubCounter, start: Start) -> None:
    """A stats row that somebody edited by hand raises ValueError, for one: open pages must hear of later visits."""
    errors = hub.errors if where == "hub" else counter.errors
    errors.put(ValueError("a defect"))
    broadcaster = start(SHORT)
    counter.total = 1
    broadcaster.changed()
    if where == "hub":
        assert hub.next_total() == 1
    broadcaster._thread.join(0.2)
    assert broadcaster._thread.is_alive(), "the thread has died"
    counter.total = 2
    broadcaster.changed()
    while hub.next_total() != 2:
        pass


def test_no_number_is_sent_before_the_other_shards_were_read_once(
    hub: StubHub, counter: StubCounter, start: Start
) -> None:
    """A new process knows its own shard only. Pages that show what comes last would see the number fall."""
    counter.errors.put(OutcomeUnknown("down"))
    counter.total, counter.elsewhere = 1, 1_000_000
    start(SHORT).changed()
    assert hub.next_total() == 1_000_001


def test_a_process_without_company_asks_nobody_whose_turn_it_is(
    hub: StubHub, start: Start, service: TableService
) -> None:
    start(LONG).changed()
    hub.next_total()
    assert not service.reads


def test_a_service_that_asks_for_time_is_given_it(hub: StubHub, start: Start) -> None:
    hub.errors.put(SignalRError("quota", retry_after=5 * LONG))
    broadcaster = start(LONG)
    pauses = in_control_of_pauses(broadcaster)
    broadcaster.changed()
    assert pauses.next() == 5 * LONG
