"""What the tests of open pages share: processes with the real classes, pages, and virtual time."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from azure.data.tables import TableClient

from signin.counting import shards as shards_module
from signin.counting.clock import ServiceClock
from signin.counting.errors import EtagMismatch
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from signin.live import here as here_module
from signin.live.here import Here
from signin.live.open_pages import NEW, Slot, SlotCounts
from signin.visits.visit import Visit

from .table_service import TableService

PERIOD = 300
LIFETIME = 1.2 * PERIOD
EPOCH = datetime(2026, 11, 23, tzinfo=UTC)


class Clock(ServiceClock):
    """The time of all processes, which the test moves."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds)


class Page:
    def __init__(self) -> None:
        self.slot: Slot = NEW
        self.read_at = self.reads_at = 0.0

    def has_read(self, slot: Slot, at: float) -> None:
        self.slot, self.read_at = slot, at
        self.reads_at = at + random.uniform(0.8, 1.0) * PERIOD


class Process:
    """What a process does for a counter, without its threads: a sign-in, a reading of /stats, and the broadcaster."""

    def __init__(self, service: TableService, clock: Clock) -> None:
        self.service = service.to_another_process()
        self._table = VisitTable(cast(TableClient, self.service), clock=clock)
        self._clock = clock
        self.shards = Shards(self._table, max_age=1.0)
        self.wakes = 0
        self.here = Here(self._table, self.shards, PERIOD, self._wake)

    def sign_in(self, page: Page) -> None:
        with self.here.opened(page.slot) as slot:
            assert slot is not None
            self._commit()
        page.has_read(slot, self._clock.seconds)
        self.here.exchange(without_pause=True)  # by the broadcaster, before it sends

    def read(self, page: Page | None = None) -> int:
        with self.here.opened(None if page is None else page.slot) as slot:
            self.shards.read_all()
            self.here.exchange()
        if page is not None and slot is not None:
            page.has_read(slot, self._clock.seconds)
        return self.here.here_now().pages

    @property
    def name(self) -> str:
        """The process in slots and rows."""
        return self.here._pages.process

    @property
    def due_at(self) -> float:
        """When the broadcaster's thread publishes."""
        due_in = self.here.due_in
        return math.inf if due_in is None else self._clock.seconds + due_in

    @property
    def requests(self) -> int:
        """The requests about open pages, touches among them. Visits are transactions."""
        return self.service.pages + self.service.writes

    def _wake(self) -> None:
        self.wakes += 1

    def _commit(self) -> None:
        while True:
            with suppress(EtagMismatch):
                state = self.shards.writable()
                visit = Visit.now(at=self._clock.now())
                try:
                    self.shards.committed(self._table.commit(self.shards.own, state, [visit]))
                except EtagMismatch:
                    self.shards.lost_race()
                else:
                    return


class World:
    """A table with one visit, and the clock of all processes."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.service = TableService()
        self.service.clock = self.clock.now
        self.service.commit_from_elsewhere("00")

    def process(self) -> Process:
        """A new process."""
        return Process(self.service, self.clock)

    def rows(self) -> dict[str, SlotCounts]:
        """What each process has published."""
        rows = [row for row in self.service.rows() if row["PartitionKey"] == "here"]
        return {row["RowKey"]: as_slots(row["Slots"]) for row in rows}


def as_slots(text: str) -> SlotCounts:
    return {int(second): count for second, count in json.loads(text).items()}


@contextmanager
def world() -> Iterator[World]:
    """A world whose clock is that of the real classes."""
    world = World()
    with pytest.MonkeyPatch.context() as monkeypatch:
        for module in (here_module, shards_module):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: world.clock.seconds))
        yield world
