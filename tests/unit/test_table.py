from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from azure.data.tables import EdmType, EntityProperty, TableEntity

from signin.counting.errors import EtagMismatch, NoEffect, OutcomeUnknown, PermanentError, StorageError
from signin.counting.rows import ABSENT, Partitions, ShardState, stats_row
from signin.counting.table import MAX_VISITS, VisitTable
from signin.telemetry.outage import with_notes
from signin.visits.dimensions import DIMENSIONS, Dimension
from signin.visits.history import RESOLUTIONS, History
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from tests.support.user_agents import FIREFOX_ON_WINDOWS, by
from tests.support.web_server import Response, WebServer, nothing_listening

from . import table_service
from .table_service import Fault, Reply, TableService, raising


def connection_string(url: str, key: str = "a2V5") -> str:
    return f"AccountName=account;AccountKey={key};TableEndpoint={url}/account"


def some_visits(count: int) -> list[Visit]:
    return [Visit.now(by(FIREFOX_ON_WINDOWS)) for _ in range(count)]


def test_partition_key_of_a_shard_has_two_digits() -> None:
    assert [Partitions().of(shard) for shard in (0, 7, 99)] == ["00", "07", "99"]


def test_absent_shard_is_empty_without_etag() -> None:
    assert TableService().visit_table().read(0) == ABSENT


def test_read_returns_the_committed_state() -> None:
    table = TableService().visit_table()
    first = table.commit(3, ABSENT, some_visits(2))
    second = table.commit(3, first, some_visits(MAX_VISITS))
    assert second.statistics.total == 2 + MAX_VISITS
    assert table.read(3) == second
    assert table.read(2) == ABSENT


def test_visit_is_in_the_shard_of_its_commit() -> None:
    table = TableService().visit_table()
    [visit] = some_visits(1)
    assert not table.has_visit(0, visit)
    table.commit(0, ABSENT, [visit])
    assert table.has_visit(0, visit)
    assert not table.has_visit(1, visit)


def test_transaction_ends_with_the_stats_row() -> None:
    service = TableService()
    visits = some_visits(2)
    state = service.visit_table().commit(0, ABSENT, visits)
    service.visit_table().commit(0, state, some_visits(1))
    opening, following = service.attempts
    assert [operation.kind for operation in opening.operations] == ["create", "create", "create"]
    assert [operation.row["RowKey"] for operation in opening.operations] == [visits[0].key, visits[1].key, "stats"]
    assert [(operation.kind, operation.etag) for operation in following.operations] == [
        ("create", None),
        ("update", state.etag),
    ]


def test_stats_row_has_a_64_bit_total_and_few_columns() -> None:
    service = TableService()
    service.visit_table().commit(
        0,
        ShardState(Statistics.from_counts(2**31, {"OS": {"iOS": 2**31}, "Browser": {"Safari": 2**31}}), None),
        some_visits(1),
    )
    row = service.attempts[0].operations[-1].row
    assert row["Total"] == EntityProperty(2**31 + 1, EdmType.INT64)
    columns = {dimension.stats_column for dimension in DIMENSIONS}
    assert {"ByOS", "ByBrowser", "ByDevice"} <= columns
    assert set(row) == {"PartitionKey", "RowKey", "Total", "History"} | columns


def test_commit_at_an_old_etag_changes_nothing() -> None:
    service = TableService()
    table = service.visit_table()
    table.commit(0, ABSENT, some_visits(1))
    for stale in (ABSENT, ShardState(Statistics(), etag='W/"another"')):
        with pytest.raises(EtagMismatch):
            table.commit(0, stale, some_visits(1))
    assert service.audited().total == 1


def test_repeated_commit_changes_nothing() -> None:
    service = TableService()
    table = service.visit_table()
    state = table.commit(0, ABSENT, some_visits(1))
    visits = some_visits(3)
    table.commit(0, state, visits)
    with pytest.raises(EtagMismatch, match="EntityAlreadyExists"):
        table.commit(0, state, visits)
    assert service.audited().total == 4


