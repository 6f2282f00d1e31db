"""The real `Shards` and `Committer`, in systematic interleavings of the requests of two processes.

`test_shard_protocol` searches a model exhaustively. Here the classes themselves run in slow motion, once for each order
in which a thread is interrupted in its task at most once or twice. Most defects of concurrent programs need no more:
this is context bounding. Between two tasks of a thread, which cost no interruption, any thread may go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import pytest

from signin.counting.rows import ShardState
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from tests.unit.table_service import arrives

from .conftest import Report
from .simulation import Process, SteppedThread
from .test_histories import IDLE_SECONDS, Histories

A, B, C = 0, 1, 2  # processes


@dataclass
class Lane:
    """A thread of a process, and the tasks that it has yet to begin."""

    name: str
    thread: Callable[[], SteppedThread | None]
    tasks: list[Callable[[], None]] = field(default_factory=list)

    @property
    def is_in_task(self) -> bool:
        thread = self.thread()
        return thread is not None and thread.request is not None

    @property
    def can_step(self) -> bool:
        return self.is_in_task or bool(self.tasks)

    def step(self) -> None:
        """Let the request arrive and be answered, and the thread run up to its next one; or begin a task."""
        thread = self.thread()
        if thread is not None and thread.request is not None:
            thread.resume(arrives)
        else:
            self.tasks.pop(0)()

    def finish(self) -> None:
        while self.is_in_task:
            self.step()


class Run:
    """One history: what a scenario lets happen at once, and then its tasks in some order."""

    def __init__(self, crowded: int, processes: int = 2) -> None:
        self.history = Histories()
        self.history.begin(seed=0, crowded=crowded, shards=0)
        for process in self.history.processes[processes:]:
            process.kill()
        del self.history.processes[processes:]
        self.committers = [self._committer(process) for process in self.history.processes]
        self.walks = [self._walk(process) for process in self.history.processes]
        self.lanes = [*self.committers, *self.walks]

    def _committer(self, process: Process) -> Lane:
        return Lane(f"committer {process.number}", lambda: process.committing)

    def _walk(self, process: Process) -> Lane:
        return Lane(f"walk {process.number}", lambda: process.reading)

    # At once

    def visit(self, process: int) -> None:
        self.history.submit_visits([process], at_once=True)

    def read(self, process: int) -> None:
        self.history.read_shards(process, "statistics", at_once=True)

    def begin_visit(self, process: int) -> None:
        """Make a visit whose process has read shard 0 and not yet committed."""
        self.history.submit_visits([process], at_once=False)
        self.committers[process].step()

    def meet_conflicts(self, process: int, other: int, count: int) -> None:
        """Begin a visit. Each time that it is about to be committed the other process is faster.

        The last conflict is yet to be noticed.
        """
        self.begin_visit(process)
        for _ in range(count - 1):
            self.visit(other)
            self.committers[process].step()  # the conflict
            self.committers[process].step()  # the read
        self.visit(other)

    def idle(self) -> None:
        self.history.advance_clock(IDLE_SECONDS)

    # In every order

    def add_visits(self, process: int, count: int = 1) -> None:
        self.committers[process].tasks += [
            partial(self.history.submit_visits, [process], at_once=False) for _ in range(count)
        ]

    def add_reads(self, process: int, count: int = 1) -> None:
        self.walks[process].tasks += [
            partial(self.history.read_shards, process, "statistics", at_once=False) for _ in range(count)
        ]

    def check_beliefs(self) -> None:
        """A sole writer knows every visit that was acknowledged before its own last one."""
        acknowledged_at = self.history.acknowledged_at
        for process in self.history.processes:
            if process.shards.is_sole_writer and process.acknowledged:
                last = max(acknowledged_at[key] for key in process.acknowledged)
                earlier = {key for key, moment in acknowledged_at.items() if moment < last}
                missing = earlier - process.shards.value().counts["OS"].keys()
                assert not missing, f"process {process.number} is not the sole writer: it misses {sorted(missing)}"


# Scenarios


def new_processes() -> Run:
    run = Run(crowded=1)
    for process in (A, B):
        run.add_visits(process)
        run.add_reads(process)
    return run


def opening() -> Run:
    """B opens shard 1 while A, the sole writer, commits and reads, and leaves shard 0 at its first conflict."""
    run = Run(crowded=1)
    run.visit(A)
    run.read(A)
    run.meet_conflicts(B, A, 1)
    run.add_visits(B)
    run.add_visits(A)
    run.add_reads(A)
    return run


def opening_beside_writer() -> Run:
    """B opens shard 1 while A, the sole writer, commits and reads, and stays in shard 0."""
    run = Run(crowded=2)
    run.visit(A)
    run.read(A)
    run.meet_conflicts(B, A, 2)
    run.add_visits(A)
    run.add_reads(A)
    return run


def closing() -> Run:
    """A closes shard 1 while B commits there."""
    run = Run(crowded=2)
    run.visit(A)
    run.meet_conflicts(B, A, 2)
    run.committers[B].finish()
    run.visit(A)
    run.read(A)
    run.idle()
    run.add_reads(A)
    run.add_visits(A)
    run.add_visits(B, 2)
    return run


def joining() -> Run:
    """Shard 1 is open and idle. A closes it while B moves there."""
    run = Run(crowded=1)
    run.visit(A)
    table = run.history.service.visit_table()
    table.open_shard(1, table.read(1))
    run.read(A)
    run.idle()
    run.meet_conflicts(B, A, 1)
    run.add_visits(A)
    run.add_reads(A)
    return run


def reopening() -> Run:
    """Shard 1 is closed. B re-opens it while A commits, becomes the sole writer and reads."""
    run = Run(crowded=3)
    run.visit(A)
    table = run.history.service.visit_table()
    table.close_shard(1, table.open_shard(1, table.read(1)))
    run.read(A)
    table.touch(0)
    run.meet_conflicts(B, A, 3)
    run.add_visits(A)
    run.add_reads(A, 2)
    return run


def rereading() -> Run:
    """A has closed shard 1, where B was, and is the sole writer. C re-opens shard 1, and B commits there again."""
    run = Run(crowded=2, processes=3)
    run.visit(A)
    run.meet_conflicts(B, A, 2)
    run.committers[B].finish()
    run.visit(A)
    run.read(A)
    run.idle()
    run.visit(A)
    run.read(A)
    run.meet_conflicts(C, A, 2)
    run.add_visits(B)
    run.add_visits(A)
    return run


def coming_back() -> Run:
    """A walk finds A alone while it moves to shard 1, and misses a visit of B. A comes back from a closed shard."""
    run = Run(crowded=1)
    run.visit(B)
    run.meet_conflicts(A, B, 1)
    run.committers[A].step()
    run.read(A)
    run.read(A)
    run.visit(B)
    run.committers[A].finish()
    run.read(B)
    table = run.history.service.visit_table()
    table.close_shard(1, table.read(1))
    run.add_visits(A)
    run.add_visits(B)
    return run


# How often a thread may be interrupted, by scenario
SCENARIOS: Mapping[Callable[[], Run], int] = {
    new_processes: 1,
    opening: 1,
    opening_beside_writer: 2,
    closing: 1,
    joining: 1,
    reopening: 1,
    rereading: 1,
    coming_back: 1,
}


def try_schedules(scenario: Callable[[], Run], interruptions: int) -> int:
    """Run every schedule of the scenario, checking each. The number of them."""
    waiting: list[tuple[int, ...]] = [()]
    count = 0
    while waiting:
        count += 1
        run_schedule(scenario(), waiting.pop(), waiting, interruptions)
    return count


def run_schedule(run: Run, beginning: tuple[int, ...], waiting: list[tuple[int, ...]], interruptions: int) -> None:
    """Run the lanes in the order of `beginning`, then each as long as it can. Add other beginnings to `waiting`."""
    order: list[int] = []
    try:
        try:
            while ready := [number for number, lane in enumerate(run.lanes) if lane.can_step]:
                last = order[-1] if order else ready[0]
                is_in_task = run.lanes[last].is_in_task
                chosen = last if last in ready else ready[0]
                if len(order) < len(beginning):
                    chosen = beginning[len(order)]
                elif interruptions > 0 or not is_in_task:
                    waiting.extend((*order, number) for number in ready if number != chosen)
                if is_in_task and order and chosen != last:
                    interruptions -= 1
                run.lanes[chosen].step()
                order.append(chosen)
                run.check_beliefs()
        finally:
            run.history.teardown()
    except AssertionError as error:
        error.add_note("in this order: " + ", ".join(run.lanes[number].name for number in order))
        raise


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_real_classes_in_every_interleaving(scenario: Callable[[], Run], soak: bool, report: Report) -> None:
    schedules = try_schedules(scenario, SCENARIOS[scenario] + soak)
    assert schedules > 5, "the scenario leaves nothing to interleave"
    report(f"{schedules:,} schedules")


# The same with defects


def without_touch(method: str) -> Callable[[pytest.MonkeyPatch], None]:
    """The method does not change shard 0's ETag."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        original = getattr(Shards, method)

        def mutant(self: Shards, *arguments: int) -> object:
            with pytest.MonkeyPatch.context() as inner:
                inner.setattr(self, "_touch_first", lambda: None)
                return original(self, *arguments)

        patch.setattr(Shards, method, mutant)

    apply.__name__ = f"no_touch_in{method}"
    return apply


