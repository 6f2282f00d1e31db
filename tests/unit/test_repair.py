from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any, cast

import pytest
from azure.data.tables import TableClient, TableEntity

from signin.counting.errors import PermanentError, StorageError
from signin.counting.rows import ADOPTED, Partitions, ShardState
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from signin.operators import adopt as adopt_module
from signin.operators.adopt import adopt
from signin.operators.audit import audit
from signin.operators.repair import ShardRepair, repair
from signin.visits.history import History
from signin.visits.statistics import Counts, Statistics
from signin.visits.visit import Visit, new_key
from tests.support.user_agents import FIREFOX_ON_WINDOWS, by

from .table_service import TableService, busy_before, no_answer, no_table

AT = datetime(2018, 7, 16, 9, 30, tzinfo=UTC)

Send = Callable[[], Any]
Handler = Callable[[int, Send], Any]


class Killed(BaseException):
    """The command is killed."""


class Wire:
    """A connection to the table on which `handler` decides about each request; a page has two rows."""

    def __init__(self, service: TableService, handler: Handler = lambda number, send: send()) -> None:
        self.requests = 0
        self.writes: list[int] = []  # the numbers of the requests that write
        self._service = service.to_another_process()
        self._handler = handler

    def table(self) -> VisitTable:
        return VisitTable(cast(TableClient, self))

    def get_entity(self, *arguments: Any, **options: Any) -> Any:
        return self._request(lambda: self._service.get_entity(*arguments, **options))

    def create_entity(self, *arguments: Any) -> Any:
        return self._request(lambda: self._service.create_entity(*arguments), writes=True)

    def update_entity(self, *arguments: Any, **options: Any) -> Any:
        return self._request(lambda: self._service.update_entity(*arguments, **options), writes=True)

    def query_entities(self, query: str, **options: Any) -> Iterator[TableEntity]:
        def before_page() -> None:
            self._service.before_pages.append(before_page)
            self._request(lambda: None)

        options["results_per_page"] = options.get("results_per_page") or 2
        self._service.before_pages.clear()
        self._service.before_pages.append(before_page)
        yield from self._service.query_entities(query, **options)

    def _request(self, send: Send, *, writes: bool = False) -> Any:
        self.requests += 1
        if writes:
            self.writes.append(self.requests)
        return self._handler(self.requests, send)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopt_module, "time", SimpleNamespace(sleep=lambda seconds: None))


def add(service: TableService, shard: int, number: int = 1) -> list[Visit]:
    table, visits = service.visit_table(), [Visit.now(by(FIREFOX_ON_WINDOWS)) for _ in range(number)]
    table.commit(shard, table.read(shard), visits)
    return visits


def run(service: TableService, handler: Handler = lambda number, send: send()) -> dict[int, ShardRepair]:
    return {one.shard: one for one in repair(Wire(service, handler).table(), lambda rows: None)}


def assert_right(service: TableService) -> Statistics:
    """Every shard counts its rows, also in its history, and none is left out."""
    result = audit(service.visit_table(), lambda rows: None)
    assert list(result.problems()) == []
    assert not result.needs_repair
    return service.audited()


@pytest.fixture
def service() -> TableService:
    return right_table()


def right_table() -> TableService:
    """A table of two open shards, a closed one, and adopted visits."""
    return _right_table().copy()


@cache
def _right_table() -> TableService:
    service = TableService()
    latest = datetime.now(UTC)

    def clock() -> datetime:
        """Each write takes a moment."""
        nonlocal latest
        latest = max(datetime.now(UTC), latest + timedelta(milliseconds=5))
        return latest

    service.clock = clock
    for shard in range(3):
        add(service, shard, 5)
    table = service.visit_table()
    table.close_shard(2, table.read(2))
    for number in range(3):
        service.put("SignIn", f"{number}b0e9ac5-4eb5-4b5f-9e52-3f6a2f2b3c1d", at=AT, OS="iOS", Browser="Mobile Safari")
    adopt(table, lambda rows: None)
    for number in range(3):
        service.remove("SignIn", f"{number}b0e9ac5-4eb5-4b5f-9e52-3f6a2f2b3c1d")
    assert_right(service)
    return service


def first_key(service: TableService, shard: int) -> str:
    return next(service.visit_table().visits(shard)).key


# Damage, by the shard that it is done to


