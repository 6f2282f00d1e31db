"""Table Storage in memory, as strict as the service, with faults on demand."""

from __future__ import annotations

import copy
import itertools
import operator
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import requests
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.data.tables import TableClient, TableEntity, TableErrorCode, TableTransactionError, UpdateMode
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

from signin.counting.errors import EtagMismatch
from signin.counting.rows import ADOPTED, ALL_SHARDS, MAX_SHARDS, STATS_KEY, Partitions, room_of
from signin.counting.table import VisitTable
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from tests.support.audit import audit_rows

Reply = list[Mapping[str, Any]]


@dataclass(frozen=True)
class Operation:
    """One operation of a transaction: "create" or "update", the row, and the ETag that an update expects."""

    kind: str
    row: TableEntity
    etag: str | None


class Attempt:
    """A transaction on its way to the service."""

    def __init__(self, service: TableService, operations: Sequence[Operation]) -> None:
        self.service = service
        self.operations = operations

    @property
    def partition(self) -> str:
        """The PartitionKey of its rows."""
        return str(self.operations[0].row["PartitionKey"])

    def arrive(self) -> Reply:
        """Let the service carry it out. Raises the SDK's error if the service rejects it."""
        return self.service.carry_out(self.operations)


Fault = Callable[[Attempt], Reply]


