"""Several processes that broadcast one at a time, by the row that they share."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.data.tables import TableEntity

from signin.counting.shards import ShardCounter
from signin.counting.table import EtagMismatch
from signin.live import lease as lease_module
from signin.live.broadcaster import Broadcaster
from signin.live.hub import Hub, SignalRError
from signin.live.lease import LEASE_PARTITION, BroadcastLease, Lease
from signin.visits.visit import Visit

from .table_service import TableService
from .test_broadcaster import LONG, SHORT, in_control_of_pauses


class Clock:
    """The `monotonic` of all lease; it stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(lease_module, "time", SimpleNamespace(monotonic=lambda: self.now))

    def advance(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def service() -> TableService:
    return TableService()


@pytest.fixture
def lease(service: TableService) -> BroadcastLease:
    return BroadcastLease(service.visit_table())


def test_before_the_first_broadcast_whoever_comes_may_take_the_turn(lease: BroadcastLease) -> None:
    assert lease.read().remaining <= 0
    lease.acquire(lease.read(), LONG)


def test_a_turn_that_was_taken_lasts_for_all_processes(service: TableService, lease: BroadcastLease) -> None:
    lease.acquire(lease.read(), LONG)
    for process in (lease, BroadcastLease(service.visit_table())):
        assert process.read().remaining == pytest.approx(LONG, abs=10)


def test_a_turn_is_over_after_its_seconds(service: TableService, lease: BroadcastLease) -> None:
    lease.acquire(lease.read(), seconds=0.0)
    assert BroadcastLease(service.visit_table()).read().remaining <= 0


def test_of_two_who_take_a_turn_one_is_turned_down(service: TableService, lease: BroadcastLease) -> None:
    other = BroadcastLease(service.visit_table())
    for seconds in (0.0, LONG):  # the first turn, which makes the row, and the second
        last, last_of_other = lease.read(), other.read()
        lease.acquire(last, seconds)
        with pytest.raises(EtagMismatch):
            other.acquire(last_of_other, seconds)


def test_what_was_told_is_known_to_all_processes(service: TableService, lease: BroadcastLease) -> None:
    lease.record_sent(lease.acquire(lease.read(), LONG), {0: 5, 1: 3})
    last = BroadcastLease(service.visit_table()).read()
    assert last.covers({0: 5, 1: 3})
    assert last.covers({1: 2})
    assert not last.covers({0: 6, 1: 3})
    assert not last.covers({2: 1})


def test_to_say_what_was_told_makes_the_turn_no_longer(
    service: TableService, lease: BroadcastLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    turn = lease.acquire(lease.read(), 60.0)
    clock.advance(20.0)
    lease.record_sent(turn, {0: 5})
    row = service.visit_table().row(LEASE_PARTITION, "turn")
    assert row is not None
    assert row["Seconds"] == pytest.approx(40.0), "what other processes read"
    assert lease.read().remaining == pytest.approx(40.0)
    clock.advance(50.0)
    lease.record_sent(lease.acquire(lease.read(), 0.0), {0: 6})  # one that lasted longer than it should
    assert lease.read().remaining <= 0


def test_a_turn_whose_process_died_has_told_nothing_new(service: TableService, lease: BroadcastLease) -> None:
    lease.record_sent(lease.acquire(lease.read(), 0.0), {0: 5})
    lease.acquire(lease.read(), 0.0)
    last = BroadcastLease(service.visit_table()).read()
    assert last.covers({0: 5})
    assert not last.covers({0: 6})


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1)], ids=["ahead", "behind"])
def test_a_clock_that_is_wrong_makes_no_turn_longer(
    ahead: timedelta, service: TableService, lease: BroadcastLease
) -> None:
    at = (datetime.now(UTC) + ahead).isoformat()
    service.put(LEASE_PARTITION, "turn", At=at, Seconds=5.0, Told="[]")
    first = lease.read().remaining
    assert first <= 5.0
    assert lease.read().remaining <= first, "the turn has to end, however often it is read"


