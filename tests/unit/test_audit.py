from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from signin.counting.errors import StorageError
from signin.counting.rows import ADOPTED, ShardState
from signin.counting.table import MAX_VISITS
from signin.live.lease import BroadcastLease, Lease
from signin.operators.adopt import adopt
from signin.operators.audit import Audit, _repeated, audit
from signin.operators.repair import repair
from signin.visits.dimensions import DIMENSIONS
from signin.visits.history import History
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit, new_key
from tests.support.user_agents import FIREFOX_ON_WINDOWS, by

from .table_service import TableService, no_table, wrong_key

NOTHING_YET = ShardState(Statistics(), etag=None)
AT = datetime(2018, 7, 16, 9, 30, tzinfo=UTC)


def nothing() -> None:
    """Before a page, when nothing is to happen."""


def during_scan(service: TableService, happens: Callable[[], object]) -> None:
    """Let something happen before the rows of shard 00 are read in the table of two shards."""
    service.before_pages.extend([nothing] * 3 + [happens])


def audited(service: TableService) -> Audit:
    return audit(service.visit_table(), lambda rows: None)


def problems(service: TableService) -> list[str]:
    return list(audited(service).problems())


def table_of(service: TableService) -> list[list[str]]:
    return [line.split() for line in list(audited(service).table())[1:]]


def add(service: TableService, shard: int, count: int = 1) -> list[Visit]:
    """Commit visits to a shard."""
    table, visits = service.visit_table(), [Visit.now(by(FIREFOX_ON_WINDOWS)) for _ in range(count)]
    for start in range(0, count, MAX_VISITS):
        table.commit(shard, table.read(shard), visits[start : start + MAX_VISITS])
    return visits


@pytest.fixture
def service() -> TableService:
    """A table of two shards with three visits and two."""
    service = TableService()
    add(service, 0, 3)
    add(service, 1, 2)
    return service


def test_consistent_table_has_no_problems(service: TableService) -> None:
    assert problems(service) == []
    assert table_of(service) == [["00", "3", "3", "0"], ["01", "2", "2", "0"], ["total", "5", "5", "0"]]


def test_empty_table_has_no_problems() -> None:
    assert problems(TableService()) == []
    assert table_of(TableService()) == [["total", "0", "0", "0"]]


def record_in_the_sample(service: TableService, *numbers: int) -> None:
    for number in numbers:
        service.put("SignIn", f"{number}b0e9ac5-4eb5-4b5f-9e52-3f6a2f2b3c1d", at=AT, OS="iOS", Browser="Mobile Safari")


def adopt_all(service: TableService) -> None:
    adopt(service.visit_table(), lambda rows: None)


def test_columns_are_aligned(service: TableService) -> None:
    record_in_the_sample(service, *range(4))
    adopt_all(service)
    assert list(audited(service).table()) == [
        "shard     visits in rows    visits in stats row     drift",
        "00                     3                      3         0",
        "01                     2                      2         0",
        "adopted                4                      4         0",
        "total                  9                      9         0",
    ]


def test_rows_are_read_once_in_pages_of_1000(service: TableService) -> None:
    add(service, 0, 2500)
    advances: list[int] = []
    result = audit(service.visit_table(), advances.append)
    assert result.shards[0].total == sum(advances) - 2 == 2503
    assert max(advances) == 1000, "more than a page is kept in memory"
    of_shard = [query for query in service.queries if query == "PartitionKey eq '00'"]
    assert len(of_shard) == 1


def test_history_across_pages_is_recounted_exactly() -> None:
    """Intervals are dropped independently of the order of commits, so the audit drops the same ones as the shard."""
    service = TableService()
    table = service.visit_table()
    minutes = 60 * 24 * 3
    visits = [
        Visit(f"{at:%Y%m%dT%H%M%S.%fZ}-{number}", {"OS": "Linux", "Browser": "Firefox"}, at)
        for number in range(0, minutes, 2)
        for at in [datetime.fromtimestamp(1_795_000_000 + 60 * number, UTC)]
    ]
    visits.reverse()
    for start in range(0, len(visits), MAX_VISITS):
        table.commit(0, table.read(0), visits[start : start + MAX_VISITS])
    assert len(visits) > 2000
    assert problems(service) == []