class TableService:
    """The one table of an account, with the methods of a `TableClient`.

    The next fault of `faults` receives each transaction and decides whether it arrives and what the response is. If
    there is none, the transaction arrives and its response too. The next reads raise the errors of `read_errors`; None
    stands for a read that succeeds. Before each page of a query the next function of `before_pages` is called, which
    may write to the table or raise.

    A rejected transaction is reported by its first operation that fails, as the service does, or by the last one if
    `reports_last_failure` is set.
    """

    def __init__(self) -> None:
        self.faults: deque[Fault] = deque()
        self.reports_last_failure = False
        self.read_errors: deque[Exception | None] = deque()
        self.attempts: list[Attempt] = []
        self.reads: list[tuple[str, str]] = []
        self.writes = 0  # of single rows
        self.before_pages: deque[Callable[[], object]] = deque()
        self.queries: list[str] = []
        self.pages = 0
        self.late: list[Attempt] = []
        self.from_elsewhere: list[str] = []
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._changed_at: dict[str, datetime] = {}  # by ETag
        self._rows: dict[tuple[str, str], tuple[TableEntity, str]] = {}
        self._versions = itertools.count(1)
        self._lock = threading.Lock()

    def visit_table(self) -> VisitTable:
        """The app's view of this table."""
        return VisitTable(cast(TableClient, self))

    def to_another_process(self) -> TableService:
        """Another client of the same rows, with faults and counters of its own."""
        client = TableService()
        client._rows, client._versions, client._lock = self._rows, self._versions, self._lock
        client._changed_at, client.clock = self._changed_at, lambda: self.clock()
        return client

    def copy(self) -> TableService:
        """Another table with the same rows."""
        copied = self.to_another_process()
        copied._rows = dict(self._rows)
        return copied

    @property
    def requests(self) -> int:
        """How many requests were sent."""
        return len(self.reads) + len(self.attempts) + self.writes + self.pages

    # The methods of a TableClient

    def get_entity(self, partition_key: str, row_key: str, *, select: Sequence[str] | None = None) -> TableEntity:
        self.reads.append((partition_key, row_key))
        error = self.read_errors.popleft() if self.read_errors else None
        if error is not None:
            raise error
        with self._lock:
            if (partition_key, row_key) not in self._rows:
                raise sdk_error(ResourceNotFoundError("no such row"), 404, TableErrorCode.RESOURCE_NOT_FOUND)
            row, etag = self._rows[partition_key, row_key]
        return self._as_read(row, etag)

    def query_entities(
        self,
        query_filter: str,
        *,
        results_per_page: int | None = None,
        select: Sequence[str] | None = None,
        retry_total: int = 0,
        read_timeout: float,
    ) -> Iterator[TableEntity]:
        matches = _condition(query_filter)
        self.queries.append(query_filter)
        size = results_per_page or 1000
        last: tuple[str, str] | None = ("", "")
        while last is not None:
            if self.before_pages:
                self.before_pages.popleft()()
            self.pages += 1
            with self._lock:
                keys = sorted(key for key, (row, _) in self._rows.items() if key > last and matches(row))[:size]
                page = [self._as_read(*self._rows[key]) for key in keys]
            yield from page
            last = keys[-1] if len(keys) == size else None

    def submit_transaction(
        self, operations: Iterable[tuple[str, TableEntity] | tuple[str, TableEntity, Mapping[str, Any]]]
    ) -> Reply:
        attempt = Attempt(self, [_operation(*operation) for operation in copy.deepcopy(list(operations))])
        self.attempts.append(attempt)
        fault = self.faults.popleft() if self.faults else Attempt.arrive
        return fault(attempt)

    def create_entity(self, entity: TableEntity) -> Mapping[str, Any]:
        self.writes += 1
        key = (str(entity["PartitionKey"]), str(entity["RowKey"]))
        with self._lock:
            if key in self._rows:
                # The SDK sets no code on this error, unlike on every other one.
                raise sdk_error(ResourceExistsError("the row exists"), 409, None)
            self._rows[key] = (copy.deepcopy(entity), self._next_etag())
            return {"etag": self._rows[key][1]}

    def update_entity(
        self,
        entity: Mapping[str, Any],
        *,
        mode: UpdateMode,
        etag: str | None = None,
        match_condition: MatchConditions | None = None,
    ) -> Mapping[str, Any]:
        self.writes += 1
        assert (etag is None) == (match_condition is not MatchConditions.IfNotModified), "an ETag is sent as If-Match"
        assert etag or mode is UpdateMode.MERGE, "an update without an ETag may only merge"
        key = (str(entity["PartitionKey"]), str(entity["RowKey"]))
        with self._lock:
            if key not in self._rows:
                raise sdk_error(ResourceNotFoundError("no such row"), 404, TableErrorCode.RESOURCE_NOT_FOUND)
            row, present_etag = self._rows[key]
            if etag not in (None, present_etag):
                raise sdk_error(HttpResponseError("another ETag"), 412, TableErrorCode.UPDATE_CONDITION_NOT_SATISFIED)
            kept = row if mode is UpdateMode.MERGE else {}
            self._rows[key] = (TableEntity({**kept, **entity}), self._next_etag())
            return {"etag": self._rows[key][1]}

    def upsert_entity(self, entity: TableEntity, *, mode: UpdateMode) -> Mapping[str, Any]:
        self.writes += 1
        assert mode is UpdateMode.REPLACE, "a row is replaced as a whole"
        with self._lock:
            etag = self._next_etag()
            self._rows[str(entity["PartitionKey"]), str(entity["RowKey"])] = (copy.deepcopy(entity), etag)
            return {"etag": etag}

    def delete_entity(self, entity: TableEntity, *, etag: str, match_condition: MatchConditions) -> None:
        self.writes += 1
        assert match_condition is MatchConditions.IfNotModified, "an ETag is sent as If-Match"
        key = (str(entity["PartitionKey"]), str(entity["RowKey"]))
        with self._lock:
            if key not in self._rows:
                return  # so does the SDK
            if self._rows[key][1] != etag:
                raise sdk_error(HttpResponseError("another ETag"), 412, TableErrorCode.UPDATE_CONDITION_NOT_SATISFIED)
            del self._rows[key]

    def _next_etag(self) -> str:
        etag = f"W/\"datetime'{next(self._versions)}'\""
        self._changed_at[etag] = self.clock()
        return etag

    def _as_read(self, row: TableEntity, etag: str) -> TableEntity:
        timestamp = (row._metadata or {}).get("timestamp") or self._changed_at.get(etag)
        row = copy.deepcopy(row)
        row._metadata = {"etag": etag, "timestamp": timestamp}
        return row

    # Changes by other programs, and by operators

    def put(self, partition_key: str, row_key: str, *, at: datetime | None = None, **properties: Any) -> None:
        """Write a row, as another program or an operator does; `at` is its Timestamp."""
        row = TableEntity({**properties, "PartitionKey": partition_key, "RowKey": row_key})
        row._metadata = {"etag": None, "timestamp": at}
        with self._lock:
            self._rows[partition_key, row_key] = (row, self._next_etag())

    def remove(self, partition_key: str, row_key: str) -> None:
        """Delete a row, as an operator does."""
        with self._lock:
            del self._rows[partition_key, row_key]

    def recreate(self) -> None:
        """Delete all rows, as an operator does who deletes the table and creates it again. ETags stay unique."""
        with self._lock:
            self._rows.clear()

    # Transactions

    def carry_out(self, operations: Sequence[Operation]) -> Reply:
        """Carry out all operations, or none. Raises the SDK's error if one of them fails."""
        keys = [(str(operation.row["PartitionKey"]), str(operation.row["RowKey"])) for operation in operations]
        if not 1 <= len(operations) <= 100 or len({partition for partition, _ in keys}) > 1:
            raise _transaction_error(0, 400, TableErrorCode.INVALID_INPUT)
        if len(set(keys)) < len(keys):
            raise _transaction_error(0, 400, TableErrorCode.INVALID_DUPLICATE_ROW)
        with self._lock:
            order = -1 if self.reports_last_failure else 1
            for index, (key, operation) in list(enumerate(zip(keys, operations, strict=True)))[::order]:
                if operation.kind == "create":
                    if key in self._rows:
                        raise _transaction_error(index, 409, TableErrorCode.ENTITY_ALREADY_EXISTS)
                elif key not in self._rows:
                    raise _transaction_error(index, 404, TableErrorCode.RESOURCE_NOT_FOUND)
                elif self._rows[key][1] != operation.etag:
                    raise _transaction_error(index, 412, TableErrorCode.UPDATE_CONDITION_NOT_SATISFIED)
            # In which order the service sets the Timestamps of a transaction is not documented.
            etags = [self._next_etag() for _ in operations][::-1]
            for key, operation, etag in zip(keys, operations, etags, strict=True):
                self._rows[key] = (operation.row, etag)
        return [{"etag": etag} for etag in etags]

    def deliver_late(self) -> None:
        """Let the transactions of `delivered_late` arrive; their responses are lost."""
        while self.late:
            _arrive_without_response(self.late.pop(0))

    def commit_from_elsewhere(self, partition: str, visit: Visit | None = None) -> None:
        """Commit a visit to this shard as another process does, by the rules of `signin.counting.shards`."""
        table = self.to_another_process().visit_table().of_room(room_of(partition) or "")
        visit, name = visit or Visit.now(), partition.rpartition("-")[2]
        shard = ADOPTED if name == "adopted" else int(name)
        while visit.key not in self.from_elsewhere:
            with suppress(EtagMismatch):
                state = table.read(shard)
                if shard > 0:
                    if state.is_closed or not state.exists:
                        state = table.open_shard(shard, state)
                    table.touch(0)
                elif shard == ADOPTED:
                    state = replace(state, is_closed=True)  # as `adopt` creates it
                table.commit(shard, state, [visit])
                self.from_elsewhere.append(visit.key)

    # The content

    def rows(self) -> list[TableEntity]:
        """All rows."""
        with self._lock:
            return [row for row, _ in self._rows.values()]

    def visits(self) -> list[str]:
        """The keys of all visits in all shards."""
        return [row_key for _, row_key in self._rows if row_key != STATS_KEY]

    def shards(self, room: str = "") -> list[int]:
        """The numbers of the shards that the app opened for a counter."""
        partitions = Partitions(room)
        return [shard for shard in range(MAX_SHARDS) if (partitions.of(shard), STATS_KEY) in self._rows]

    def audited(self, room: str = "") -> Statistics:
        """The sum of all shards of a counter, checked by `audit_rows`; leaves out rows that are not the app's."""
        partitions = {Partitions(room).of(shard) for shard in ALL_SHARDS}
        rows = [
            row
            for row in self.rows()
            if row["PartitionKey"] in partitions and (row["RowKey"] == STATS_KEY or "OS" in row)
        ]
        return audit_rows(rows, self.visit_table().of_room(room)).statistics