def open_shards_accepted(patch: pytest.MonkeyPatch) -> None:
    original = Shards._read_shards

    def mutant(self: Shards) -> None:
        epoch = self._epoch
        original(self)
        if self._own == 0:
            self._verified_epoch = epoch

    patch.setattr(Shards, "_read_shards", mutant)


def old_walk_accepted(patch: pytest.MonkeyPatch) -> None:
    original = Shards._read_shards

    def mutant(self: Shards) -> None:
        original(self)
        if self._verified_epoch >= 0:
            self._verified_epoch = self._epoch

    patch.setattr(Shards, "_read_shards", mutant)


def new_etag_accepted(patch: pytest.MonkeyPatch) -> None:
    def mutant(self: Shards, etag: str | None) -> None:
        self._first_etag = etag

    patch.setattr(Shards, "_see_first", mutant)


def closed_shard_not_reopened(patch: pytest.MonkeyPatch) -> None:
    original = VisitTable.open_shard

    def mutant(self: VisitTable, shard: int, state: ShardState) -> ShardState:
        return state if state.is_closed else original(self, shard, state)

    patch.setattr(VisitTable, "open_shard", mutant)


def closing_unconditional(patch: pytest.MonkeyPatch) -> None:
    original = VisitTable.close_shard

    def mutant(self: VisitTable, shard: int, state: ShardState) -> ShardState:
        return original(self, shard, self.read(shard))

    patch.setattr(VisitTable, "close_shard", mutant)


