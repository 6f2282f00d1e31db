from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, cast

import pytest

from signin.counting import shards as shards_module
from signin.counting.errors import OutcomeUnknown
from signin.counting.shards import Shards
from signin.live import broadcaster as broadcaster_module
from signin.live import lease as lease_module
from signin.live.broadcaster import TARGET, Broadcaster
from signin.live.here import Here
from signin.live.hub import Hub, SignalRError
from signin.live.lease import BroadcastLease
from signin.live.pace import Pace

from . import table_service
from .broadcasting import INTERVAL, LONG, SHORT, Process, Sent, StubHere, StubHub, StubShards
from .table_service import TableService
from .virtual_time import VirtualTime


@pytest.fixture
def hub() -> StubHub:
    return StubHub()


@pytest.fixture
def shards() -> StubShards:
    return StubShards()


@pytest.fixture
def service() -> TableService:
    return TableService()


Make = Callable[..., Broadcaster]


@pytest.fixture
def make(hub: StubHub, shards: StubShards, service: TableService) -> Iterator[Make]:
    """Make a broadcaster with this interval; closed when the test ends."""
    made: list[Broadcaster] = []

    def make(interval: float = INTERVAL, here: StubHere | None = None) -> Broadcaster:
        table = service.visit_table()
        pace = Pace(interval, None, table.now)
        lease = BroadcastLease(table)
        made.append(Broadcaster(cast(Hub, hub), cast(Shards, shards), lease, pace, here=cast(Here | None, here)))
        return made[-1]

    yield make
    hub.during_broadcast = lambda: None
    for broadcaster in made:
        if broadcaster._thread.is_alive():
            broadcaster.close(10)


# One process, in virtual time


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    return VirtualTime(monkeypatch, broadcaster_module, lease_module, shards_module)


@pytest.fixture
def broadcaster(make: Make, time: VirtualTime) -> Broadcaster:
    """A broadcaster that has been started."""
    broadcaster = make()
    time.control(broadcaster)
    broadcaster.start()
    return broadcaster


def attempts(hub: StubHub) -> list[int]:
    """The totals of all broadcasts so far, failed ones too."""
    return list(hub.totals.queue)


def seconds(value: float) -> Any:
    return pytest.approx(value, abs=0.001)


def times_of_attempts(hub: StubHub, time: VirtualTime, seconds: float) -> list[float]:
    """When broadcasts are sent from now on."""
    times: list[float] = []
    hub.during_broadcast = lambda: times.append(time.now)
    time.advance(seconds)
    return times


def test_lone_change_is_sent_at_once(
    hub: StubHub, shards: StubShards, broadcaster: Broadcaster, time: VirtualTime
) -> None:
    shards.own = 1
    broadcaster.changed()
    time.advance()
    assert attempts(hub) == [1]


def test_broadcast_is_what_the_pages_listen_for(
    hub: StubHub, shards: StubShards, broadcaster: Broadcaster, time: VirtualTime
) -> None:
    shards.own = 3
    broadcaster.changed()
    time.advance()
    assert TARGET == "updateSignInStats"
    [(target, arguments)] = hub.calls
    assert target == TARGET
    assert arguments == shards.value().summary()
    assert (*arguments[:3], arguments[3]["byDevice"]) == (3, {"iOS": 3}, {"Safari": 3}, {"Phone": 3})


def test_due_exchange_of_open_pages_sends_no_broadcast(hub: StubHub, make: Make, time: VirtualTime) -> None:
    here = StubHere(time)
    broadcaster = make(here=here)
    time.control(broadcaster)
    broadcaster.start()
    here.due_at = time.now + 7.0
    broadcaster.wake()
    time.advance(10.0)
    assert here.exchanges == [(seconds(7.0), False)]
    assert attempts(hub) == []
    broadcaster.close(10)
    assert here.is_closed