def reply_without_etags(attempt: table_service.Attempt) -> Reply:
    attempt.arrive()
    return []


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (table_service.closed_before, OutcomeUnknown),
        (table_service.closed_after, OutcomeUnknown),
        (table_service.truncated, OutcomeUnknown),
        (reply_without_etags, OutcomeUnknown),
        (table_service.busy_before, OutcomeUnknown),
        (table_service.error_after, OutcomeUnknown),
        (raising(table_service.no_connection), NoEffect),
        (raising(table_service.wrong_key), PermanentError),
        (raising(table_service.no_table), PermanentError),
        (raising(table_service.table_is_being_deleted), NoEffect),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_fault_raises_one_error(fault: Fault, error: type[StorageError]) -> None:
    service = TableService()
    service.faults.append(fault)
    with pytest.raises(StorageError) as raised:
        service.visit_table().commit(0, ABSENT, some_visits(1))
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


def test_error_code_is_only_in_a_note() -> None:
    service = TableService()
    service.read_errors.append(table_service.wrong_key())
    with pytest.raises(PermanentError) as raised:
        service.visit_table().read(0)
    assert str(raised.value) == "Table Storage refuses access: check the key in TableConnectionString"
    assert with_notes(raised.value) == f"{raised.value} (403 AuthenticationFailed)"


def test_missing_table_is_reported() -> None:
    service = TableService()
    service.read_errors.append(table_service.no_table())
    with pytest.raises(PermanentError, match="the table SignInInfo does not exist: create it"):
        service.visit_table().read(0)


def test_refused_connection_means_not_sent() -> None:
    with nothing_listening() as url:
        table = VisitTable.from_connection_string(connection_string(url))
        with pytest.raises(NoEffect, match="cannot be reached"):
            table.read(0)
        with pytest.raises(NoEffect, match="cannot be reached"):
            table.commit(0, ABSENT, some_visits(1))


def test_no_response_is_retried_by_the_sdk() -> None:
    cut = Response(202, b"--cut", {"Content-Type": "multipart/mixed; boundary=cut", "Content-Length": "5"})
    for response, error in [
        (Response(500), OutcomeUnknown),
        (Response(503, headers={"Retry-After": "0"}), OutcomeUnknown),
        (Response(429, headers={"Retry-After": "0"}), NoEffect),
        (None, OutcomeUnknown),
        (cut, OutcomeUnknown),
    ]:
        with WebServer(lambda request, response=response: response) as server:  # type: ignore[misc]
            table = VisitTable.from_connection_string(connection_string(server.url))
            with pytest.raises(error):
                table.commit(0, ABSENT, some_visits(1))
            assert len(server.requests) == 1


def test_malformed_key_is_a_permanent_error() -> None:
    """The SDK decodes the key when it signs a request, so nothing was sent, and a repetition would fail too."""
    with WebServer(lambda request: Response()) as server:
        table = VisitTable.from_connection_string(connection_string(server.url, key="this is not base64!"))
        with pytest.raises(PermanentError, match="check the key in TableConnectionString") as raised:
            table.commit(0, ABSENT, some_visits(1))
        assert "base64!" not in str(raised.value)
        assert not server.requests


def test_message_does_not_contain_the_key() -> None:
    key = "c2VjcmV0IGtleQ=="
    with nothing_listening() as url, pytest.raises(StorageError) as raised:
        VisitTable.from_connection_string(connection_string(url, key)).read(0)
    assert key not in str(raised.value)


def test_scan_returns_the_committed_visits() -> None:
    table = TableService().visit_table()
    visits = some_visits(3)
    table.commit(0, ABSENT, visits)
    assert [row.visit for row in table.visits(0)] == visits


def test_idempotency_key_is_a_property_of_its_visit_only() -> None:
    service = TableService()
    visits = [*some_visits(1), Visit.now(by(FIREFOX_ON_WINDOWS), "a" * 32)]
    service.visit_table().commit(0, ABSENT, visits)
    assert [row.visit for row in service.visit_table().visits(0)] == visits
    assert [operation.row.get("Key") for operation in service.attempts[0].operations] == [None, "a" * 32, None]