def test_table_without_devices_has_no_problems(service: TableService) -> None:
    for (partition, key), (row, _) in list(service._rows.items()):
        properties = {name: value for name, value in row.items() if name not in ("Device", "ByDevice")}
        service.put(partition, key, **properties)
    assert problems(service) == []
    assert service.visit_table().read(0).statistics.counts["Device"] == {"Other": 3}
    during_scan(service, lambda: add(service, 0))
    assert problems(service) == []
    assert service.visit_table().read(0).statistics.counts["Device"] == {"Other": 3, "Desktop": 1}
    assert problems(service) == []


# Problems


def test_missing_row_is_drift_of_every_count(service: TableService) -> None:
    [visit] = add(service, 0)
    service.remove("00", visit.key)
    assert table_of(service) == [["00", "3", "4", "+1"], ["01", "2", "2", "0"], ["total", "5", "6", "+1"]]
    found = problems(service)
    assert found[:4] == [
        "shard 00, total: visits 3 in rows, 4 in stats row",
        "shard 00, by OS: Windows 3 in rows, 4 in stats row",
        "shard 00, by Browser: Firefox 3 in rows, 4 in stats row",
        "shard 00, by Device: Desktop 3 in rows, 4 in stats row",
    ]
    assert [line.partition(":")[0] for line in found[-3:]] == [
        "shard 00, history, minutes",
        "shard 00, history, hours",
        "shard 00, history, days",
    ]
    assert f"{visit.at:%Y-%m-%dT%H:%MZ}" in found[-3]


def test_uncounted_row_is_negative_drift(service: TableService) -> None:
    service.put("01", Visit.now().key, OS="iOS", Browser="Safari")
    assert table_of(service)[1] == ["01", "3", "2", "-1"]
    assert "shard 01, by OS: iOS 1 in rows, 0 in stats row" in problems(service)


def test_label_can_drift_without_total(service: TableService) -> None:
    [visit] = add(service, 0)
    labels: dict[str, Any] = dict(visit.labels)
    service.put("00", visit.key, **{**labels, "OS": "Linux"})
    assert problems(service) == ["shard 00, by OS: Linux 1 in rows, 0 in stats row; Windows 3 in rows, 4 in stats row"]
    service.put("00", visit.key, **{**labels, "Device": "Tablet"})
    assert problems(service) == [
        "shard 00, by Device: Desktop 3 in rows, 4 in stats row; Tablet 1 in rows, 0 in stats row"
    ]
    assert table_of(service)[0] == ["00", "4", "4", "0"]


def miscount(service: TableService, shard: int, resolution: str) -> None:
    """Add a visit to each interval of the shard's history, without a row."""
    head = service.visit_table().read(shard)
    series = head.statistics.history.series
    wrong = {interval: count + 1 for interval, count in series[resolution].items()}
    statistics = replace(head.statistics, history=History({**series, resolution: wrong}))
    service.visit_table().commit(shard, ShardState(statistics, head.etag), [])


def test_history_can_drift_alone() -> None:
    service = TableService()
    service.visit_table().commit(
        0, NOTHING_YET, [Visit(f"{AT:%Y%m%dT%H%M%S.%fZ}-1", {"OS": "Linux", "Browser": "Firefox"}, AT)]
    )
    miscount(service, 0, "hours")
    assert problems(service) == ["shard 00, history, hours: 2018-07-16T09:00Z 1 in rows, 2 in stats row"]


