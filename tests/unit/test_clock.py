"""Several processes, on hosts whose clocks differ, count into one table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from types import SimpleNamespace
from typing import cast

import pytest
from azure.core.pipeline import PipelineResponse
from azure.data.tables import TableClient
from hypothesis import given
from hypothesis import strategies as st

from signin.counting import clock
from signin.counting.clock import ServiceClock
from signin.counting.errors import StorageError
from signin.counting.table import VisitTable
from signin.operators.audit import audit
from signin.visits.history import CLOCK_TOLERANCE
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit, new_key
from tests.support.web_server import Response, WebServer

from .table_service import TableService
from .test_table import connection_string

YEAR = timedelta(days=365)
WRONG = [timedelta(minutes=61), YEAR, -timedelta(minutes=61), -YEAR]


class World:
    """The true time, and by how much the clock of the host at work is off."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.off = timedelta()

    def respond(self, to: ServiceClock, headers: Mapping[str, str] | None = None) -> None:
        """A response of the service arrives."""
        headers = {"Date": format_datetime(self.now)} if headers is None else headers
        response = SimpleNamespace(http_response=SimpleNamespace(headers=headers))
        to.observe(cast(PipelineResponse[object, object], response))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(clock, "datetime", _host_time(world))
    return world


def _host_time(world: World) -> type[datetime]:
    class HostTime(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> HostTime:
            return cls.fromtimestamp((world.now + world.off).timestamp(), tz)

    return HostTime


@pytest.mark.parametrize("off", WRONG)
def test_wrong_clock_is_corrected_by_first_response(world: World, off: timedelta) -> None:
    world.off = off
    service_clock = ServiceClock()
    assert service_clock.now() == world.now + off
    world.respond(service_clock)
    assert service_clock.now() == world.now
    world.now += timedelta(minutes=3)
    assert service_clock.now() == world.now


@pytest.mark.parametrize("off", [timedelta(), timedelta(minutes=4), -timedelta(minutes=4)])
def test_clock_within_tolerance_is_believed(world: World, off: timedelta) -> None:
    """The Date is in whole seconds: a right clock is more exact."""
    world.off = off
    service_clock = ServiceClock()
    world.respond(service_clock)
    assert service_clock.now() == world.now + off


def test_clock_that_is_set_right_is_believed_again(world: World) -> None:
    service_clock = ServiceClock()
    for world.off in (YEAR, timedelta()):
        world.respond(service_clock)
        assert service_clock.now() == world.now


@pytest.mark.parametrize(
    "headers", [{}, {"Date": "yesterday"}, {"Date": ""}, {"Date": "Thu, 26 Nov 2026 21:00:00 -0000"}]
)
def test_response_without_a_valid_date_changes_nothing(world: World, headers: dict[str, str]) -> None:
    world.off = YEAR
    service_clock = ServiceClock()
    world.respond(service_clock)
    world.respond(service_clock, headers)
    assert service_clock.now() == world.now


def test_table_observes_responses_of_the_service(world: World) -> None:
    world.off = YEAR
    response = Response(503, headers={"Date": format_datetime(world.now, usegmt=True)})
    with WebServer(lambda request: response) as service:
        table = VisitTable.from_connection_string(connection_string(service.url))
        assert table.now() == world.now + YEAR
        with pytest.raises(StorageError):
            table.read(0)
        assert table.now() == world.now


class Process:
    """A process that counts visits into a shard, on a host whose clock is off."""

    def __init__(self, world: World, service: TableService, off: timedelta, shard: int = 0) -> None:
        self._world = world
        self._clock = ServiceClock()
        self._table = VisitTable(cast(TableClient, service), clock=self._clock)
        self._off = off
        self._shard = shard

    def count(self, *, before_any_response: bool = False) -> None:
        """Count a visit. The very first one is dated before any response has arrived."""
        self._world.off = self._off
        if not before_any_response:
            self._world.respond(self._clock)
        at = self._table.now()
        visit = Visit(new_key(at), {"OS": "Linux", "Browser": "Firefox"}, at)
        state = self._table.read(self._shard)
        self._world.respond(self._clock)
        self._table.commit(self._shard, state, [visit])

    def chart(self) -> dict[str, list[int]]:
        """The history that its visitors see, once it has read the table."""
        self._world.off = self._off
        self._world.respond(self._clock)
        states = self._table.read_all(range(3))
        statistics = sum((state.statistics for state in states), start=Statistics())
        return {name: series["counts"] for name, series in statistics.history.to_json(self._table.now()).items()}


@pytest.mark.parametrize("off", WRONG)
@pytest.mark.parametrize("shard", [0, 1])
def test_visit_of_a_wrong_clock_wipes_nothing(world: World, off: timedelta, shard: int) -> None:
    service = TableService()
    right, wrong = Process(world, service, timedelta()), Process(world, service, off, shard)
    right.count()
    before = right.chart()
    wrong.count(before_any_response=True)
    after = right.chart()
    assert all(new >= old for name in before for new, old in zip(after[name], before[name], strict=True))
    history = right._table.read(shard).statistics.history
    assert max(history.series["minutes"], default=0) * 60 <= (world.now + CLOCK_TOLERANCE).timestamp()
    assert len(history.dump()) < 16 * 1024
    right.count()
    assert right.chart()["minutes"][-1] == 2
    assert list(audit(right._table, lambda rows: None).problems()) == []


@pytest.mark.parametrize("off", WRONG)
def test_visits_of_a_wrong_clock_are_shown_by_every_process(world: World, off: timedelta) -> None:
    service = TableService()
    right, wrong = Process(world, service, timedelta()), Process(world, service, off)
    for _ in range(3):
        wrong.count()
        right.count()
        world.now += timedelta(minutes=1)
    assert wrong.chart() == right.chart()
    assert right.chart()["minutes"][-4:] == [2, 2, 2, 0]
    assert list(audit(right._table, lambda rows: None).problems()) == []


@given(
    st.lists(st.sampled_from([timedelta(), *WRONG, 2 * YEAR, -9 * YEAR]), min_size=1, max_size=5),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 600)), max_size=40),
)
def test_chart_is_the_same_as_with_right_clocks(offs: list[timedelta], steps: list[tuple[int, int]]) -> None:
    """Commits in any order, `seconds` apart, by processes in three shards with clocks that are off by up to years."""
    world = World()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(clock, "datetime", _host_time(world))
        service = TableService()
        processes = [Process(world, service, off, shard=number % 3) for number, off in enumerate(offs)]
        right = Process(world, TableService(), timedelta())
        world.now -= timedelta(seconds=sum(seconds for _, seconds in steps))
        for number, seconds in steps:
            world.now += timedelta(seconds=seconds)
            processes[number % len(processes)].count()
            right.count()
        for process in processes:
            assert process.chart() == right.chart()
