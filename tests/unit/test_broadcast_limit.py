"""The most broadcasts of a day, kept by whole processes in virtual time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

import pytest

from signin.counting import clock as clock_module
from signin.counting import shards as shards_module
from signin.counting.rows import Partitions
from signin.live import broadcaster as broadcaster_module
from signin.live import lease as lease_module

from .broadcasting import Process, Sent, Start, starting
from .table_service import TableService
from .virtual_time import VirtualTime

HOUR, DAY = 3600.0, 86400.0
INTERVAL = 60.0  # seconds; without a limit, a day has 1,440 broadcasts
PER_DAY = 500
LONGEST = 2 * DAY / PER_DAY  # seconds


@pytest.fixture
def service() -> TableService:
    return TableService()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch, service: TableService) -> VirtualTime:
    time = VirtualTime(monkeypatch, broadcaster_module, clock_module, lease_module, shards_module)
    service.clock = lambda: time.utc
    return time


@pytest.fixture
def sent() -> list[Sent]:
    """The broadcasts of all processes."""
    return []


@pytest.fixture
def start(service: TableService, time: VirtualTime, sent: list[Sent]) -> Iterator[Start]:
    """Start so many processes with the limit."""
    with starting(lambda: Process(service, time, sent, INTERVAL, PER_DAY)) as start:
        yield start


def visit_until(time: VirtualTime, end: float, pause: float, *processes: Process) -> None:
    """A visit after every `pause` seconds, counted by one of the processes."""
    while time.now < end:
        random.choice(processes).count()
        time.advance(pause)


def intervals(sent: list[Sent]) -> list[float]:
    return [later.at - earlier.at for earlier, later in pairwise(sent)]


def limit(time: VirtualTime) -> float:
    """How many broadcasts were available on the first day until now."""
    return PER_DAY / 2 * (1 + time.now / DAY)


def exhaust(time: VirtualTime, *processes: Process) -> None:
    """Use up what the limit allows at once."""
    visit_until(time, 6 * HOUR, INTERVAL, *processes)


@pytest.mark.parametrize("processes", [1, 4])
def test_no_day_has_more_broadcasts_than_the_limit(
    processes: int, start: Start, time: VirtualTime, sent: list[Sent]
) -> None:
    visit_until(time, DAY, INTERVAL, *start(processes))
    assert 0.9 * PER_DAY < len(sent) <= PER_DAY
    assert min(intervals(sent[-20:])) > 4 * INTERVAL
    visit_until(time, DAY + HOUR, INTERVAL, *start(1))
    assert max(intervals(sent[-20:])) <= 1.1 * INTERVAL + 0.001, "the next day begins anew"


@pytest.mark.parametrize("processes", [1, 4])
def test_ends_of_processes_do_not_reset_the_limit(
    processes: int, start: Start, time: VirtualTime, sent: list[Sent]
) -> None:
    """One is killed every twenty minutes, and another one starts in its place."""
    running = start(processes)
    while time.now < DAY / 2:
        visit_until(time, time.now + HOUR / 3, INTERVAL, *running)
        running.pop(0).kill()
        running += start(1)
    assert 0.9 * limit(time) < len(sent) <= limit(time)


def test_new_process_for_each_visit_keeps_the_limit(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    while time.now < DAY / 2:
        [process] = start(1)
        process.count()
        time.advance(INTERVAL)
        process.kill()
    assert 0.7 * limit(time) < len(sent) <= limit(time)


def test_process_that_ends_sends_one_broadcast_more(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    running = start(2)
    ended = 0
    while time.now < DAY / 2:
        visit_until(time, time.now + HOUR / 2, INTERVAL, *running)
        running.pop(0).close()
        ended += 1
        running += start(1)
    assert 0.9 * limit(time) < len(sent) <= limit(time) + ended


@pytest.mark.parametrize("pause", [INTERVAL, 196.0])
def test_statistics_requests_do_not_exceed_the_limit(
    pause: float, start: Start, time: VirtualTime, sent: list[Sent]
) -> None:
    """The other process may broadcast each visit again: the one that counts it is a sole writer and uses no lease."""
    counting, other = start(2)
    while time.now < DAY:
        counting.count()
        time.advance(min(pause / 2, 2 * INTERVAL))
        other.show_statistics()
        time.advance(max(pause / 2, pause - 2 * INTERVAL))
    assert 0.8 * PER_DAY < len(sent) <= PER_DAY


@pytest.mark.parametrize("processes", [1, 4])
def test_last_visit_is_sent_while_slowed(processes: int, start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    started = start(processes)
    exhaust(time, *started)
    total = started[0].show_statistics()
    assert sent[-1].total < total, "a broadcast is pending"
    time.advance(LONGEST + INTERVAL)
    assert sent[-1].total == total


def test_visits_of_a_dead_process_are_sent_while_slowed(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    """The living one has found them while it waits for longer than it remembers that it has a peer."""
    dead, living = start(2)
    visit_until(time, 9 * HOUR, INTERVAL, living)
    count = len(sent)
    while len(sent) == count:
        visit_until(time, time.now + 1.0, 1.0, living)
    dead.commit()
    total = living.show_statistics()
    time.advance(0.7 * LONGEST)
    assert not living.shards.may_have_peers
    assert sent[-1].total < total
    time.advance(LONGEST)
    assert sent[-1].total == total


def test_slowed_sole_writer_hands_over_its_interval(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    [process] = start(1)
    exhaust(time, process)
    count = len(sent)
    while len(sent) == count:
        visit_until(time, time.now + INTERVAL, INTERVAL, process)
    process.kill()
    [successor] = start(1)
    visit_until(time, time.now + 2 * LONGEST, INTERVAL, successor)
    assert intervals(sent)[count - 1] > 3 * INTERVAL
    assert intervals(sent)[count] > 3 * INTERVAL


def test_slowed_process_reads_the_lease_once_a_broadcast(
    start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    [process] = start(1)
    exhaust(time, process)
    before = len(sent)
    service.reads.clear()
    visit_until(time, time.now + HOUR, INTERVAL, process)
    assert 10 < service.reads.count((Partitions().lease, "turn")) <= len(sent) - before + 1


def test_quiet_visit_costs_no_request_more(
    start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    """The sole writer commits, and neither reads nor writes the lease."""
    [process] = start(1)
    visit_until(time, 10 * INTERVAL, INTERVAL, process)
    service.reads.clear()
    writes, visits = service.writes, len(sent)
    visit_until(time, time.now + 100 * INTERVAL, INTERVAL, process)
    assert len(sent) == visits + 100
    assert service.reads == []
    assert service.writes == writes


def test_event_of_some_hours_is_not_slowed(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    processes = start(2)
    visit_until(time, 14 * HOUR, 900.0, *processes)
    quiet = len(sent)
    visit_until(time, 16 * HOUR, INTERVAL, *processes)
    assert len(sent) - quiet >= 2 * HOUR / INTERVAL - 1
    assert max(intervals(sent[quiet:])) <= 1.1 * INTERVAL + 0.001


@pytest.mark.parametrize("seconds", [0.0, float("inf"), -1.0, 1e300, "soon", None], ids=repr)
def test_edited_lease_does_not_reset_the_limit(
    seconds: object, start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    """An edit costs at most one broadcast more."""
    processes = start(2)
    exhaust(time, *processes)
    before, edits = len(sent), 0
    while time.now < 8 * HOUR:
        service.put(Partitions().lease, "turn", At=time.utc.isoformat(), Seconds=seconds, Told="[Infinity]")
        edits += 1
        visit_until(time, time.now + HOUR / 4, INTERVAL, *processes)
    assert before < len(sent) <= limit(time) + edits


def test_slower_pace_is_logged_as_it_begins(
    start: Start, time: VirtualTime, sent: list[Sent], caplog: pytest.LogCaptureFixture
) -> None:
    exhaust(time, *start(1))
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert "MaximumBroadcastsPerDay" in record.message