def test_first_five_differences_are_listed() -> None:
    service = TableService()
    table = service.visit_table()
    labels = {f"label {number}": 1 for number in range(9)}
    table.commit(0, ShardState(Statistics.from_counts(9, {"OS": labels, "Browser": {"Firefox": 9}}), etag=None), [])
    line = next(problem for problem in problems(service) if "by OS" in problem)
    assert line.count("in stats row") == 5
    assert line.endswith("; and 4 more")


def test_shard_beyond_a_gap_is_a_problem(service: TableService) -> None:
    add(service, 3, 4)
    assert problems(service) == [
        "shard 02 has no stats row, so the app does not read further; visits that it does not show: 4 (in 03)"
    ]


def test_shard_without_stats_row_is_a_problem(service: TableService) -> None:
    service.remove("00", "stats")
    assert table_of(service)[0] == ["00", "3", "0", "-3"]
    assert problems(service)[-1] == (
        "shard 00 has no stats row, so the app does not read further; visits that it does not show: 5 (in 00, 01)"
    )


def test_invalid_rows_are_listed(service: TableService) -> None:
    service.put("00", "0note", OS="Windows", Browser="Edge")
    service.put("01", "20269923T091500.000000Z-no-such-day", OS="Windows", Browser="Edge")
    service.put("01", Visit.now().key, OS=7, Browser="Edge")
    first, second = problems(service)
    assert first == "shard 00, rows that are not visits (1): 0note"
    assert second.startswith("shard 01, rows that are not visits (2): ")
    assert second.endswith("; 20269923T091500.000000Z-no-such-day")


def test_rows_in_unknown_partitions_are_a_problem(service: TableService) -> None:
    for key in ("a", "b"):
        service.put("O'Brien's", key)
    service.put("100", "a")
    assert problems(service) == [
        "partition 100 does not belong to the app; uncounted rows in it: 1",
        "partition O'Brien's does not belong to the app; uncounted rows in it: 2",
    ]


def test_sample_rows_are_a_problem_until_adopted(service: TableService) -> None:
    record_in_the_sample(service, *range(7))
    assert problems(service) == [
        "visits of the C# sample that are not counted: 7; run `python -m signin adopt` to count them"
    ]
    adopt_all(service)
    assert problems(service) == []
    assert table_of(service) == [
        ["00", "3", "3", "0"],
        ["01", "2", "2", "0"],
        ["adopted", "7", "7", "0"],
        ["total", "12", "12", "0"],
    ]


def test_new_sample_row_is_found_after_another_was_deleted(service: TableService) -> None:
    record_in_the_sample(service, 0, 1, 2)
    adopt_all(service)
    service.remove("SignIn", "1b0e9ac5-4eb5-4b5f-9e52-3f6a2f2b3c1d")
    record_in_the_sample(service, 7)
    [problem] = problems(service)
    assert problem.startswith("visits of the C# sample that are not counted: 1;")


def test_sample_rows_adopted_by_version_1_are_no_problem(service: TableService) -> None:
    record_in_the_sample(service, 0, 1, 2)
    adopt_all(service)
    for row in [row for row, _ in service._rows.values() if row["PartitionKey"] == "adopted"]:
        service.remove("adopted", row["RowKey"])
    table = service.visit_table()
    visit = Visit(
        f"0-SignIn-1b0e9ac5-4eb5-4b5f-9e52-3f6a2f2b3c1d-{AT:%Y%m%dT%H%M%S.%fZ}", {"OS": "iOS", "Browser": "Safari"}, AT
    )
    table.commit(0, table.read(0), [visit])
    assert problems(service) == [
        "visits of the C# sample that are not counted: 2; run `python -m signin adopt` to count them"
    ]
    adopt_all(service)
    assert problems(service) == []
    assert table_of(service)[0] == ["00", "4", "4", "0"]
    assert table_of(service)[2] == ["adopted", "2", "2", "0"]