def test_broadcast_has_the_open_pages_of_this_moment(
    hub: StubHub, shards: StubShards, make: Make, time: VirtualTime
) -> None:
    here = StubHere(time)
    broadcaster = make(here=here)
    time.control(broadcaster)
    broadcaster.start()
    shards.own = 1
    broadcaster.changed()
    time.advance()
    assert (seconds(0.0), True) in here.exchanges
    assert hub.calls[0][1][3] == {**shards.value().summary()[3], "here": 12}


def test_due_exchange_waits_for_no_broadcast(hub: StubHub, shards: StubShards, make: Make, time: VirtualTime) -> None:
    """The interval between broadcasts may be an hour."""
    here = StubHere(time)
    broadcaster = make(LONG, here=here)
    time.control(broadcaster)
    broadcaster.start()
    shards.own = 1
    broadcaster.changed()
    time.advance(10.0)
    before = len(here.exchanges)
    here.due_at = time.now + 2.0
    broadcaster.wake()
    broadcaster.changed()
    time.advance(20.0)
    assert here.exchanges[before:] == [(seconds(12.0), False)]
    assert attempts(hub) == [1]


def test_nothing_is_sent_without_a_change(hub: StubHub, broadcaster: Broadcaster, time: VirtualTime) -> None:
    time.advance(1000 * INTERVAL)
    broadcaster.close(10)
    assert attempts(hub) == []


def test_changes_within_an_interval_are_one_broadcast(
    hub: StubHub, shards: StubShards, broadcaster: Broadcaster, time: VirtualTime
) -> None:
    shards.own = 1
    broadcaster.changed()
    time.advance()
    for shards.own in range(2, 100):
        time.advance(INTERVAL / 100)
        broadcaster.changed()
    assert attempts(hub) == [1], "sent before the interval was over"
    time.advance(INTERVAL / 10)
    assert attempts(hub) == [1, 99]
    time.advance(10 * INTERVAL)
    broadcaster.close(10)
    assert attempts(hub) == [1, 99]


def test_interval_begins_before_the_send(
    hub: StubHub, shards: StubShards, broadcaster: Broadcaster, time: VirtualTime
) -> None:
    times: list[float] = []

    def during_broadcast() -> None:
        times.append(time.now)
        time.now += 0.4 * INTERVAL
        shards.own += 1
        broadcaster.changed()

    hub.during_broadcast = during_broadcast
    broadcaster.changed()
    time.advance(3.5 * INTERVAL)
    assert times == pytest.approx([0.0, INTERVAL, 2 * INTERVAL, 3 * INTERVAL], abs=0.001)


def test_change_during_a_broadcast_is_sent_by_the_next(
    hub: StubHub, shards: StubShards, broadcaster: Broadcaster, time: VirtualTime
) -> None:
    def count_another() -> None:
        hub.during_broadcast = lambda: None
        shards.own = 2
        broadcaster.changed()

    shards.own = 1
    hub.during_broadcast = count_another
    broadcaster.changed()
    time.advance(1.1 * INTERVAL)
    assert attempts(hub) == [1, 2]


def test_broadcast_has_commits_of_other_processes(
    hub: StubHub, shards: StubShards, broadcaster: Broadcaster, time: VirtualTime
) -> None:
    shards.own, shards.others = 1, 10
    broadcaster.changed()
    time.advance()
    assert attempts(hub) == [11]


def test_broadcast_waits_until_other_shards_were_read(
    hub: StubHub, shards: StubShards, broadcaster: Broadcaster, time: VirtualTime
) -> None:
    """A new process knows its own shard only: pages would see the total fall.

    And it may be the last to send: the other process has read this one's shard before this one's commit.
    """
    shards.errors.put(OutcomeUnknown("down"))
    shards.own, shards.others = 1, 1_000_000
    broadcaster.changed()
    time.advance(10 * INTERVAL)
    assert attempts(hub) == [1_000_001]


