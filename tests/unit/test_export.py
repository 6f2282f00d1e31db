from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

from signin.counting.rows import ShardState
from signin.counting.table import MAX_VISITS
from signin.operators.adopt import adopt
from signin.operators.export import export, header
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit

from .table_service import TableService

HEADER = ["time", "os", "browser", "device"]

AT = datetime(2026, 11, 23, 9, 15, 0, 123999, tzinfo=UTC)


def visit(number: int, os: str = "Android", browser: str = "Samsung Internet", device: str = "Phone") -> Visit:
    at = AT + timedelta(seconds=number)
    return Visit(f"{at:%Y%m%dT%H%M%S.%fZ}-{number}", {"OS": os, "Browser": browser, "Device": device}, at)


def commit(service: TableService, shard: int, *visits: Visit) -> None:
    table = service.visit_table()
    for start in range(0, len(visits), MAX_VISITS):
        table.commit(shard, table.read(shard), visits[start : start + MAX_VISITS])


def exported(service: TableService) -> list[list[str]]:
    """The first columns of each line, which version 1.0.0 had."""
    output = io.StringIO()
    assert export(service.visit_table(), output, lambda rows: None) == 0
    return [line[: len(HEADER)] for line in csv.reader(output.getvalue().splitlines())]


def test_export_has_header_and_line_per_visit() -> None:
    service = TableService()
    commit(service, 0, visit(0), visit(1, "Windows", "Edge", "Desktop"))
    assert exported(service) == [
        HEADER,
        ["2026-11-23T09:15:00.123Z", "Android", "Samsung Internet", "Phone"],
        ["2026-11-23T09:15:01.123Z", "Windows", "Edge", "Desktop"],
    ]


def test_whole_second_is_written_with_milliseconds() -> None:
    service = TableService()
    commit(
        service,
        0,
        Visit(
            "20261123T091500.000000Z-1",
            {"OS": "iOS", "Browser": "Safari", "Device": "Tablet"},
            AT.replace(microsecond=0),
        ),
    )
    assert exported(service)[1] == ["2026-11-23T09:15:00.000Z", "iOS", "Safari", "Tablet"]


def test_table_without_visits_exports_only_header() -> None:
    service = TableService()
    service.visit_table().commit(0, ShardState(Statistics(), None), [])
    assert exported(service) == exported(TableService()) == [HEADER]


def test_shards_beyond_a_gap_are_exported() -> None:
    service = TableService()
    commit(service, 0, visit(5))
    commit(service, 1, visit(3))
    commit(service, 7, visit(4))
    assert [time[17:19] for time, *_ in exported(service)[1:]] == ["05", "03", "04"]


def test_visits_are_written_page_by_page() -> None:
    """No more than one page of rows is in memory."""
    service = TableService()
    commit(service, 0, *(visit(number) for number in range(3500)))
    written: list[int] = []
    output = io.StringIO()
    service.before_pages.extend([lambda: written.append(output.getvalue().count("\n"))] * 6)
    export(service.visit_table(), output, lambda rows: None)
    assert written == [0, 0, 1, 1001, 2001, 3001]


def test_sample_visits_are_exported_after_adoption() -> None:
    service = TableService()
    service.put("SignIn", "1b0e9ac5-4eb5-4b5f-9e52-3f6a2f2b3c1d", at=AT, OS="Windows 10", Browser="IE")
    assert exported(service) == [HEADER]
    adopt(service.visit_table(), lambda rows: None)
    assert exported(service)[1:] == [["2026-11-23T09:15:00.123Z", "Windows", "Internet Explorer", "Other"]]
    commit(service, 0, visit(1))
    assert [time[17:19] for time, *_ in exported(service)[1:]] == ["00", "01"]


def test_visit_without_device_is_exported_as_other() -> None:
    service = TableService()
    service.put("00", visit(0).key, OS="Windows", Browser="Edge")
    assert exported(service)[1:] == [["2026-11-23T09:15:00.123Z", "Windows", "Edge", "Other"]]


def test_commas_and_quotes_in_labels_are_escaped() -> None:
    service = TableService()
    service.put("00", visit(0).key, OS='a "quoted", label', Browser="Edge", Device="Desktop")
    assert exported(service)[1][1:] == ['a "quoted", label', "Edge", "Desktop"]


def test_invalid_rows_are_skipped_and_counted() -> None:
    service = TableService()
    commit(service, 0, visit(0))
    service.put("00", "0note", OS="Windows", Browser="Edge")
    service.put("00", visit(1).key, OS=7)
    output = io.StringIO()
    advances: list[int] = []
    assert export(service.visit_table(), output, advances.append) == 2
    assert output.getvalue().count("\n") == 2
    assert sum(advances) == 3


def test_export_of_rooms_names_the_room() -> None:
    service = TableService()
    for number, room in enumerate(["", "shop", "keynote"]):
        table = service.visit_table().of_room(room)
        table.commit(0, table.read(0), [visit(number)])
    output = io.StringIO()
    assert export(service.visit_table(), output, lambda rows: None) == 0
    lines = list(csv.reader(output.getvalue().splitlines()))
    assert lines[0] == [*header(), "room"]
    assert [(line[0], line[-1]) for line in lines[1:]] == [
        ("2026-11-23T09:15:00.123Z", ""),
        ("2026-11-23T09:15:02.123Z", "keynote"),
        ("2026-11-23T09:15:01.123Z", "shop"),
    ]
    output = io.StringIO()
    assert export(service.visit_table(), output, lambda rows: None, ["shop"]) == 0
    lines = list(csv.reader(output.getvalue().splitlines()))
    assert lines[0] == header()
    assert [line[0] for line in lines[1:]] == ["2026-11-23T09:15:01.123Z"]