def test_adopted_visits_are_behind_no_gap(service: TableService) -> None:
    record_in_the_sample(service, 0, 1)
    adopt_all(service)
    add(service, 3, 4)
    service.remove("00", "stats")
    assert problems(service)[-1] == (
        "shard 00 has no stats row, so the app does not read further; visits that it does not show: 9 (in 00, 01, 03)"
    )


def test_adopted_visits_can_drift(service: TableService) -> None:
    record_in_the_sample(service, 0, 1)
    adopt_all(service)
    [first, _] = service.visit_table().visits(ADOPTED)
    service.remove("adopted", first.key)
    assert table_of(service)[2] == ["adopted", "1", "2", "+1"]
    assert problems(service)[0] == "shard adopted, total: visits 1 in rows, 2 in stats row"
    service.remove("adopted", "stats")
    assert table_of(service)[2] == ["adopted", "1", "0", "-1"]


def test_closed_shard_has_no_problems(service: TableService) -> None:
    table = service.visit_table()
    table.close_shard(1, table.read(1))
    assert problems(service) == []
    assert table_of(service)[1] == ["01", "2", "2", "0"]


# Visits with two rows


def put_visit(service: TableService, shard: int, key: str | None, minutes: int = 0, seconds: int = 0) -> str:
    """Count a visit with this idempotency key some time after noon; its RowKey."""
    at = datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(minutes=minutes, seconds=seconds)
    visit = Visit.now(by(FIREFOX_ON_WINDOWS), key, at=at)
    table = service.visit_table()
    table.commit(shard, table.read(shard), [visit])
    return visit.key


@pytest.mark.parametrize("shard", [0, 1])
@pytest.mark.parametrize("minutes", [0, 1, 14])
def test_visit_with_two_rows_is_a_problem(shard: int, minutes: int) -> None:
    service = TableService()
    put_visit(service, 0, "some-key_of-a-page")
    put_visit(service, 0, "another")
    for _ in range(2):
        put_visit(service, 1, None)
    second = put_visit(service, shard, "some-key_of-a-page", minutes, seconds=7)
    assert problems(service) == [
        f"visits that have two rows, and so are counted twice (1): {second} in {shard:02}",
    ]
    assert not audited(service).needs_repair


def test_key_used_again_much_later_is_no_problem() -> None:
    service = TableService()
    put_visit(service, 0, "key")
    put_visit(service, 0, "another", minutes=14)
    put_visit(service, 1, "key", minutes=17)
    assert problems(service) == []


def test_first_five_visits_with_two_rows_are_listed() -> None:
    service = TableService()
    for seconds in range(2):
        for number in range(7):
            put_visit(service, number % 3, f"key-{number}", seconds=seconds)
    [problem] = problems(service)
    assert "(7): " in problem
    assert problem.count(" in 0") == 5
    assert problem.endswith("; and 2 more")


def test_deleted_second_row_is_mended_by_repair() -> None:
    service = TableService()
    put_visit(service, 0, "key")
    service.remove("00", put_visit(service, 0, "key", seconds=1))
    assert audited(service).needs_repair
    repair(service.visit_table(), lambda rows: None)
    assert problems(service) == []
    assert table_of(service)[0] == ["00", "1", "1", "0"]


def test_few_keys_are_kept_of_many_rows() -> None:
    """Of one visit a minute for two months, the search keeps the keys of a quarter of an hour."""
    began = datetime(2026, 11, 23, tzinfo=UTC)
    dates = (began + timedelta(minutes=minute) for minute in range(60 * 24 * 60))
    visits = (("", "00", Visit("", {"OS": "Linux", "Browser": "Firefox"}, at, idempotency_key=str(at))) for at in dates)
    tracemalloc.start()
    try:
        assert list(_repeated(visits)) == []
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


# Wrong clocks