def delete_row(service: TableService, shard: int) -> None:
    service.remove(Partitions().of(shard), first_key(service, shard))


def insert_rows(service: TableService, shard: int) -> None:
    for _ in range(4):
        service.put(Partitions().of(shard), Visit.now().key, OS="iOS", Browser="Safari", Device="Phone")


def change_label(service: TableService, shard: int) -> None:
    service.put(Partitions().of(shard), first_key(service, shard), OS="Linux", Browser="Edge", Device="Tablet")


def miscount(service: TableService, shard: int, **changes: Any) -> None:
    table = service.visit_table()
    state = table.read(shard)
    statistics = replace(state.statistics, **changes)
    table.commit(shard, ShardState(statistics, state.etag, state.is_closed), [])


def counts_with(service: TableService, shard: int, **changes: dict[str, int]) -> dict[str, Counts]:
    return {**service.visit_table().read(shard).statistics.counts, **changes}


def count_too_many(service: TableService, shard: int) -> None:
    miscount(service, shard, total=1000, counts=counts_with(service, shard, OS={"Windows": 600, "Linux": 400}))


def count_too_few(service: TableService, shard: int) -> None:
    miscount(service, shard, total=1, counts=counts_with(service, shard, Browser={}))


def wipe_history(service: TableService, shard: int) -> None:
    miscount(service, shard, history=History())


def break_row(service: TableService, shard: int) -> None:
    service.put(Partitions().of(shard), "stats", Total="many")


def break_json(service: TableService, shard: int) -> None:
    row = service.get_entity(Partitions().of(shard), "stats")
    service.put(Partitions().of(shard), "stats", **{**row, "ByBrowser": "{"})


def delete_stats_row(service: TableService, shard: int) -> None:
    service.remove(Partitions().of(shard), "stats")


def delete_shard(service: TableService, shard: int) -> None:
    for row in list(service.visit_table().rows(Partitions().of(shard))):
        service.remove(Partitions().of(shard), row["RowKey"])


DAMAGE = [
    delete_row,
    insert_rows,
    change_label,
    count_too_many,
    count_too_few,
    wipe_history,
    break_row,
    break_json,
    delete_stats_row,
]
SHARDS = [0, 1, 2, ADOPTED]


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("shard", SHARDS)
def test_repair_mends_damage(service: TableService, damage: Callable[[TableService, int], None], shard: int) -> None:
    damage(service, shard)
    with suppress(PermanentError):  # malformed
        assert audit(service.visit_table(), lambda rows: None).needs_repair
    repairs = run(service)
    assert [one for one, result in repairs.items() if result.is_changed] == [shard]
    assert assert_right(service).total == sum(result.after for result in repairs.values())
    state = service.visit_table().read(shard)
    assert state.is_closed or shard not in (2, ADOPTED)
    assert not state.is_closed or shard != 0
    assert not any(result.is_changed for result in run(service).values())


def test_right_table_is_left_as_it_is(service: TableService) -> None:
    before = {shard: service.visit_table().read(shard).statistics for shard in SHARDS}
    assert [(one.before, one.after, one.is_changed) for one in run(service).values()] == [
        (5, 5, False),
        (5, 5, False),
        (5, 5, False),
        (3, 3, False),
    ]
    assert {shard: service.visit_table().read(shard).statistics for shard in SHARDS} == before


def test_repair_reports_totals_before_and_after(service: TableService) -> None:
    delete_row(service, 0)
    break_row(service, 1)
    assert [(one.before, one.after, one.is_changed) for one in run(service).values()] == [
        (5, 4, True),
        (None, 5, True),
        (5, 5, False),
        (3, 3, False),
    ]


def test_gap_is_filled_with_closed_shards(service: TableService) -> None:
    delete_shard(service, 1)
    add(service, 4)
    assert audit(service.visit_table(), lambda rows: None).needs_repair
    run(service)
    assert assert_right(service).total == 5 + 5 + 1 + 3
    assert [state.is_closed for state in service.visit_table().read_all(range(5))] == [False, True, True, True, False]


def test_shard_0_is_opened_if_it_was_closed_by_hand(service: TableService) -> None:
    table = service.visit_table()
    table.close_shard(0, table.read(0))
    assert run(service)[0].is_changed
    assert not table.read(0).is_closed


def test_empty_table_needs_no_repair() -> None:
    service = TableService()
    assert run(service) == {}
    assert service.shards() == []