# Faults, by their names in tests/support/faults.py


def arrives(attempt: Attempt) -> Reply:
    """Arrive, and return the response: no fault."""
    return attempt.arrive()


def closed_before(attempt: Attempt) -> Reply:
    """The connection breaks before the service has carried it out."""
    raise no_answer()


def closed_after(attempt: Attempt) -> Reply:
    """The connection breaks after the service has carried it out, or rejected it."""
    _arrive_without_response(attempt)
    raise no_answer()


def truncated(attempt: Attempt) -> Reply:
    """The reply ends in the middle, for which the SDK raises the error of its HTTP library."""
    _arrive_without_response(attempt)
    raise requests.exceptions.ChunkedEncodingError("IncompleteRead")


def error_after(attempt: Attempt) -> Reply:
    _arrive_without_response(attempt)
    raise sdk_error(HttpResponseError("timed out"), 500, TableErrorCode.OPERATION_TIMED_OUT)


def busy_before(attempt: Attempt) -> Reply:
    raise sdk_error(HttpResponseError("server busy"), 503, TableErrorCode.SERVER_BUSY)


def _arrive_without_response(attempt: Attempt) -> None:
    with suppress(TableTransactionError):
        attempt.arrive()


def delivered_late(attempt: Attempt) -> Reply:
    """It arrives at `deliver_late`, long after the connection broke."""
    attempt.service.late.append(attempt)
    raise no_answer()