def test_idempotency_key_is_found_by_one_query_per_shard() -> None:
    service = TableService()
    table = service.visit_table()
    visit = Visit.now(by(FIREFOX_ON_WINDOWS), "a" * 32)
    table.commit(2, ABSENT, [*some_visits(1), visit])
    minute = timedelta(minutes=1)
    assert table.has_idempotency_key([0, 1, 2], "a" * 32, visit.at)
    assert table.has_idempotency_key([2], "a" * 32, visit.at - minute)
    assert not table.has_idempotency_key([2], "a" * 32, visit.at + minute)
    assert not table.has_idempotency_key([0, 1], "a" * 32, visit.at)
    assert not table.has_idempotency_key([2], "b" * 32, visit.at)
    assert not table.has_idempotency_key([], "a" * 32, visit.at)
    assert service.queries[-1] == (
        f"PartitionKey eq '02' and RowKey ge '{visit.at:%Y%m%dT%H%M%S.%fZ}' and Key eq '{'b' * 32}'"
    )


def test_scan_returns_the_key_of_other_rows() -> None:
    service = TableService()
    key = Visit.now().key
    service.put("00", key, OS="iOS", Browser="Safari", Device=7)
    other = Visit.now().key
    service.put("00", other, OS="iOS", Browser="Safari", Key=7)
    without_labels = Visit.now().key
    service.put("00", without_labels, Text="call back")
    service.put("00", "a note", Text="call back")
    assert [(row.key, row.visit) for row in service.visit_table().visits(0)] == [
        (key, None),
        (other, None),
        (without_labels, None),
        ("a note", None),
    ]


def without(row: Mapping[str, Any], column: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != column}


def test_largest_stats_row_is_within_the_limits_of_the_service() -> None:
    """A string property may have 64 KB in UTF-16, a row 1 MB."""
    most = 2**63 - 1
    labels = {one.column: dict.fromkeys({*one.labels.values(), "Other"}, most) for one in DIMENSIONS}
    series = {name: dict.fromkeys(range(resolution.stored), most // 10**6) for name, resolution in RESOLUTIONS.items()}
    row = stats_row("00", Statistics.from_counts(most, labels, History(series)))
    sizes = {name: len(text.encode("utf-16-le")) for name, text in row.items() if isinstance(text, str)}
    assert max(sizes.values()) < 64 * 1024, sizes
    assert sum(sizes.values()) < 256 * 1024, sizes


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda dimension: dimension.column)
def test_rows_without_a_column_count_as_other(dimension: Dimension) -> None:
    """The rows were written before the dimension was counted."""
    service = TableService()
    table = service.visit_table()
    [visit] = some_visits(1)
    table.commit(0, ABSENT, [visit])
    service.put("00", visit.key, **without(service.get_entity("00", visit.key), dimension.column))
    service.put("00", "stats", **without(service.get_entity("00", "stats"), dimension.stats_column))
    state = table.read(0)
    [row] = table.visits(0)
    assert row.visit == replace(visit, labels=without(visit.labels, dimension.column))
    assert state.statistics == Statistics.of([row.visit])
    assert state.statistics.counts[dimension.column] == {"Other": 1}
    later = replace(Visit.now(), labels={dimension.column: "After"})
    after = table.commit(0, state, [later])
    assert after.statistics.counts[dimension.column] == {"Other": 1, "After": 1}
    assert table.read(0) == after
    assert after.statistics == Statistics.of([row.visit, later])


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda dimension: dimension.column)
def test_missing_counts_of_a_stats_row_are_other(dimension: Dimension) -> None:
    """During an upgrade an older version may add visits to the total without counting the dimension."""
    service = TableService()
    table = service.visit_table()
    table.commit(0, ABSENT, some_visits(2))
    row = service.get_entity("00", "stats")
    service.put("00", "stats", **{**row, dimension.stats_column: '{"iOS": 1}'})
    assert table.read(0).statistics.counts[dimension.column] == {"iOS": 1, "Other": 1}


