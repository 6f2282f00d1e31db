"""Histories at random of processes that share a table, with every fault that may happen to their requests."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, NamedTuple, cast, get_args

from azure.core.exceptions import AzureError
from azure.data.tables import TableClient
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from signin.counting.committer import NotAcknowledged
from signin.counting.errors import StorageError
from signin.counting.rows import ABSENT, STATS_KEY, Partitions, room_of
from signin.counting.table import VisitTable
from signin.operators.adopt import SAMPLE, adopt
from signin.visits.visit import Visit
from tests.support.clock import Clock
from tests.unit.table_service import (
    Attempt,
    Fault,
    Reply,
    TableService,
    arrives,
    busy_before,
    closed_after,
    closed_before,
    delivered_late,
    error_after,
    no_answer,
    no_connection,
    no_table,
    raising,
    table_is_being_deleted,
    truncated,
    wrong_key,
)

from .conftest import Report
from .history import History, Shown
from .simulation import (
    ADOPTED_AT_ONCE,
    MAX_AGE,
    DelayedReply,
    Event,
    Process,
    Request,
    SequentialExecutor,
    SteppedClient,
    SteppedThread,
    kills_thread,
    simulation,
)

PROCESSES = 3
HISTORIES, HISTORIES_OF_SOAK = 250, 20_000
RECREATIONS = 3  # one history with a recreated table for so many without
ROOMS = 3  # one history of two rooms for so many of one
STEPS = 40
IDLE_SECONDS = 20.0
BROWSERS = ["Edge", "Firefox", "Safari"]
SAMPLE_TIME = datetime(2018, 7, 16, tzinfo=UTC)


def other_process_commits_first(request: Attempt) -> Reply:
    """Another process commits to the same shard just before, if the app would have opened that shard."""
    name = request.commits_to if isinstance(request, Request) else None
    if name is not None:
        shards, shard = request.service.shards(room_of(name) or ""), name.rpartition("-")[2]
        if shard in ("00", "adopted") or shards[: int(shard) + 1] == list(range(int(shard) + 1)):
            request.service.commit_from_elsewhere(name)
    return request.arrive()


def reply_delayed(request: Attempt) -> Reply:
    """The service carries it out at once. Its reply takes as long as the test decides, and may be lost."""
    reply = DelayedReply(request)
    fault = SteppedThread.stop(reply)
    return (fault if fault in (arrives, kills_thread) else closed_before)(reply)


FAULTS: list[Fault] = [
    *[arrives] * 6,
    *[other_process_commits_first] * 3,
    *[delivered_late] * 2,
    *[reply_delayed] * 2,
    closed_after,
    closed_before,
    truncated,
    error_after,
    busy_before,
    raising(no_connection),
    raising(wrong_key),
]

a_process = st.integers(0, PROCESSES - 1)
any_index = st.integers(0, 11)  # taken modulo the number of things to choose from


def copy_outcome(source: Future[None], target: Future[None]) -> None:
    if error := source.exception():
        target.set_exception(error)
    else:
        target.set_result(None)


class ClientAttempt(NamedTuple):
    """An attempt of a client at its visit, at this time. It may be marked as a repetition."""

    process: Process
    outcome: Future[None]
    at: float
    is_marked: bool = False


class Value(NamedTuple):
    """The visits that a value counts. It should count all that were acknowledged up to the time `as_of`."""

    visits: frozenset[str]
    as_of: float


class Broadcast(NamedTuple):
    """The visits that a broadcast counts, and those that its process had acknowledged before the broadcast began."""

    visits: frozenset[str]
    acknowledged: frozenset[str]


class Histories(RuleBasedStateMachine):
    """Each visit has an operating system of its own, so that the counts by system name the visits that they count."""

    events: ClassVar[Counter[Event]] = Counter()

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        crowded=st.integers(1, 3),
        shards=st.integers(0, 3),
        reports_last_failure=st.booleans(),
    )
    def begin(self, seed: int, crowded: int, shards: int, reports_last_failure: bool = False) -> None:
        self.clock = Clock()
        self.service = TableService()
        self.service.clock = lambda: datetime.fromtimestamp(self.clock.now, UTC)
        self.service.reports_last_failure = reports_last_failure
        self.simulation = ExitStack()
        self.simulation.enter_context(simulation(self.clock, random.Random(seed), crowded, IDLE_SECONDS))
        self.numbers = itertools.count()
        self.ticks = itertools.count()
        self.begin_rooms(shards)

    def begin_rooms(self, shards: int) -> None:
        self.begin_room("", shards)

    def begin_room(self, room: str, shards: int) -> None:
        self.room = room
        self.table = self.service.visit_table().of_room(room)
        for shard in range(shards):
            self.table.open_shard(shard, ABSENT)
        self.processes = [self.new_process() for _ in range(PROCESSES)]
        client = cast(TableClient, SteppedClient(self.service, self.clock))
        self.operator_table = VisitTable(client, readers=SequentialExecutor(), room=room)
        self.adopting: SteppedThread | None = None
        self.history = History()
        self.acknowledged_at: dict[str, float] = {}
        self.attempts: dict[str, list[ClientAttempt]] = {}  # by idempotency key
        self.values: list[Value] = []
        self.broadcasts: list[Broadcast] = []
        # Collected, since the exceptions of a future's callbacks are not raised.
        self.defects: list[str] = []
        self.shown_without_own_visit: list[str] = []

    def new_process(self) -> Process:
        return Process(next(self.numbers), self.service, self.clock, self.events, self.room)

    @property
    def waiting(self) -> list[SteppedThread]:
        """The threads that wait for a response."""
        adopting = [self.adopting] if self.adopting and self.adopting.request else []
        return [thread for process in self.processes for thread in process.waiting] + adopting

    # Visits and readings

    @rule(indexes=st.lists(a_process, min_size=1, max_size=6), at_once=st.booleans())
    def submit_visits(self, indexes: Sequence[int], at_once: bool) -> None:
        for index in indexes:
            process, number = self.processes[index], len(self.history.outcomes)
            key = f"{self.room}visit{number}"
            self.history.attempt(key)
            began, asked_at = next(self.ticks), self.clock.now
            done = process.submit(self.visit(key, idempotency_key=key))
            self.attempts[key] = [ClientAttempt(process, done, asked_at)]
            done.add_done_callback(partial(self.record_outcome, process, key, began, asked_at))
            if at_once:
                process.committing.finish()

    def visit(self, key: str, idempotency_key: str) -> Visit:
        labels = {"OS": key, "Browser": BROWSERS[len(self.history.outcomes) % len(BROWSERS)]}
        return replace(Visit.now(), key=key, labels=labels, idempotency_key=idempotency_key)

    @precondition(lambda self: self.repeatable)
    @rule(index=a_process, which=any_index, at_once=st.booleans())
    def repeat_visit(self, index: int, which: int, at_once: bool) -> None:
        """A client that does not know the outcome of its visit sends it again, to any process."""
        process, idempotency_key = self.processes[index], self.repeatable[which % len(self.repeatable)]
        attempts = self.attempts[idempotency_key]
        key = f"{idempotency_key}-{len(attempts)}"
        done: Future[None] = Future()

        def repeat() -> None:
            attempts.append(ClientAttempt(process, done, self.clock.now, is_marked=True))
            self.history.attempt(key)
            with suppress(NotAcknowledged):
                process.repeat(self.visit(key, idempotency_key)).add_done_callback(
                    lambda outcome: copy_outcome(outcome, done)
                )
                return
            done.set_exception(NotAcknowledged("not looked up", recorded="unknown"))

        process.read(repeat)
        if at_once and process.reading:
            process.reading.finish()

    @property
    def repeatable(self) -> list[str]:
        """The idempotency keys of visits whose attempts have all ended; if there are any, those that seem not counted.

        An attempt has ended if it can no longer commit.
        """
        if self.service.late:
            return []
        ended = [
            key
            for key, attempts in self.attempts.items()
            if all(attempt.outcome.done() or attempt.process not in self.processes for attempt in attempts)
        ]
        return [key for key in ended if not self.is_acknowledged(key)] or ended

    def is_acknowledged(self, idempotency_key: str) -> bool:
        outcomes = [attempt.outcome for attempt in self.attempts[idempotency_key]]
        return any(outcome.done() and not outcome.exception() for outcome in outcomes)

    @precondition(lambda self: self.recent)
    @rule(which=any_index)
    def send_visit_again(self, which: int) -> None:
        """A browser sends an unmarked attempt again, since the connection was closed before the response."""
        idempotency_key = self.recent[which % len(self.recent)]
        attempts = self.attempts[idempotency_key]
        process = attempts[-1].process
        key = f"{idempotency_key}-{len(attempts)}"
        self.history.attempt(key)
        attempts.append(ClientAttempt(process, process.submit(self.visit(key, idempotency_key)), self.clock.now))

    @property
    def recent(self) -> list[str]:
        """The idempotency keys of unmarked visits that were sent a moment ago to a process which is still running."""
        return [
            key
            for key, attempts in self.attempts.items()
            if attempts[-1].process in self.processes
            and not attempts[-1].is_marked
            and self.clock.now - attempts[-1].at < IDLE_SECONDS
        ]

    def record_outcome(self, process: Process, key: str, began: int, asked_at: float, done: Future[None]) -> None:
        error = done.exception()
        if isinstance(error, NotAcknowledged):
            self.history.outcomes[key] = error.recorded
            if "internal error" in str(error):
                self.defects.append(f"the commit of {key} failed unexpectedly; see the log")
            return
        self.history.outcomes[key] = "acknowledged"
        self.acknowledged_at[key] = self.clock.now
        process.acknowledged.add(key)
        visits = self.show(process, began, has_own_visit=True)
        if key not in visits:
            self.shown_without_own_visit.append(key)
        if process.shards.is_sole_writer:
            self.values.append(Value(visits, as_of=asked_at))
        elif process.shards._walk_error is None:
            self.values.append(Value(visits, as_of=process.shards._walked_from))

    @rule(index=a_process, what=st.sampled_from(["statistics", "for a visitor", "broadcast"]), at_once=st.booleans())
    def read_shards(self, index: int, what: str, at_once: bool) -> None:
        process = self.processes[index]
        read = {"statistics": self.statistics, "for a visitor": self.for_a_visitor, "broadcast": self.broadcast}[what]
        process.read(partial(read, process))
        if at_once and process.reading:
            process.reading.finish()

    def statistics(self, process: Process) -> None:
        began, asked_at = next(self.ticks), self.clock.now
        with suppress(StorageError):
            process.shards.read_all()
            self.values.append(Value(self.show(process, began), as_of=asked_at))

    def for_a_visitor(self, process: Process) -> None:
        began = next(self.ticks)
        with suppress(StorageError):
            process.shards.refresh_if_stale()
        self.show(process, began)

    def broadcast(self, process: Process) -> None:
        if not process.has_changes:
            return
        began = next(self.ticks)
        process.has_changes = False
        acknowledged = frozenset(process.acknowledged)
        try:
            process.shards.read_others()
        except StorageError:
            process.has_changes = True
        else:
            self.broadcasts.append(Broadcast(self.show(process, began), acknowledged))

    def show(self, process: Process, began: int, *, has_own_visit: bool = False) -> frozenset[str]:
        value = process.shards.value()
        self.history.shown.append(Shown(process.number, began, next(self.ticks), value.total, has_own_visit))
        return frozenset(value.counts["OS"])

    @rule(index=a_process, visits=st.integers(2, 5))
    def visit_one_process_only(self, index: int, visits: int) -> None:
        """Let one process have a visit now and then, without faults, so that it closes the shards of the others."""
        for _ in range(visits):
            self.submit_visits([index], at_once=True)
            self.read_shards(index, "for a visitor", at_once=True)
            self.advance_clock(IDLE_SECONDS)

    # The visits of the C# sample

    @rule(rows=st.integers(0, 2 * ADOPTED_AT_ONCE), at_once=st.booleans())
    def adopt_sample_visits(self, rows: int, at_once: bool) -> None:
        for _ in range(rows):
            self.add_sample_visit()
        self.run_adopt()
        if at_once and self.adopting:
            self.adopting.finish()

    def add_sample_visit(self) -> str:
        """Add a row of the sample; the visit that `adopt` makes of it has the returned key as its operating system."""
        row_key = f"{self.room}sample{len(self.history.outcomes):03}"
        key = f"{row_key}-{SAMPLE_TIME:%Y%m%dT%H%M%S.%fZ}"
        self.history.attempt(key)
        self.service.put(SAMPLE, row_key, at=SAMPLE_TIME, OS=key, Browser="Edge")
        return key

    def run_adopt(self) -> None:
        """Run `adopt` in a thread of its own, unless it is running already."""
        if self.adopting is None or self.adopting.request is None:
            self.adopting = SteppedThread(self.adopt)
            self.adopting.start()

    def adopt(self) -> None:
        keys = [str(row["OS"]) for row in self.service.rows() if row["PartitionKey"] == SAMPLE]
        with suppress(StorageError):
            adopt(self.operator_table, advance=lambda rows: None)
            for key in keys:
                self.history.outcomes[key] = "acknowledged"
                self.acknowledged_at.setdefault(key, self.clock.now)

    # Requests, processes and time

    @precondition(lambda self: self.waiting)
    @rule(which=any_index, faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=6))
    def answer_requests(self, which: int, faults: Sequence[Fault]) -> None:
        thread = self.waiting[which % len(self.waiting)]
        for fault in faults:
            if thread.request:
                thread.resume(fault)

    @precondition(lambda self: self.waiting)
    @rule(which=any_index)
    def finish_one(self, which: int) -> None:
        self.waiting[which % len(self.waiting)].finish()

    @precondition(lambda self: self.service.late)
    @rule(which=any_index)
    def deliver_late_request(self, which: int) -> None:
        with suppress(AzureError):
            self.service.late.pop(which % len(self.service.late)).arrive()

    @rule(index=a_process, arrives_late=st.booleans())
    def kill_process(self, index: int, arrives_late: bool) -> None:
        requests = self.processes[index].kill()
        if arrives_late:
            self.service.late.extend(requests)
        self.processes[index] = self.new_process()

    @precondition(lambda self: self.adopting and self.adopting.request)
    @rule(arrives_late=st.booleans())
    def kill_adopt(self, arrives_late: bool) -> None:
        assert self.adopting
        assert self.adopting.request
        if arrives_late:
            self.service.late.append(self.adopting.request)
        self.adopting.kill()

    @rule(seconds=st.sampled_from([0.05, 0.5, 2.0, 11.0, IDLE_SECONDS]))
    def advance_clock(self, seconds: float) -> None:
        self.clock.now += seconds

    # The end

    def teardown(self) -> None:
        if not hasattr(self, "simulation"):
            return
        with self.simulation:
            try:
                self.come_to_rest()
                self.check()
            finally:
                self.kill_all()

    def kill_all(self) -> None:
        for process in self.processes:
            process.kill()
        if self.adopting:
            self.adopting.kill()

    def come_to_rest(self) -> None:
        """Finish without faults: broadcast the last changes, deliver the late requests, adopt, and read all shards."""
        self.finish_all()
        for process in self.processes:
            process.read(partial(self.broadcast, process))
        self.finish_all()
        while self.service.late:
            self.deliver_late_request(0)
        if self.adopting:  # an earlier run may have been killed before it changed shard 0's ETag
            self.run_adopt()
            self.finish_all()
        for process in self.processes:
            process.read(partial(self.statistics, process))
        self.finish_all()

    def finish_all(self) -> None:
        while self.waiting:
            self.waiting[0].finish()

    def check(self) -> None:
        self.check_table()
        self.check_values()

    def check_table(self) -> None:
        """The table agrees with the outcome of every visit, and every process with the table."""
        rows = [row for row in self.service.rows() if row["PartitionKey"] != SAMPLE]
        self.history.check(self.table, rows, others=self.service.from_elsewhere)
        assert not self.defects, "; ".join(self.defects)
        counts = Counter(row["Key"] for row in rows if "Key" in row)
        for key, attempts in self.attempts.items():
            assert self.is_acknowledged(key) <= counts[key] <= 1, (
                f"{key} has {counts[key]} rows after {len(attempts)} attempts"
            )
        audited = self.service.audited(self.room)
        for process in self.processes:
            assert process.shards.value() == audited, "after a reading a process has another value than the table"

    def check_values(self) -> None:
        """Each value and each broadcast counts the visits that it should."""
        assert not self.shown_without_own_visit, f"{self.shown_without_own_visit} not counted for their visitors"
        for value in self.values:
            known = {key for key, moment in self.acknowledged_at.items() if moment <= value.as_of}
            assert known <= value.visits, f"{sorted(known - value.visits)} are missing in a value that should be new"
        # The process that commits last can read the visits of all others.
        acknowledged = frozenset[str]().union(*(broadcast.acknowledged for broadcast in self.broadcasts))
        missing = [acknowledged - broadcast.visits for broadcast in self.broadcasts]
        assert not missing or frozenset() in missing, "no broadcast counts all visits"


class HistoriesOfTwoRooms(Histories):
    """A room and the default counter have histories at the same time, in one table and at one faulty service.

    The rules are for one of them at a time. In the end, both are as in other histories.
    """

    OF_A_ROOM = (
        *("room", "table", "processes", "operator_table", "adopting", "history", "acknowledged_at", "attempts"),
        *("values", "broadcasts", "defects", "shown_without_own_visit"),
    )

    def begin_rooms(self, shards: int) -> None:
        self.begin_room("hall-a", shards)
        self.other = self.state_of_room()
        self.begin_room("", shards)

    def state_of_room(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.OF_A_ROOM}

    @rule()
    def enter_other_room(self) -> None:
        self.other, present = self.state_of_room(), self.other
        vars(self).update(present)

    def add_sample_visit(self) -> str:
        """Both counters may adopt it."""
        key = super().add_sample_visit()
        self.other["history"].attempt(key)
        return key

    def come_to_rest(self) -> None:
        for _ in range(2):
            super().come_to_rest()
            self.enter_other_room()

    def check(self) -> None:
        for _ in range(2):
            super().check()
            self.enter_other_room()

    def kill_all(self) -> None:
        for _ in range(2):
            super().kill_all()
            self.enter_other_room()


class HistoriesOfRecreatedTables(Histories):
    """The table may be deleted and created again, while processes run.

    From then on a process may show old values until it has noticed. At the end all is as in other histories, except
    that visits of the old table are gone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gone: set[str] = set()
        self.is_recreated = False

    @rule(error=st.sampled_from([no_answer, no_table, table_is_being_deleted]), filled=st.integers(0, 3))
    def recreate_table(self, error: Callable[[], Exception], filled: int) -> None:
        """Requests under way fail with the error; replies still arrive. Then other processes fill the table."""
        if not self.is_recreated:
            self.history.check_shown()
            self.check_values()
        self.is_recreated = True
        if self.adopting and self.adopting.request:
            self.kill_adopt(arrives_late=False)  # its operator is the one who recreates the table
        self.adopting = None
        requests = [thread.request for thread in self.waiting if thread.request]
        self.gone |= self.history.visits("acknowledged")
        self.attempts.clear()  # which also ends the repetitions
        if any(isinstance(request, DelayedReply) for request in requests):  # that may yet acknowledge a visit
            self.gone |= self.history.visits("unknown") & set(self.service.visits())
        for request in requests:
            if not isinstance(request, DelayedReply):
                request.fail(error())
        self.service.late.clear()
        self.service.recreate()
        for _ in range(filled):
            self.service.commit_from_elsewhere("00")

    def check(self) -> None:
        if not self.is_recreated:
            super().check()
            return
        for key in self.gone & self.history.visits("acknowledged"):
            self.history.outcomes[key] = "unknown"
        self.history.shown.clear()
        self.remove_shards_behind_a_gap()
        self.check_table()

    def remove_shards_behind_a_gap(self) -> None:
        """Remove the empty stats rows that a process may have created before it noticed that the table is new."""
        for place, shard in enumerate(self.service.shards()):
            if place != shard:
                total = self.service.visit_table().read(shard).statistics.total
                assert total == 0, f"{total} visits are in shard {shard}, which is behind a gap"
                self.service.remove(Partitions().of(shard), STATS_KEY)


