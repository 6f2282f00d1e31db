"""The visits table: one partition is a shard, and a shard counts itself.

    PartitionKey  RowKey                              properties
    "00"          "20261123T091500.123456Z-<random>"  OS, Browser, Device          one row per visit
    "00"          "0-SignIn-<guid>-20180716T…Z"       OS, Browser, Device          the same (see adopt.py)
    "00"          "stats"                             Total, ByOS, ByBrowser,      the sum of those rows
                                                      ByDevice, History,
                                                      sometimes EtagMismatch (see `VisitTable.touch_stats_row`)
    "broadcast"   "turn"                              At, Seconds, Told            see turns.py

A row of before devices were counted lacks Device or ByDevice; what it counts is of the device "Other".
Visits and the sum are written in one entity group transaction (at most 100 rows of one partition), fenced by
the stats row's etag: the sum is right at every instant, and nobody ever has to read the visits to know it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.data.tables import EdmType, EntityProperty, TableClient, TableEntity, TableErrorCode, UpdateMode
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from signin.identity.credential import Credential, IdentityError
from signin.visits.history import History
from signin.visits.statistics import Statistics
from signin.visits.user_agent import OTHER
from signin.visits.visit import Visit

TABLE_NAME = "SignInInfo"
STATISTICS_KEY = "stats"
MAX_VISITS = 99  # in one transaction: the service takes 100 operations, one is the stats row
MAX_SHARDS = 100  # two digits; some 10 busy shards already reach what a storage account can take

_PATIENCE: dict[str, Any] = {
    # The SDK would silently send a batch again after a 500 or 503 and an update after a lost reply, and so report a
    # commit that happened as one that failed. Whoever calls decides what to send again.
    "retry_total": 0,
    "connection_timeout": 2.0,  # seconds; both are 300 by default
    "read_timeout": 5.0,
}
_PAGE_SECONDS = 30.0  # the service itself takes up to 5 s for a page of rows
_PAGE_RETRIES = 4  # within some 10 s
_NO_CONNECTION = (NewConnectionError, ConnectTimeoutError)
_FENCE_MOVED = (
    TableErrorCode.ENTITY_ALREADY_EXISTS,
    TableErrorCode.UPDATE_CONDITION_NOT_SATISFIED,
    TableErrorCode.CONDITION_NOT_MET,
    TableErrorCode.RESOURCE_NOT_FOUND,
    TableErrorCode.ENTITY_NOT_FOUND,
)

_ADVICE: Mapping[str, str] = {
    "AuthorizationPermissionMismatch": "give the app's identity the role Storage Table Data Contributor on it",
    "AuthorizationFailure": "check the key in TableConnectionString, and the storage account's network rules",
    "KeyBasedAuthenticationNotPermitted": "it takes no keys: set TableConnectionString__tableServiceUri instead",
}
_OTHER_ADVICE = "check the key in TableConnectionString"

_TIME = re.compile(r"\d{8}T\d{6}\.\d{6}Z")

_Operation = tuple[str, TableEntity] | tuple[str, TableEntity, Mapping[str, Any]]


class StorageError(Exception):
    """Table Storage did not do what was asked; the message says why and what to do. It holds no secret."""


class NotSent(StorageError):
    """There was no connection, so nothing was asked."""


class OutcomeUnknown(StorageError):
    """The outcome of a request is not known: it may have happened, or may still happen."""


class EtagMismatch(StorageError):
    """The stats row is not at the expected etag: this attempt wrote nothing, and no late copy of it ever will.

    An earlier attempt at the same commit may be what moved it.
    """


class PermanentError(StorageError):
    """It will be the same however often it is asked: a wrong key, no permission, no such table, a malformed row."""


@dataclass(frozen=True, slots=True)
class ShardState:
    """The stats row of a shard as it stood at `etag`; an etag of None says that there is no such row yet."""

    statistics: Statistics
    etag: str | None


class VisitTable:
    """The table, a method per kind of request. Each sends one request (`open` two) and blocks until it is answered.

    Reading all there is, which only operators do, takes a request per partition (`partitions`) or 1,000 rows (`rows`).
    """

    def __init__(self, client: TableClient) -> None:
        self._client = client

    @classmethod
    def from_connection_string(cls, connection_string: str) -> VisitTable:
        """Raises ValueError for a malformed connection string. Sends nothing."""
        return cls(TableClient.from_connection_string(connection_string, TABLE_NAME, **_PATIENCE))

    @classmethod
    def from_url(cls, url: str, credential: Credential) -> VisitTable:
        """The table at the https url of an account's tables, by identity. Sends nothing."""
        return cls(TableClient(url, TABLE_NAME, credential=credential, **_PATIENCE))

    def read(self, shard: int) -> ShardState:
        """The shard's stats row. Raises StorageError."""
        row = self.row(partition(shard), STATISTICS_KEY)
        if row is None:
            return ShardState(Statistics(), etag=None)
        try:
            return ShardState(_statistics_of(row), etag=row.metadata["etag"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PermanentError(f"the stats row of shard {partition(shard)} is malformed: restore it") from error

    def holds(self, shard: int, visit: Visit) -> bool:
        """Whether the visit's row is in the shard. Raises StorageError."""
        return self.row(partition(shard), visit.key, select=["RowKey"]) is not None

    def row(self, partition_key: str, row_key: str, select: list[str] | None = None) -> TableEntity | None:
        """One row, or the selected properties of it; None where there is none. Raises StorageError."""
        try:
            return self._client.get_entity(partition_key, row_key, select=select)
        except Exception as error:
            if _is_missing_row(error):
                return None
            raise _storage_error(error) from error

    def write(self, row: TableEntity, etag: str | None) -> str:
        """Replace the row if it is still at the etag (None: if it does not exist); its new etag.

        Raises EtagMismatch or another StorageError.
        """
        try:
            if etag is None:
                return str(self._client.create_entity(row)["etag"])
            condition = MatchConditions.IfNotModified
            written = self._client.update_entity(row, mode=UpdateMode.REPLACE, etag=etag, match_condition=condition)
            return str(written["etag"])
        except ResourceExistsError as error:  # the SDK does not tell the code of a single insert's error
            raise EtagMismatch("another process has written the row") from error
        except Exception as error:
            raise _storage_error(error) from error

    def commit(self, shard: int, head: ShardState, visits: Sequence[Visit]) -> ShardState:
        """Add up to 99 visits and move the stats row on from `head`, all or nothing; the new head.

        Raises EtagMismatch, PermanentError, NotSent or OutcomeUnknown. After OutcomeUnknown the same call may be
        repeated: at most one of the attempts commits. If the first one did, the repetition raises EtagMismatch,
        whether it fails on a visit's row (409) or on the ETag (412).
        """
        statistics = head.statistics + Statistics.of(visits)
        operations = [
            *(("create", _visit_row(shard, visit)) for visit in visits),
            _write_statistics(shard, statistics, head.etag),
        ]
        try:
            return ShardState(statistics, etag=self._client.submit_transaction(operations)[-1]["etag"])
        except Exception as error:
            raise _storage_error(error) from error

    def open(self, shard: int) -> None:
        """Make sure that a shard exists, and let a process that commits to the first shard notice.

        Its next commit there meets another etag, so that a process without such a surprise knows that it is alone and
        need not look for other shards (see counter.py). May be repeated. Raises StorageError.
        """
        try:
            with suppress(ResourceExistsError):
                self._client.create_entity(_statistics_row(shard, Statistics()))
        except Exception as error:
            raise _storage_error(error) from error
        self.touch_stats_row(0)

    def touch_stats_row(self, shard: int) -> None:
        """Change the etag of a shard's stats row, whatever it is, and nothing that it counts. Raises StorageError.

        Whoever commits to the shard next has a conflict, and commits again.
        """
        row = {"PartitionKey": partition(shard), "RowKey": STATISTICS_KEY, "EtagMismatch": datetime.now(UTC)}
        try:
            self._client.update_entity(row, mode=UpdateMode.MERGE)
        except Exception as error:
            raise _storage_error(error) from error

    def partitions(self) -> Iterator[str]:
        """Every PartitionKey that has rows, in order. Raises StorageError."""
        query = "PartitionKey ge ''"
        while (row := next(self._query(query, results_per_page=1), None)) is not None:
            yield row["PartitionKey"]
            query = f"PartitionKey gt {_quoted(row['PartitionKey'])}"

    def visits(self, shard: int) -> Iterator[Visit | str]:
        """The visits of a shard, and the keys of rows that are not visits, in order of RowKey. Raises StorageError."""
        for row in self.rows(partition(shard)):
            if row["RowKey"] != STATISTICS_KEY:
                yield _visit_in(row)

    def rows(self, partition_key: str, prefix: str = "") -> Iterator[TableEntity]:
        """The rows of a partition whose RowKey begins with the prefix, in order of RowKey. Raises StorageError.

        Not a snapshot: of what is written meanwhile, some may be among them.
        """
        query = f"PartitionKey eq {_quoted(partition_key)}"
        if prefix:
            beyond = prefix[:-1] + chr(ord(prefix[-1]) + 1)
            query += f" and RowKey ge {_quoted(prefix)} and RowKey lt {_quoted(beyond)}"
        return self._query(query)

    def _query(self, query: str, results_per_page: int | None = None) -> Iterator[TableEntity]:
        # One page of thousands that fails must not end it all; and reading can do no harm when it is done twice.
        patience: dict[str, Any] = {"retry_total": _PAGE_RETRIES, "read_timeout": _PAGE_SECONDS}
        try:
            yield from self._client.query_entities(query, results_per_page=results_per_page, **patience)
        except Exception as error:
            raise _storage_error(error) from error


def partition(shard: int) -> str:
    """The PartitionKey of a shard."""
    return f"{shard:02}"


def _quoted(text: str) -> str:
    """The text as a literal of an OData filter."""
    return "'" + text.replace("'", "''") + "'"


def _visit_in(row: TableEntity) -> Visit | str:
    """The visit that the row records, or its key where it records none."""
    time = _TIME.search(row["RowKey"])
    os, browser, device = row.get("OS"), row.get("Browser"), row.get("Device", OTHER)
    if time is None or not (isinstance(os, str) and isinstance(browser, str) and isinstance(device, str)):
        return str(row["RowKey"])
    try:
        return Visit(row["RowKey"], os, browser, datetime.fromisoformat(time.group()), device)
    except ValueError:  # no such date
        return str(row["RowKey"])


def _visit_row(shard: int, visit: Visit) -> TableEntity:
    return TableEntity(
        PartitionKey=partition(shard),
        RowKey=visit.key,
        OS=visit.os,
        Browser=visit.browser,
        Device=visit.device,
    )


def _statistics_row(shard: int, statistics: Statistics) -> TableEntity:
    return TableEntity(
        PartitionKey=partition(shard),
        RowKey=STATISTICS_KEY,
        Total=EntityProperty(statistics.total, EdmType.INT64),  # a plain int goes as Int32
        # A property per label would pass Azurite and fail in Azure, which has rules for names and takes 252 of them.
        ByOS=json.dumps(dict(statistics.by_os)),
        ByBrowser=json.dumps(dict(statistics.by_browser)),
        ByDevice=json.dumps(dict(statistics.by_device)),
        History=statistics.history.dump(),
    )


def _write_statistics(shard: int, statistics: Statistics, etag: str | None) -> _Operation:
    row = _statistics_row(shard, statistics)
    if etag is None:
        return "create", row
    return (
        "update",
        row,
        {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified},
    )


def _statistics_of(row: TableEntity) -> Statistics:
    total = row["Total"].value
    return Statistics(
        total,
        json.loads(row["ByOS"]),
        json.loads(row["ByBrowser"]),
        json.loads(row["ByDevice"]) if "ByDevice" in row else {OTHER: total},
        History.load(row["History"]),
    )


def _is_missing_row(error: Exception) -> bool:
    return isinstance(error, ResourceNotFoundError) and _code(error) != TableErrorCode.TABLE_NOT_FOUND


def _code(error: Exception) -> str:
    """The service's name for what went wrong, which the SDK adds to the exceptions of azure-core; else their own."""
    code = getattr(error, "error_code", None)
    return code.value if isinstance(code, TableErrorCode) else str(code or type(error).__name__)


def _storage_error(error: Exception) -> StorageError:
    """What an exception of the SDK means for the request that raised it.

    Anything not told apart here is an OutcomeUnknown: a reply cut short is not even an AzureError.
    """
    if isinstance(error, IdentityError):
        return NotSent(f"Table Storage cannot be accessed: {error}")
    if isinstance(error, ServiceRequestError) and isinstance(error.inner_exception, _NO_CONNECTION):
        return NotSent("Table Storage cannot be reached: check that it runs and what TableConnectionString names")
    code = _code(error)
    if code == TableErrorCode.TABLE_NOT_FOUND:
        return PermanentError(f"the table {TABLE_NAME} does not exist: create it in the storage account")
    if code in _FENCE_MOVED:
        return EtagMismatch(f"other processes keep writing to the same shard ({code})")
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status in (401, 403) or isinstance(error, ClientAuthenticationError):
        return PermanentError(f"Table Storage refuses access ({code}): {_ADVICE.get(code, _OTHER_ADVICE)}")
    if status == 400:
        return PermanentError(f"Table Storage cannot do what it was asked ({code})")
    return OutcomeUnknown(f"Table Storage did not answer, or not clearly ({code})")