@pytest.mark.parametrize(
    "nonsense",
    [
        {"At": "yesterday"},
        {"At": 7},
        *({"Told": told} for told in ("5", "nonsense", None, 7, '["many"]', "[[1]]")),
        *({"Seconds": seconds} for seconds in (float("inf"), float("nan"), -1.0, 1e12, "many")),
    ],
    ids=str,
)
def test_a_row_that_makes_no_sense_is_made_right_by_the_next_turn(
    nonsense: dict[str, Any], service: TableService, lease: BroadcastLease
) -> None:
    sensible: dict[str, Any] = {"At": datetime.now(UTC).isoformat(), "Seconds": 5.0, "Told": "[]"}
    service.put(LEASE_PARTITION, "turn", **{**sensible, **nonsense})
    assert lease.read().remaining <= 0
    assert not lease.read().covers({0: 1})
    lease.record_sent(lease.acquire(lease.read(), LONG), {0: 1})
    assert BroadcastLease(service.visit_table()).read().covers({0: 1})


def test_a_row_that_was_deleted_is_made_anew(service: TableService, lease: BroadcastLease) -> None:
    lease.acquire(lease.read(), 0.0)
    service.remove(LEASE_PARTITION, "turn")
    lease.acquire(lease.read(), LONG)
    assert BroadcastLease(service.visit_table()).read().remaining > 0


# Broadcasters that share the row


class RecordingHub:
    """The hub of one process."""

    def __init__(self, sent: queue.Queue[int]) -> None:
        self.sent = sent
        self.errors: queue.Queue[Exception] = queue.Queue()
        self.before_sending: Callable[[], object] = lambda: None

    def broadcast(self, target: str, arguments: Sequence[Any]) -> None:
        self.before_sending()
        if not self.errors.empty():
            raise self.errors.get()
        self.sent.put(arguments[0])


class Process:
    """A process with company: it counts in a shard of its own."""

    def __init__(self, service: TableService, shard: int, interval: float, sent: queue.Queue[int]) -> None:
        self.table = service.visit_table()
        self.shard = shard
        self.hub = RecordingHub(sent)
        self.counter = ShardCounter(self.table, max_age=LONG)
        self.lease = BroadcastLease(self.table)
        self.broadcaster = Broadcaster(cast(Hub, self.hub), self.counter, self.lease, interval)
        self.pauses = in_control_of_pauses(self.broadcaster)

    def count(self) -> None:
        """Commit a visit, and have it broadcast."""
        head = self.table.commit(self.shard, self.table.read(self.shard), [Visit.now()])
        self.counter.record(self.shard, head.statistics)
        self.broadcaster.changed()


@pytest.fixture
def sent() -> queue.Queue[int]:
    """The total of each broadcast, whoever sent it."""
    return queue.Queue()


Start = Callable[[float], tuple[Process, Process]]


@pytest.fixture
def start(service: TableService, sent: queue.Queue[int]) -> Iterator[Start]:
    """Start two processes with this interval."""
    started: list[Process] = []

    def start(interval: float) -> tuple[Process, Process]:
        for shard in range(2):
            service.visit_table().open(shard)
        started.extend(Process(service, shard, interval, sent) for shard in range(2))
        return started[0], started[1]

    yield start
    for process in started:
        process.broadcaster.close(10)


def test_a_visit_soon_after_another_processs_broadcast_waits_for_the_interval(
    start: Start, sent: queue.Queue[int]
) -> None:
    one, other = start(LONG)
    one.count()
    assert sent.get(timeout=10) == 1
    one.pauses.begun.get(timeout=10)  # what it told is noted
    other.count()
    assert other.pauses.begun.get(timeout=10) == pytest.approx(LONG, rel=0.2)
    assert sent.empty()


