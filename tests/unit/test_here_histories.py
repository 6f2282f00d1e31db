"""How many pages are open, in random histories of pages and processes, by the real classes over a table in memory.

The table is as strict as the service, time is virtual, and a browser may send each request to any process.
"""

from __future__ import annotations

import math
import random
from contextlib import ExitStack
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from signin.live.open_pages import NEW

from .open_pages import LIFETIME, PERIOD, Page, Process, world

T = TypeVar("T")


class History(RuleBasedStateMachine):
    """Some pages, and some processes with an app each."""

    most_processes = 1

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self.world = self._stack.enter_context(world())
        self.clock = self.world.clock
        self.processes: list[Process] = []
        self.visible: list[Page] = []
        self.hidden: list[Page] = []
        self.crashed: list[Page] = []

    def teardown(self) -> None:
        self._stack.close()

    @initialize(processes=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
    def start(self, processes: int, seed: int) -> None:
        random.seed(seed)
        for _ in range(min(processes, self.most_processes)):
            self.processes.append(self.world.process())

    def process_for(self, page: Page) -> Process:
        """The process that the next request of the page reaches."""
        return random.choice(self.processes)

    @rule()
    def open_page(self) -> None:
        page = Page()
        self.process_for(page).sign_in(page)
        self.visible.append(page)

    @precondition(lambda self: self.visible)
    @rule(is_hidden=st.booleans())
    def close_or_hide_page(self, is_hidden: bool) -> None:
        page = taken(self.visible)
        self.process_for(page).here.closed(page.slot)
        page.slot = NEW
        if is_hidden:
            self.hidden.append(page)

    @precondition(lambda self: self.hidden)
    @rule()
    def show_page(self) -> None:
        page = taken(self.hidden)
        self.process_for(page).read(page)
        self.visible.append(page)

    @precondition(lambda self: self.visible)
    @rule()
    def crash_page(self) -> None:
        self.crashed.append(taken(self.visible))

    @rule(seconds=st.sampled_from([0.1, 3.0, 20.0, 90.0, 400.0]))
    def pass_time(self, seconds: float) -> None:
        """Each visible page reads within the period, and each process publishes when it is due."""
        end = self.clock.seconds + seconds
        while True:
            reading = min(self.visible, key=lambda page: page.reads_at, default=None)
            publishing = min(self.processes, key=lambda process: process.due_at)
            at = min(publishing.due_at, math.inf if reading is None else reading.reads_at)
            if at > end:
                break
            self.clock.seconds = max(self.clock.seconds, at)
            if at == publishing.due_at:
                publishing.here.exchange()
            elif reading is not None:
                self.process_for(reading).read(reading)
        self.clock.seconds = end


class OneProcess(History):
    @invariant()
    def number_is_exact(self) -> None:
        """A page that crashed is forgotten within 1.2 periods after its last reading, and not long before."""
        now = self.clock.seconds
        ages = [now - page.read_at for page in self.crashed]
        least = len(self.visible) + sum(age < LIFETIME - PERIOD / 30 for age in ages)
        most = len(self.visible) + sum(age < LIFETIME for age in ages)
        if self.processes:
            assert least <= self.processes[0].here.here_now().pages <= most

    @invariant()
    def nothing_is_sent(self) -> None:
        """But for one look when the process starts."""
        assert all(process.requests <= 1 for process in self.processes)
        assert self.world.rows() == {}


class SeveralProcesses(History):
    """The requests of a page reach any process, and processes start and end."""

    most_processes = 4
    crosses = False

    def process_for(self, page: Page) -> Process:
        others = [process for process in self.processes if process.name != page.slot.process]
        return random.choice(others or self.processes if self.crosses else self.processes)

    @precondition(lambda self: len(self.processes) < self.most_processes)
    @rule()
    def start_process(self) -> None:
        self.processes.append(self.world.process())

    @precondition(lambda self: len(self.processes) > 1)
    @rule(is_killed=st.booleans())
    def end_process(self, is_killed: bool) -> None:
        process = taken(self.processes)
        if not is_killed:
            process.here.close()

    @rule()
    def settle(self) -> None:
        """When pages have reached other processes, which then know of each other, one more reading is enough."""
        self.crosses = True
        self.pass_time(PERIOD)
        self.crosses = False
        self.pass_time(PERIOD)
        self.all_numbers_are_exact()

    def all_numbers_are_exact(self) -> None:
        self.pass_time(2.0)  # until all have published what they counted last
        self.crashed.clear()  # they are forgotten by now
        for process in self.processes:
            assert process.read() == len(self.visible), [page.slot for page in self.visible]


def taken(items: list[T]) -> T:
    """One of the items, removed from the list."""
    return items.pop(random.randrange(len(items)))


TestOneProcess = OneProcess.TestCase
TestSeveralProcesses = SeveralProcesses.TestCase
TestOneProcess.settings = TestSeveralProcesses.settings = settings(max_examples=50, stateful_step_count=20)