def one_read_trusted(patch: pytest.MonkeyPatch) -> None:
    def mutant(self: Shards) -> bool:
        expected = self._first_etag
        return self.is_sole_writer and self._table.read(0).etag in (expected, self._first_etag)

    patch.setattr(Shards, "_first_is_unchanged", mutant)


def move_ignored(patch: pytest.MonkeyPatch) -> None:
    original = Shards._move_to

    def mutant(self: Shards, shard: int, state: ShardState | None) -> None:
        epoch = self._epoch
        original(self, shard, state)
        self._epoch = epoch

    patch.setattr(Shards, "_move_to", mutant)


# Each with the scenario that shows it
DEFECTS: Mapping[Callable[[pytest.MonkeyPatch], None], Callable[[], Run]] = {
    without_touch("_read_own"): rereading,
    without_touch("_open"): opening,
    open_shards_accepted: opening_beside_writer,
    old_walk_accepted: reopening,
    new_etag_accepted: opening_beside_writer,
    closed_shard_not_reopened: reopening,
    closing_unconditional: closing,
    one_read_trusted: opening_beside_writer,
    move_ignored: coming_back,
}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_defect_is_found_in_some_interleaving(
    defect: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    defect(monkeypatch)
    scenario = DEFECTS[defect]
    with pytest.raises(AssertionError, match=r"after a reading|missing in a value|is not the sole writer"):
        try_schedules(scenario, SCENARIOS[scenario])