@pytest.mark.parametrize("ahead", [timedelta(minutes=4), timedelta(minutes=61), timedelta(days=365)])
def test_visit_dated_ahead_is_no_drift(service: TableService, ahead: timedelta) -> None:
    at = datetime.now(UTC) + ahead
    table = service.visit_table()
    table.commit(0, table.read(0), [Visit(new_key(at), {"OS": "Linux", "Browser": "Firefox"}, at)])
    assert problems(service) == []
    add(service, 0)
    assert problems(service) == []
    assert audited(service).shards[0].total == 5


def test_visit_that_was_dated_ahead_is_no_drift_when_its_time_has_come() -> None:
    """An earlier version counted it in the history, this one does not."""
    for is_believed in (True, False):
        service = TableService()
        at = datetime.now(UTC) - timedelta(minutes=10)
        visit = Visit(new_key(at), {"OS": "Linux", "Browser": "Firefox"}, at)
        add(service, 0)
        history = service.visit_table().read(0).statistics.history
        service.visit_table().commit(0, service.visit_table().read(0), [visit])
        row, _ = service._rows["00", visit.key]
        service.put("00", visit.key, at=at - timedelta(minutes=61), **row)
        if not is_believed:
            state = service.visit_table().read(0)
            service.visit_table().commit(0, replace(state, statistics=replace(state.statistics, history=history)), [])
        assert problems(service) == []


def test_history_wiped_by_an_earlier_version_is_a_problem(service: TableService) -> None:
    """It dropped what is older than an hour before a visit that a wrong clock dated ahead."""
    wiped = History.of([datetime.now(UTC) + timedelta(days=365)])
    row = service.get_entity("00", "stats")
    service.put("00", "stats", **{**row, "History": wiped.dump()})
    assert [line.partition(":")[0] for line in problems(service)] == [
        "shard 00, history, minutes",
        "shard 00, history, hours",
        "shard 00, history, days",
    ]


# While the app is running. In a table of two shards the first three pages find the partitions.


@pytest.mark.parametrize("page", [1, 2])
def test_visit_during_scan_is_no_drift(page: int) -> None:
    service = TableService()
    add(service, 0, 1500)
    service.before_pages.extend([nothing] * (page + 1) + [lambda: add(service, 0)])
    assert problems(service) == []
    assert not service.before_pages
    [[_, rows, stats, drift], _] = table_of(service)
    assert (rows, stats, drift) == ("1,501", "1,501", "0")


def test_changed_stats_row_is_shown_as_range(service: TableService) -> None:
    during_scan(service, lambda: add(service, 0, 2))
    assert table_of(service)[0] == ["00", "5", "3-5", "0"]


def test_visit_inserted_before_scanned_rows_is_no_drift(service: TableService) -> None:
    """The stats row after the scan counts it, the scan does not."""
    later = TableService()
    table = later.visit_table()
    table.commit(0, ShardState(service.visit_table().read(0).statistics, None), [Visit.now(by(FIREFOX_ON_WINDOWS))])
    after = later.get_entity("00", "stats")
    during_scan(service, lambda: service.put("00", "stats", **after))
    assert table_of(service)[0] == ["00", "3", "3-4", "0"]


def test_missing_row_is_drift_while_visits_arrive(service: TableService) -> None:
    for visit in add(service, 0, 2):
        service.remove("00", visit.key)
    during_scan(service, lambda: add(service, 0))
    result = audited(service)
    assert result.shards[0].drift == 1, "5 visits were counted before the scan, which found 3 of them and a new one"
    assert [line.partition(":")[0] for line in result.problems()] == [
        "shard 00, total",
        *(f"shard 00, by {dimension.column}" for dimension in DIMENSIONS),
    ]


def test_surplus_row_is_drift_while_visits_arrive(service: TableService) -> None:
    for _ in range(2):
        service.put("00", Visit.now().key, OS="Windows", Browser="Firefox")
    during_scan(service, lambda: add(service, 0))
    assert audited(service).shards[0].drift == -2


def test_history_of_changed_shard_is_not_compared(service: TableService) -> None:
    miscount(service, 0, "days")
    assert [line for line in problems(service) if "history, days" in line]
    during_scan(service, lambda: add(service, 0))
    assert problems(service) == []