def test_failed_broadcast_is_repeated_without_a_change(
    hub: StubHub, shards: StubShards, broadcaster: Broadcaster, time: VirtualTime
) -> None:
    hub.errors.put(SignalRError("busy"))
    shards.own = 5
    broadcaster.changed()
    time.advance(100 * INTERVAL)
    assert attempts(hub) == [5, 5]


def test_pauses_after_failures_grow_up_to_a_limit(hub: StubHub, broadcaster: Broadcaster, time: VirtualTime) -> None:
    for _ in range(6):
        hub.errors.put(SignalRError("busy"))
    broadcaster.changed()
    times = times_of_attempts(hub, time, 1000 * INTERVAL)
    pauses = [2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx(pauses, abs=0.001)


def test_pauses_begin_anew_after_a_success(hub: StubHub, broadcaster: Broadcaster, time: VirtualTime) -> None:
    for _ in range(4):
        hub.errors.put(SignalRError("busy"))
    broadcaster.changed()
    time.advance(1000 * INTERVAL)
    hub.errors.put(SignalRError("busy"))
    broadcaster.changed()
    first, second = times_of_attempts(hub, time, 1000 * INTERVAL)
    assert second - first == seconds(2 * INTERVAL)


def test_failing_service_is_called_no_more_often(hub: StubHub, make: Make, time: VirtualTime) -> None:
    """No more often than a working one, also if the interval is longer than the longest pause."""
    broadcaster = make(LONG)
    time.control(broadcaster)
    broadcaster.start()
    for _ in range(3):
        hub.errors.put(SignalRError("busy"))
    broadcaster.changed()
    times = times_of_attempts(hub, time, 10 * LONG)
    assert len(times) == 4
    assert all(later - earlier >= LONG for earlier, later in pairwise(times))


def test_retry_after_is_respected(hub: StubHub, broadcaster: Broadcaster, time: VirtualTime) -> None:
    hub.errors.put(SignalRError("quota", retry_after=500.0))
    broadcaster.changed()
    first, second = times_of_attempts(hub, time, 1000 * INTERVAL)
    assert second - first == seconds(500.0)


def test_failures_are_logged_as_they_begin_and_end(
    hub: StubHub, broadcaster: Broadcaster, time: VirtualTime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="signin.live.broadcaster")
    for _ in range(2):
        for _ in range(3):
            hub.errors.put(SignalRError("busy"))
        broadcaster.changed()
        time.advance(1000 * INTERVAL)
    failing = ("WARNING", "broadcasts fail, visits are counted all the same: busy")
    working = ("INFO", "broadcasts work again")
    assert [(record.levelname, record.message) for record in caplog.records] == [failing, working] * 2


@pytest.mark.parametrize("part", ["hub", "shards"])
def test_thread_survives_a_defect(
    part: str,
    hub: StubHub,
    shards: StubShards,
    broadcaster: Broadcaster,
    time: VirtualTime,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A stats row that was edited by hand raises ValueError, for one: open pages need the later visits all the same."""
    errors = hub.errors if part == "hub" else shards.errors
    errors.put(ValueError("a defect"))
    shards.own = 1
    broadcaster.changed()
    time.advance()
    assert broadcaster._thread.is_alive()
    assert "Traceback" in caplog.text
    shards.own = 2
    broadcaster.changed()
    time.advance(10 * INTERVAL)
    assert attempts(hub)[-1] == 2


def test_close_sends_pending_change_at_once(
    hub: StubHub, shards: StubShards, broadcaster: Broadcaster, time: VirtualTime
) -> None:
    broadcaster.changed()
    time.advance()
    shards.own = 7
    broadcaster.changed()
    broadcaster.close(10)
    assert attempts(hub) == [0, 7]
    assert not broadcaster._thread.is_alive()


def test_close_sends_nothing_without_a_change(hub: StubHub, broadcaster: Broadcaster, time: VirtualTime) -> None:
    broadcaster.changed()
    time.advance()
    broadcaster.close(10)
    assert attempts(hub) == [0]


def test_close_does_not_repeat_a_failed_broadcast(hub: StubHub, broadcaster: Broadcaster, time: VirtualTime) -> None:
    for _ in range(10):
        hub.errors.put(SignalRError("busy"))
    broadcaster.changed()
    time.advance()
    broadcaster.close(10)
    assert not broadcaster._thread.is_alive()
    assert len(attempts(hub)) == 2


def test_process_without_peers_reads_no_lease(
    hub: StubHub, broadcaster: Broadcaster, time: VirtualTime, service: TableService
) -> None:
    broadcaster.changed()
    time.advance(10 * INTERVAL)
    assert attempts(hub) == [0]
    assert service.reads == []


# One process, with real threads


def test_thread_starts_with_start(hub: StubHub, make: Make) -> None:
    broadcaster = make(LONG)
    assert not broadcaster._thread.is_alive()
    broadcaster.changed()
    broadcaster.start()
    hub.next_total()


@pytest.mark.parametrize("report", [Broadcaster.changed, Broadcaster.found_others])
def test_reports_do_not_block_during_a_broadcast(
    report: Callable[[Broadcaster], None], hub: StubHub, make: Make
) -> None:
    gate = threading.Event()
    hub.during_broadcast = lambda: gate.wait(30)
    broadcaster = make(LONG)
    broadcaster.start()
    broadcaster.changed()
    hub.next_total()
    caller = threading.Thread(target=report, args=(broadcaster,))
    caller.start()
    caller.join(10)
    has_blocked = caller.is_alive()
    gate.set()
    caller.join()
    assert not has_blocked


def test_last_change_is_always_sent(hub: StubHub, shards: StubShards, make: Make) -> None:
    broadcaster = make(0.001)
    broadcaster.start()
    for shards.own in range(1, 2000):
        broadcaster.changed()
    while hub.next_total() < 1999:
        pass


def test_close_waits_no_longer_than_its_timeout(hub: StubHub, make: Make) -> None:
    gate = threading.Event()
    hub.during_broadcast = lambda: gate.wait(30)
    broadcaster = make(LONG)
    broadcaster.start()
    broadcaster.changed()
    hub.next_total()
    broadcaster.close(0.0)
    assert broadcaster._thread.is_alive()
    gate.set()


def test_change_wakes_a_waiting_thread(hub: StubHub, shards: StubShards, make: Make) -> None:
    broadcaster = make(SHORT)
    broadcaster.start()
    for shards.own in range(1, 4):
        broadcaster.changed()
        assert hub.next_total() == shards.own


# Visits of other processes, found by a reading


@pytest.fixture
def sent() -> list[Sent]:
    """The broadcasts of all processes."""
    return []


@pytest.fixture
def start(service: TableService, time: VirtualTime, sent: list[Sent]) -> Iterator[Callable[[int], list[Process]]]:
    started: list[Process] = []

    def start(processes: int) -> list[Process]:
        started.extend(Process(service, time, sent) for _ in range(processes))
        return started

    yield start
    for process in started:
        process.close()


Start = Callable[[int], list[Process]]


def test_found_visits_are_sent_two_intervals_later(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    dead, living = start(2)
    dead.commit()
    assert living.show_statistics() == 1
    time.advance(1.9 * INTERVAL)
    assert sent == [], "the process that committed them would have had no time to send them"
    time.advance(INTERVAL)
    assert sent == [Sent(seconds(2 * INTERVAL), 1)]
    time.advance(100 * INTERVAL)
    assert len(sent) == 1


def test_found_visits_are_not_sent_twice(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    one, other = start(2)
    one.count()
    time.advance()
    assert other.show_statistics() == 1
    time.advance(100 * INTERVAL)
    assert [total for _, total in sent] == [1]


def test_found_visits_are_not_sent_while_more_follow(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    """The process that goes on committing broadcasts them itself, sooner or later."""
    slow, other = start(2)
    slow.commit()
    other.show_statistics()
    for _ in range(10):
        time.advance(1.5 * INTERVAL)
        slow.commit()
    assert sent == []


def test_found_visits_are_sent_once_no_more_follow(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    """The process may have died after its last commit, like after any other."""
    dead, living = start(2)
    dead.commit()
    living.show_statistics()
    time.advance(INTERVAL)
    dead.commit()
    time.advance(100 * INTERVAL)
    assert [total for _, total in sent] == [2]


def test_found_visits_are_sent_after_a_failed_reading(
    start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    dead, living = start(2)
    dead.commit()
    living.show_statistics()
    dead.commit()
    service.read_errors.extend([table_service.no_answer()] * 3)
    time.advance(100 * INTERVAL)
    assert [total for _, total in sent] == [2]


def test_visits_found_by_many_are_sent_once(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    dead, *living = start(5)
    dead.commit()
    for process in living:
        process.show_statistics()
    time.advance(100 * INTERVAL)
    assert [total for _, total in sent] == [1]


def test_visits_of_the_process_that_has_sent_ours_are_sent(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    """The process that has sent our visits dies with one of its own that was not broadcast: we send that."""
    dead, living = start(2)
    dead.count()
    time.advance(0.5 * INTERVAL)
    living.count()
    time.advance(0.7 * INTERVAL)
    assert sent == [Sent(seconds(0.0), 1), Sent(seconds(1.0), 2)], "the other process has sent the second visit"
    dead.commit()
    dead.kill()
    time.advance(2 * INTERVAL)
    assert [total for _, total in sent] == [1, 2, 3]


def test_process_looks_once_after_a_broadcast_of_its_visits(
    start: Start, time: VirtualTime, service: TableService
) -> None:
    one, other = start(2)
    one.count()
    time.advance(0.5 * INTERVAL)
    other.count()
    time.advance(3 * INTERVAL)
    reads = len(service.reads)
    time.advance(100 * INTERVAL)
    assert len(service.reads) == reads


def test_known_visits_are_no_reason_to_look(
    start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    dead, living = start(2)
    dead.commit()
    living.show_statistics()
    time.advance(10 * INTERVAL)
    living.show_statistics()
    reads = len(service.reads)
    time.advance(100 * INTERVAL)
    assert len(service.reads) == reads
    assert len(sent) == 1


def test_close_sends_found_visits_at_once(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    dead, living = start(2)
    dead.commit()
    living.show_statistics()
    living.broadcaster.close(10)
    assert sent == [Sent(seconds(0.0), 1)]
    assert not living.broadcaster._thread.is_alive()


def test_close_sends_no_visits_that_were_broadcast(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    one, other = start(2)
    one.count()
    time.advance()
    other.show_statistics()
    other.broadcaster.close(10)
    assert [total for _, total in sent] == [1]


def test_close_sends_nothing_if_more_visits_follow(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    slow, other = start(2)
    slow.commit()
    other.show_statistics()
    slow.commit()
    other.broadcaster.close(10)
    assert sent == []
    assert not other.broadcaster._thread.is_alive()


@pytest.mark.parametrize("visits_per_second", [1, 10])
def test_statistics_requests_cause_no_broadcasts(
    visits_per_second: int, start: Start, time: VirtualTime, sent: list[Sent]
) -> None:
    """One broadcast an interval for the app as a whole, if one process counts and the others show /stats."""
    counting, *others = start(4)
    for step in range(200):
        if step % (10 // visits_per_second) == 0:
            counting.count()
        for process in others:
            process.show_statistics()
        time.advance(INTERVAL / 10)
    during = [broadcast for broadcast in sent if broadcast.at < 19.5 * INTERVAL]
    assert len(during) == 20
    is_pending = during[-1].total < 20 * visits_per_second
    time.advance(100 * INTERVAL)
    assert sent[-1].total == 20 * visits_per_second
    assert len(sent) <= 20 + is_pending + 1, "at most one more at the end"
    assert min(later.at - earlier.at for earlier, later in pairwise(sent)) >= INTERVAL - 0.001
