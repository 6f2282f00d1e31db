"""Thousands of histories of worker processes that share a table, with everything that may happen to their requests."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from azure.core.exceptions import AzureError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from signin.counting.committer import NotAcknowledged
from signin.counting.errors import StorageError
from signin.counting.rows import ABSENT
from signin.visits.visit import Visit
from tests.unit.table_service import (
    Attempt,
    Fault,
    Reply,
    TableService,
    arrives,
    busy,
    failed_after_commit,
    held_up,
    no_connection,
    raising,
    reply_cut_short,
    reply_lost,
    request_lost,
    wrong_key,
)

from .history import History, Shown
from .simulation import MAX_AGE, Actor, Clock, Process, Request, killed, simulated

PROCESSES = 3
HISTORIES, HISTORIES_OF_SOAK = 600, 20_000
STEPS = 40
IDLE_SECONDS = 20.0
BROWSERS = ["Edge", "Firefox", "Safari"]


def beaten(request: Attempt) -> Reply:
    """A process that is not ours commits to the same shard just before."""
    if isinstance(request, Request) and request.commits_to is not None:
        request.service.commit_from_elsewhere(request.commits_to)
    return request.arrive()


def slow(request: Attempt) -> Reply:
    """The service carries it out at once; its reply takes as long as the test likes, and may be lost."""
    reply: Reply = request.arrive()
    on_its_way = Request(request.service, lambda: reply)
    fate = Actor.stop(on_its_way)
    return (fate if fate in (arrives, killed) else request_lost)(on_its_way)


FATES: list[Fault] = [
    *[arrives] * 6,
    *[beaten] * 3,
    *[held_up] * 2,
    *[slow] * 2,
    reply_lost,
    request_lost,
    reply_cut_short,
    failed_after_commit,
    busy,
    raising(no_connection),
    raising(wrong_key),
]

one_process = st.integers(0, PROCESSES - 1)
one_of_them = st.integers(0, 11)  # however many there are


class Value(NamedTuple):
    """The visits counted in a value, and the moment by which it claims to know what had been acknowledged."""

    visits: frozenset[str]
    as_of: float


class Broadcast(NamedTuple):
    """The visits counted in a broadcast, and those that its process had acknowledged before it began."""

    visits: frozenset[str]
    acknowledged: frozenset[str]


class Histories(RuleBasedStateMachine):
    """Each visit has an operating system of its own, so that a value tells which visits are counted in it."""

    @initialize(
        seed=st.integers(0, 2**32 - 1),
        crowded=st.integers(1, 3),
        shards=st.integers(0, 3),
        blames_the_last=st.booleans(),
    )
    def begin(self, seed: int, crowded: int, shards: int, blames_the_last: bool = False) -> None:
        self.clock = Clock()
        self.service = TableService()
        self.service.blames_the_last = blames_the_last
        for shard in range(shards):
            self.service.visit_table().open_shard(shard, ABSENT)
        self.surroundings = ExitStack()
        self.surroundings.enter_context(simulated(self.clock, random.Random(seed), crowded, IDLE_SECONDS))
        self.numbers = itertools.count()
        self.processes = [self.new_process() for _ in range(PROCESSES)]
        self.ticks = itertools.count()
        self.history = History()
        self.acknowledged_at: dict[str, float] = {}
        self.values: list[Value] = []
        self.broadcasts: list[Broadcast] = []
        self.wrong: list[str] = []  # collected, since the exceptions of a future's callbacks are not raised

    def new_process(self) -> Process:
        return Process(next(self.numbers), self.service, self.clock)

    @property
    def waiting(self) -> list[Actor]:
        return [actor for process in self.processes for actor in process.waiting]

    # What is asked of the processes

    @rule(indexes=st.lists(one_process, min_size=1, max_size=6), at_once=st.booleans())
    def visits_are_made(self, indexes: Sequence[int], at_once: bool) -> None:
        for index in indexes:
            process, number = self.processes[index], len(self.history.outcomes)
            key = f"visit{number}"
            self.history.attempt(key)
            began, asked_at = next(self.ticks), self.clock.now
            visit = replace(Visit.now(), key=key, os=key, browser=BROWSERS[number % len(BROWSERS)])
            done = process.submit(visit)
            done.add_done_callback(partial(self.visit_is_answered, process, key, began, asked_at))
            if at_once:
                process.committing.finish()

    def visit_is_answered(self, process: Process, key: str, began: int, asked_at: float, done: Future[None]) -> None:
        error = done.exception()
        if isinstance(error, NotAcknowledged):
            self.history.outcomes[key] = error.recorded
            if "internal error" in str(error):
                self.wrong.append(f"{key} met with a defect; see the log")
            return
        self.history.outcomes[key] = "acknowledged"
        self.acknowledged_at[key] = self.clock.now
        process.acknowledged.add(key)
        visits = self.show(process, began, has_own_visit=True)
        if key not in visits:
            self.wrong.append(f"{key} is not counted in what its visitor was shown")
        if process.shards.is_sole_writer:
            self.values.append(Value(visits, as_of=asked_at))
        elif process.shards._walk_error is None:
            self.values.append(Value(visits, as_of=process.shards._walked_from))

    @rule(index=one_process, what=st.sampled_from(["statistics", "for a visitor", "broadcast"]), at_once=st.booleans())
    def shards_are_read(self, index: int, what: str, at_once: bool) -> None:
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
        return frozenset(value.by_os)

    # What becomes of it

    @precondition(lambda self: self.waiting)
    @rule(which=one_of_them, fates=st.lists(st.sampled_from(FATES), min_size=1, max_size=6))
    def requests_are_answered_or_not(self, which: int, fates: Sequence[Fault]) -> None:
        actor = self.waiting[which % len(self.waiting)]
        for fate in fates:
            if actor.request:
                actor.go_on(fate)

    @precondition(lambda self: self.waiting)
    @rule(which=one_of_them)
    def all_goes_well_for_one(self, which: int) -> None:
        self.waiting[which % len(self.waiting)].finish()

    @precondition(lambda self: self.service.late)
    @rule(which=one_of_them)
    def a_request_arrives_late(self, which: int) -> None:
        with suppress(AzureError):
            self.service.late.pop(which % len(self.service.late)).arrive()

    @rule(index=one_process, is_on_the_way=st.booleans())
    def a_process_is_killed(self, index: int, is_on_the_way: bool) -> None:
        requests = self.processes[index].kill()
        if is_on_the_way:
            self.service.late.extend(requests)
        self.processes[index] = self.new_process()

    @rule(seconds=st.sampled_from([0.05, 0.5, 2.0, 11.0, IDLE_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.clock.now += seconds

    # The end

    def teardown(self) -> None:
        if not hasattr(self, "surroundings"):
            return
        with self.surroundings:
            try:
                self.come_to_rest()
                self.check()
            finally:
                for process in self.processes:
                    process.kill()

    def come_to_rest(self) -> None:
        """Everything that has begun ends well, what has changed is broadcast, and what is still on the way arrives."""
        self.all_goes_well()
        for process in self.processes:
            process.read(partial(self.broadcast, process))
        self.all_goes_well()
        while self.service.late:
            self.a_request_arrives_late(0)
        for process in self.processes:
            process.read(partial(self.statistics, process))
        self.all_goes_well()

    def all_goes_well(self) -> None:
        while self.waiting:
            self.waiting[0].finish()

    def check(self) -> None:
        rows = [row for row, _ in self.service._rows.values()]
        self.history.check(self.service.visit_table(), rows, others=self.service.from_elsewhere)
        assert not self.wrong, "; ".join(self.wrong)
        total = self.service.audited().total
        for process in self.processes:
            assert process.shards.value().total == total, "after a reading a process does not know what the table holds"
        for value in self.values:
            known = {key for key, moment in self.acknowledged_at.items() if moment <= value.as_of}
            assert known <= value.visits, f"{sorted(known - value.visits)} not counted in a value that claims to be new"
        # Whichever process commits last, all the other visits are there for it to see.
        acknowledged = frozenset[str]().union(*(broadcast.acknowledged for broadcast in self.broadcasts))
        missing = [acknowledged - broadcast.visits for broadcast in self.broadcasts]
        assert not missing or frozenset() in missing, "no broadcast has all visits in it"


def test_in_every_history_visits_are_counted_as_their_visitors_were_told(soak: bool) -> None:
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=HISTORIES_OF_SOAK if soak else HISTORIES,
            stateful_step_count=STEPS,
            derandomize=not soak,
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


# Histories that chance comes upon too rarely


def test_a_process_that_was_alone_learns_of_a_shard_that_another_opens() -> None:
    history = Histories()
    history.begin(seed=0, crowded=1, shards=0)
    history.visits_are_made(indexes=[0], at_once=True)
    history.shards_are_read(index=0, what="statistics", at_once=True)  # now it knows that it is alone
    history.visits_are_made(indexes=[1], at_once=False)
    history.requests_are_answered_or_not(which=0, fates=[arrives])  # the other has read the stats row
    history.visits_are_made(indexes=[0], at_once=True)
    history.all_goes_well_for_one(which=0)  # so that it has a conflict, and opens a shard of its own
    assert history.service.shards() == [0, 1]
    history.visits_are_made(indexes=[0], at_once=True)
    history.teardown()


def test_a_reply_that_was_long_on_its_way_undoes_nothing() -> None:
    history = Histories()
    history.begin(seed=0, crowded=3, shards=0)
    history.visits_are_made(indexes=[0], at_once=True)
    history.time_passes(2 * MAX_AGE)
    history.shards_are_read(index=0, what="statistics", at_once=False)
    history.requests_are_answered_or_not(which=0, fates=[slow])
    history.visits_are_made(indexes=[0], at_once=True)
    history.teardown()


def test_what_a_late_confirmation_tells_of_a_shard_is_not_taken_for_new() -> None:
    """A commit whose replies were lost is confirmed by its row, which tells nothing of the commits that came after."""
    history = Histories()
    history.begin(seed=0, crowded=3, shards=0)
    history.visits_are_made(indexes=[0], at_once=False)
    history.requests_are_answered_or_not(which=0, fates=[arrives, reply_lost])
    history.visits_are_made(indexes=[1], at_once=True)
    history.time_passes(2 * MAX_AGE)
    history.requests_are_answered_or_not(which=0, fates=[arrives] * 3)
    history.shards_are_read(index=0, what="statistics", at_once=True)
    history.teardown()