def test_shard_opened_during_scan_is_audited(service: TableService) -> None:
    service.before_pages.extend([nothing, nothing, lambda: add(service, 2, 4)])
    assert [line[0] for line in table_of(service)] == ["00", "01", "02", "total"]
    assert problems(service) == []


# Errors


@pytest.mark.parametrize("error", [no_table, wrong_key])
def test_unreadable_page_ends_the_audit(service: TableService, error: object) -> None:
    def fail() -> None:
        raise error()  # type: ignore[operator]

    service.before_pages.extend([nothing, fail])
    with pytest.raises(StorageError):
        audited(service)


def test_malformed_stats_row_ends_the_audit(service: TableService) -> None:
    service.put("01", "stats", Total="many")
    with pytest.raises(StorageError, match="the stats row of shard 01 is malformed"):
        audited(service)


def test_row_of_broadcast_lease_is_no_problem(service: TableService) -> None:
    add(service, 1)
    BroadcastLease(service.visit_table()).acquire(Lease(), seconds=1)
    assert not list(audited(service).problems())


# Rooms


def in_rooms(**visits: int) -> TableService:
    """A table with so many visits in the default counter ("lobby") and in these rooms."""
    service = TableService()
    for name, count in visits.items():
        table = service.visit_table().of_room("" if name == "lobby" else name)
        for _ in range(count):
            table.commit(0, table.read(0), [Visit.now(by(FIREFOX_ON_WINDOWS))])
        BroadcastLease(table).acquire(Lease(), 1.0)
    return service


def test_audit_counts_every_room() -> None:
    service = in_rooms(shop=2, lobby=1, keynote=3)
    assert problems(service) == []
    assert table_of(service) == [
        ["00", "1", "1", "0"],
        ["keynote-00", "3", "3", "0"],
        ["shop-00", "2", "2", "0"],
        ["total", "6", "6", "0"],
    ]


def test_audit_of_a_room_reads_its_shards_only() -> None:
    service = in_rooms(shop=2, lobby=1, keynote=3)
    service.put("strange", "1")
    result = audit(service.visit_table(), lambda rows: None, ["shop"])
    assert [line.split() for line in result.table()][1:] == [["shop-00", "2", "2", "0"], ["total", "2", "2", "0"]]
    assert list(result.problems()) == []
    assert problems(service) == ["partition strange does not belong to the app; uncounted rows in it: 1"]


def test_drift_in_a_room_is_found_there() -> None:
    service = in_rooms(shop=2, lobby=2)
    service.remove("shop-00", next(service.visit_table().of_room("shop").visits(0)).key)
    assert next(line.split(",")[0] for line in problems(service)) == "shard shop-00"
    assert audited(service).needs_repair
    assert not audit(service.visit_table(), lambda rows: None, [""]).needs_repair


def test_gap_in_a_room_hides_no_other_shard() -> None:
    service = in_rooms(lobby=1, shop=1)
    table = service.visit_table().of_room("shop")
    table.commit(2, table.read(2), [Visit.now()])
    assert problems(service) == [
        "shard shop-01 has no stats row, so the app does not read further; visits that it does not show: 1 (in shop-02)"
    ]


def test_key_in_two_rooms_is_two_visits() -> None:
    service = TableService()
    for room in ("", "shop"):
        table = service.visit_table().of_room(room)
        table.commit(0, table.read(0), [Visit.now(idempotency_key="a" * 32)])
    assert problems(service) == []


def test_visit_of_the_sample_may_be_adopted_in_a_room() -> None:
    service = in_rooms(lobby=1)
    record_in_the_sample(service, 1, 2)
    assert adopt(service.visit_table().of_room("shop"), lambda rows: None).adopted == 2
    assert problems(service) == []
    assert [line[0] for line in table_of(service)] == ["00", "shop-00", "shop-adopted", "total"]