def run(machine: type[Histories], histories: int, *, derandomize: bool) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=histories,
            stateful_step_count=STEPS,
            derandomize=derandomize,
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_histories_count_each_visit_exactly_once(soak: bool, report: Report) -> None:
    Histories.events.clear()
    run(Histories, HISTORIES_OF_SOAK if soak else HISTORIES, derandomize=not soak)
    report(", ".join(f"{event} {count}" for event, count in Histories.events.items()))
    rare = {event: Histories.events[event] for event in get_args(Event) if Histories.events[event] < 50}
    assert not rare, f"the histories do not reach these often enough: {rare}"


def test_histories_of_recreated_tables_start_over(soak: bool) -> None:
    histories = (HISTORIES_OF_SOAK if soak else HISTORIES) // RECREATIONS
    run(HistoriesOfRecreatedTables, histories, derandomize=not soak)


# Histories that are rarely found at random


def test_former_sole_writer_finds_a_new_shard() -> None:
    history = Histories()
    history.begin(seed=0, crowded=1, shards=0)
    history.submit_visits(indexes=[0], at_once=True)
    history.read_shards(index=0, what="statistics", at_once=True)  # process 0 is the sole writer now
    history.submit_visits(indexes=[1], at_once=False)
    history.answer_requests(which=0, faults=[arrives])  # process 1 has read the stats row
    history.submit_visits(indexes=[0], at_once=True)
    history.finish_one(which=0)  # process 1 has a conflict, and opens a shard of its own
    assert history.service.shards() == [0, 1]
    history.submit_visits(indexes=[0], at_once=True)
    history.teardown()