def late_one_arrives_first(attempt: Attempt) -> Reply:
    attempt.service.deliver_late()
    return attempt.arrive()


def other_writer_first(attempt: Attempt) -> Reply:
    """Another process commits to the shard just before this arrives."""
    attempt.service.commit_from_elsewhere(attempt.partition)
    return attempt.arrive()


class Gate:
    """A fault that holds a transaction until the test opens the gate, and then applies another fault."""

    def __init__(self, then: Fault = arrives) -> None:
        self._then = then
        self._reached = threading.Event()
        self._opened = threading.Event()

    def __call__(self, attempt: Attempt) -> Reply:
        self._reached.set()
        assert self._opened.wait(10), "the gate was not opened"
        return self._then(attempt)

    def wait_until_reached(self) -> None:
        assert self._reached.wait(10), "no transaction was sent"

    def open(self) -> None:
        self._opened.set()


# Errors as the SDK raises them


def raising(make: Callable[[], Exception]) -> Fault:
    """A fault that raises this error."""

    def fault(attempt: Attempt) -> Reply:
        raise make()

    fault.__name__ = make.__name__
    return fault


def no_connection() -> Exception:
    connection = HTTPConnection("127.0.0.1")
    return ServiceRequestError("refused", error=NewConnectionError(connection, "Connection refused"))


def no_answer() -> Exception:
    return ServiceResponseError("Read timed out.")


def wrong_key() -> Exception:
    return sdk_error(ClientAuthenticationError("forbidden"), 403, TableErrorCode.AUTHENTICATION_FAILED)


def no_permission() -> Exception:
    # The SDK has no member of TableErrorCode for it, so that the code is text.
    return sdk_error(HttpResponseError("not with this permission"), 403, "AuthorizationPermissionMismatch")


def no_table() -> Exception:
    return sdk_error(ResourceNotFoundError("no table"), 404, TableErrorCode.TABLE_NOT_FOUND)


def table_is_being_deleted() -> Exception:
    return sdk_error(HttpResponseError("the table is being deleted"), 409, TableErrorCode.TABLE_BEING_DELETED)


def _transaction_error(index: int, status: int, code: TableErrorCode) -> Exception:
    # For a failed operation of a transaction the SDK sets the code as text, for other errors as a TableErrorCode.
    return sdk_error(TableTransactionError(message=f"{index}:{code.value}"), status, code.value)


def sdk_error(error: HttpResponseError, status: int, code: str | None) -> Exception:
    error.status_code = status
    error.error_code = code  # type: ignore[attr-defined]  # as the SDK does
    return error


_COMPARE: Mapping[str, Callable[[str, str], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
}
_COMPARISON = re.compile(r"(PartitionKey|RowKey|Key) (eq|gt|ge|lt) '((?:[^']|'')*)'")


def _condition(query_filter: str) -> Callable[[Mapping[str, Any]], bool]:
    """An OData filter of comparisons with keys, as a function of a row."""
    comparisons: list[tuple[str, str, str]] = []
    for text in query_filter.split(" and "):
        comparison = _COMPARISON.fullmatch(text)
        assert comparison, f"not a comparison with a key: {text}"
        comparisons.append((comparison[1], comparison[2], comparison[3].replace("''", "'")))

    def matches(row: Mapping[str, Any]) -> bool:
        return all(name in row and _COMPARE[how](row[name], value) for name, how, value in comparisons)

    return matches


def _operation(kind: str, row: TableEntity, options: Mapping[str, Any] | None = None) -> Operation:
    return Operation(kind, row, (options or {}).get("etag"))