def test_table_with_adopted_visits_only_gets_a_shard_0(service: TableService) -> None:
    for shard in range(3):
        delete_shard(service, shard)
    assert run(service)[0].after == 0
    assert assert_right(service).total == 3


def test_history_wiped_by_a_wrong_clock_is_restored(service: TableService) -> None:
    ahead = datetime.now(UTC) + timedelta(days=365)
    wiped = History.of([ahead])
    visit = Visit(new_key(ahead), {"OS": "Linux", "Browser": "Firefox"}, ahead)
    table = service.visit_table()
    table.commit(0, table.read(0), [visit])
    assert_right(service)
    miscount(service, 0, history=wiped)
    run(service)
    history = assert_right(service).history.to_json(datetime.now(UTC))
    assert sum(history["hours"]["counts"]) == 15, "of 15 visits in three shards, and one of an unknown time"


# While the app is running


@pytest.mark.parametrize("change", [delete_row, insert_rows, change_label])
def test_running_process_shows_the_repaired_statistics(
    service: TableService, change: Callable[[TableService, int], None]
) -> None:
    for shard in (1, 2):
        table = service.visit_table()
        table.close_shard(shard, table.read(shard))
    process = Shards(service.visit_table(), max_age=0.0)
    process.committed(service.visit_table().commit(0, process.writable(), [Visit.now(by(FIREFOX_ON_WINDOWS))]))
    process.read_all()
    process.read_all()
    process.value()
    assert process.is_sole_writer
    change(service, 1)
    run(service)
    process.read_all()
    shown, right = process.value(), assert_right(service)
    assert (shown.total, shown.counts["OS"], shown.counts["Device"]) == (
        right.total,
        right.counts["OS"],
        right.counts["Device"],
    )


def test_process_that_reads_during_the_repair_reads_again(service: TableService) -> None:
    for shard in (1, 2):
        table = service.visit_table()
        table.close_shard(shard, table.read(shard))
    process = Shards(service.visit_table(), max_age=0.0)
    process.committed(service.visit_table().commit(0, process.writable(), []))
    insert_rows(service, 1)
    moment = number_of_requests(insert_rows, 1).writes[1]  # shard 0 is touched, shard 1 is not repaired yet

    def handler(number: int, send: Send) -> Any:
        if number == moment:
            process.lost_race()
            process.committed(service.visit_table().commit(0, process.writable(), []))
            process.read_all()
            assert process.is_sole_writer
        return send()

    run(service, handler)
    process.read_all()
    assert process.value().total == assert_right(service).total


def number_of_requests(damage: Callable[[TableService, int], None], shard: int) -> Wire:
    service = right_table()
    damage(service, shard)
    wire = Wire(service)
    repair(wire.table(), lambda rows: None)
    return wire


IN_SHARD_1 = [delete_row, insert_rows, count_too_few, break_row, delete_stats_row]


@pytest.mark.parametrize("damage", IN_SHARD_1)
def test_commit_at_any_moment_is_counted_once(damage: Callable[[TableService, int], None]) -> None:
    """A busy app commits to the damaged shard between any two requests of the repair."""
    for moment in range(1, number_of_requests(damage, 1).requests + 1):
        service = right_table()
        damage(service, 1)

        def handler(number: int, send: Send, service: TableService = service, moment: int = moment) -> Any:
            if number == moment:
                with suppress(PermanentError):  # nothing can be committed to a shard with a malformed stats row
                    service.commit_from_elsewhere("01")
            return send()

        run(service, handler)
        assert_right(service)


@pytest.mark.parametrize("damage", IN_SHARD_1)
@pytest.mark.parametrize("seed", range(20))
def test_busy_shard_is_repaired(damage: Callable[[TableService, int], None], seed: int) -> None:
    service, chance = right_table(), random.Random(seed)
    damage(service, 1)

    def handler(number: int, send: Send) -> Any:
        with suppress(PermanentError):
            while chance.random() < 0.4:
                service.commit_from_elsewhere(chance.choice(["00", "01", "01", "02"]))
        return send()

    run(service, handler)
    assert_right(service)