def test_delayed_reply_undoes_no_commit() -> None:
    history = Histories()
    history.begin(seed=0, crowded=3, shards=0)
    history.submit_visits(indexes=[0], at_once=True)
    history.advance_clock(2 * MAX_AGE)
    history.read_shards(index=0, what="statistics", at_once=False)
    history.answer_requests(which=0, faults=[reply_delayed])
    history.submit_visits(indexes=[0], at_once=True)
    history.teardown()


def test_late_confirmation_is_no_fresh_reading() -> None:
    """A commit whose replies were lost is confirmed by a visit's row, which does not show the commits after it."""
    history = Histories()
    history.begin(seed=0, crowded=3, shards=0)
    history.submit_visits(indexes=[0], at_once=False)
    history.answer_requests(which=0, faults=[arrives, closed_after])
    history.submit_visits(indexes=[1], at_once=True)
    history.advance_clock(2 * MAX_AGE)
    history.answer_requests(which=0, faults=[arrives] * 3)
    history.read_shards(index=0, what="statistics", at_once=True)
    history.teardown()


def test_histories_of_two_rooms_stay_apart(soak: bool) -> None:
    run(HistoriesOfTwoRooms, (HISTORIES_OF_SOAK if soak else HISTORIES) // ROOMS, derandomize=not soak)