def test_a_visit_long_after_another_processs_broadcast_is_sent_at_once(start: Start, sent: queue.Queue[int]) -> None:
    one, other = start(SHORT)
    one.count()
    assert sent.get(timeout=10) == 1
    one.pauses.next()
    threading.Event().wait(2 * SHORT)
    other.count()
    assert sent.get(timeout=10) == 2


def test_whoever_sent_last_sends_again_as_soon_as_the_turn_is_over(
    start: Start, sent: queue.Queue[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    one, _ = start(60.0)
    one.hub.before_sending = lambda: clock.advance(20.0)
    for total in (1, 2, 3):
        one.count()
        assert sent.get(timeout=10) == total
        pause = one.pauses.begun.get(timeout=10)
        assert pause == pytest.approx(40.0), "a broadcast is sent an interval after the last, however long that took"
        clock.advance(pause)
        one.pauses.end()


def test_what_another_process_has_told_is_not_told_again(start: Start, sent: queue.Queue[int]) -> None:
    one, other = start(LONG)
    head = other.table.commit(1, other.table.read(1), [Visit.now()])  # committed, and not yet announced
    one.count()
    one.broadcaster.close(10)
    assert sent.get_nowait() == 2
    other.counter.record(1, head.statistics)
    other.broadcaster.changed()
    other.broadcaster.close(10)
    assert sent.empty()


def test_what_a_process_that_failed_has_not_told_is_told_by_another(start: Start, sent: queue.Queue[int]) -> None:
    one, other = start(SHORT)
    one.hub.errors.put(SignalRError("down"))
    one.count()
    one.pauses.begun.get(timeout=10)  # it will try again much later
    other.count()
    while sent.empty():
        other.pauses.next()
    assert sent.get() == 2


def test_what_a_process_that_died_has_not_told_is_told_by_another(start: Start, sent: queue.Queue[int]) -> None:
    one, other = start(SHORT)
    one.count()
    assert sent.get(timeout=10) == 1
    other.table.commit(1, other.table.read(1), [Visit.now()])  # and it is gone
    while sent.empty():
        one.pauses.next()
    assert sent.get() == 2


def test_a_process_looks_only_once_whether_another_has_died(
    start: Start, sent: queue.Queue[int], service: TableService
) -> None:
    one, _ = start(SHORT)
    one.count()
    for _ in range(2):  # the broadcast, and the look around
        one.pauses.next()
    reads = len(service.reads)
    with pytest.raises(queue.Empty):
        one.pauses.begun.get(timeout=10 * SHORT)
    assert len(service.reads) == reads
    assert sent.qsize() == 1


def test_a_service_that_asks_for_time_is_given_it_by_all_processes(start: Start, sent: queue.Queue[int]) -> None:
    one, other = start(SHORT)
    one.hub.errors.put(SignalRError("quota", retry_after=LONG))
    one.count()
    assert one.pauses.begun.get(timeout=10) == LONG
    other.count()
    assert other.pauses.begun.get(timeout=10) == pytest.approx(LONG, abs=10)
    assert sent.empty()


def test_a_process_that_ends_tells_what_is_pending_out_of_turn(start: Start, sent: queue.Queue[int]) -> None:
    one, other = start(LONG)
    one.count()
    assert sent.get(timeout=10) == 1
    one.pauses.begun.get(timeout=10)
    other.count()
    other.pauses.begun.get(timeout=10)
    other.broadcaster.close(10)
    assert sent.get(timeout=10) == 2


def test_the_row_says_in_plain_text_what_it_is(service: TableService, lease: BroadcastLease) -> None:
    lease.record_sent(lease.acquire(lease.read(), 1.0), {0: 5, 2: 3})
    row = service.visit_table().row(LEASE_PARTITION, "turn")
    assert isinstance(row, TableEntity)
    assert row["Told"] == "[5, 0, 3]"


def test_a_turn_that_nobody_took_has_told_that_nobody_came() -> None:
    assert Lease().covers({})
    assert not Lease().covers({0: 1})