NESTED = "[" * 100_000
COUNTS = [
    "[]",
    "7",
    "null",
    "{",
    NESTED,
    *(f'{{"iOS": {count}}}' for count in ('"many"', "-1", "0.5", "1e400", "true", "[1]")),
]
SERIES = [
    "[0]",
    "7",
    "[0, 7]",
    *(f"[{part}]" for part in ("Infinity, [1]", "0, [1e400]", '0, ["1"]', "-1, [1]", "0, [-1]")),
]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("Total", "many"),
        ("Total", EntityProperty(-1, EdmType.INT64)),
        *((DIMENSIONS[0].stats_column, text) for text in COUNTS),
        *(("History", text) for text in ("[]", "null", "{", NESTED)),
        *(("History", f'{{"minutes": {series}, "hours": [0, []], "days": [0, []]}}') for series in SERIES),
    ],
    ids=lambda value: str(value)[:40],
)
def test_malformed_stats_row_is_a_permanent_error(column: str, value: Any) -> None:
    service = TableService()
    service.visit_table().commit(0, ABSENT, some_visits(1))
    service.put("00", "stats", **{**service.get_entity("00", "stats"), column: value})
    with pytest.raises(PermanentError, match="the stats row of shard 00 is malformed"):
        service.visit_table().read(0)


def test_write_replaces_only_the_expected_version() -> None:
    table = TableService().visit_table()
    row = TableEntity(PartitionKey="p", RowKey="r", Text="first")
    etag = table.write(row, etag=None)
    with pytest.raises(EtagMismatch):
        table.write(row, etag=None)
    second = table.write(TableEntity(row, Text="second"), etag)
    with pytest.raises(EtagMismatch):
        table.write(row, etag)
    read = table.row("p", "r")
    assert read is not None
    assert (read["Text"], read.metadata["etag"]) == ("second", second)


def test_put_creates_or_replaces_a_row() -> None:
    table = TableService().visit_table()
    for text in ("first", "second"):
        table.put(TableEntity(PartitionKey="p", RowKey="r", Text=text))
        read = table.row("p", "r")
        assert read is not None
        assert read["Text"] == text


def test_delete_removes_only_the_version_that_was_read() -> None:
    table = TableService().visit_table()
    table.put(TableEntity(PartitionKey="p", RowKey="r"))
    [old] = table.rows("p")
    table.put(TableEntity(PartitionKey="p", RowKey="r"))
    with pytest.raises(EtagMismatch):
        table.delete(old)
    [present] = table.rows("p")
    for _ in range(2):  # also a row that another process has deleted
        table.delete(present)
    assert list(table.rows("p")) == []


def test_missing_row_is_none() -> None:
    assert TableService().visit_table().row("p", "r") is None


# Health


def test_check_changes_no_row() -> None:
    service = TableService()
    table = service.visit_table()
    table.commit(0, ABSENT, some_visits(1))
    before = [dict(row) for row in service.rows()]
    state = table.read(0)
    table.check()
    assert [dict(row) for row in service.rows()] == before
    assert table.read(0) == state, "the counting protocol relies on the ETag"


def test_check_writes_no_row_that_exists() -> None:
    service = TableService()
    service.put("health", "none", Note="of an operator")
    service.visit_table().check()
    assert [row.get("Note") for row in service.rows()] == ["of an operator"]


def test_check_fails_without_permission_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    service = TableService()

    def refuse(*arguments: object, **options: object) -> None:
        raise table_service.no_permission()

    monkeypatch.setattr(service, "update_entity", refuse)
    with pytest.raises(PermanentError, match="the shared access signature in TableConnectionString has to permit"):
        service.visit_table().check()


def test_check_fails_without_permission_to_read() -> None:
    service = TableService()
    service.read_errors.append(table_service.no_permission())
    with pytest.raises(PermanentError):
        service.visit_table().check()