def test_rows_inserted_by_hand_before_a_commit_are_counted(service: TableService) -> None:
    """They are newer than the last commit. A visit during the scan does not hide them."""
    insert_rows(service, 0)
    at_rest = number_of_requests(insert_rows, 0)

    def handler(number: int, send: Send) -> Any:
        if at_rest.writes[0] + 2 < number <= at_rest.writes[1] - 2:  # after the touch was read, before the last reading
            service.commit_from_elsewhere("00")
        return send()

    run(service, handler)
    assert len(service.from_elsewhere) > 1
    assert assert_right(service).counts["OS"]["iOS"] == 4 + 3


def test_shard_that_never_rests_is_left_as_it_is(service: TableService) -> None:
    delete_row(service, 0)
    before = service.visit_table().read(0).statistics

    def handler(number: int, send: Send) -> Any:
        service.commit_from_elsewhere("00")
        return send()

    with pytest.raises(StorageError, match="other processes keep writing to shard 00"):
        run(service, handler)
    state = service.visit_table().read(0)
    assert state.statistics.total == before.total + len(service.from_elsewhere)


@pytest.mark.parametrize("damage", [delete_row, insert_rows, break_row, delete_stats_row])
def test_concurrent_repairs_do_not_correct_twice(damage: Callable[[TableService, int], None]) -> None:
    for moment in range(1, number_of_requests(damage, 1).requests + 1):
        service = right_table()
        damage(service, 1)

        def handler(number: int, send: Send, service: TableService = service, moment: int = moment) -> Any:
            if number == moment:
                run(service)
            return send()

        run(service, handler)
        assert_right(service)


# Faults


def lost(send: Send) -> Any:
    raise no_answer()


def answer_lost(send: Send) -> Any:
    with suppress(Exception):
        send()
    raise no_answer()


def refused(send: Send) -> Any:
    return busy_before(cast(Any, None))


@pytest.mark.parametrize("fault", [lost, answer_lost, refused])
@pytest.mark.parametrize("damage", IN_SHARD_1)
def test_fault_at_any_request_does_no_harm(
    damage: Callable[[TableService, int], None], fault: Callable[[Send], Any]
) -> None:
    for moment in range(1, number_of_requests(damage, 1).requests + 1):
        service = right_table()
        damage(service, 1)

        def handler(number: int, send: Send, moment: int = moment) -> Any:
            return fault(send) if number == moment else send()

        try:
            run(service, handler)
        except StorageError:  # a page, which the SDK has asked for five times
            run(service)
        assert_right(service)


@pytest.mark.parametrize("damage", IN_SHARD_1)
def test_write_that_arrives_late_does_no_harm(damage: Callable[[TableService, int], None]) -> None:
    wire = number_of_requests(damage, 1)
    for held in wire.writes:
        for delay in range(1, 12):
            service = right_table()
            damage(service, 1)
            late: list[Send] = []

            def handler(
                number: int, send: Send, held: int = held, due: int = held + delay, late: list[Send] = late
            ) -> Any:
                if number == held:
                    late.append(send)
                    raise no_answer()
                if number == due:
                    with suppress(Exception):
                        late.pop()()
                return send()

            run(service, handler)
            assert_right(service)


@pytest.mark.parametrize("damage", IN_SHARD_1)
def test_next_run_continues_after_a_kill(damage: Callable[[TableService, int], None]) -> None:
    for moment in range(1, number_of_requests(damage, 1).requests + 1):
        for arrives in (True, False):
            service = right_table()
            damage(service, 1)
            process = Shards(service.visit_table(), max_age=0.0)

            def handler(number: int, send: Send, moment: int = moment, arrives: bool = arrives) -> Any:
                if number == moment:
                    with suppress(Exception):
                        if arrives:
                            send()
                    raise Killed
                return send()

            with suppress(StorageError):
                process.read_all()
            with pytest.raises(Killed):
                run(service, handler)
            run(service)
            process.read_all()
            assert process.value().total == assert_right(service).total


def test_error_that_no_repetition_mends_ends_the_repair(service: TableService) -> None:
    def handler(number: int, send: Send) -> Any:
        raise no_table()

    with pytest.raises(PermanentError):
        run(service, handler)


def test_progress_counts_the_rows(service: TableService) -> None:
    advances: list[int] = []
    repair(service.visit_table(), advances.append)
    assert sum(advances) == 18


def test_rows_are_read_in_pages(service: TableService) -> None:
    for _ in range(30):
        add(service, 0, 99)
    advances: list[int] = []
    repair(service.visit_table(), advances.append)
    assert max(advances) == 1000
