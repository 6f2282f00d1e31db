"""The table, one method per kind of request. The formats are in `rows`, the meaning of an answer in `errors`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar, cast

from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient, TableEntity, UpdateMode
from urllib3 import Retry

from signin.counting.clock import ServiceClock
from signin.counting.errors import EtagMismatch, StorageError, is_missing_row, storage_error
from signin.counting.rows import ABSENT, STATS_KEY, Partitions, ShardState, state_of, stats_row, visit_of, visit_row
from signin.identity.credential import Credential
from signin.network.sessions import session
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit, key_prefix

TABLE_NAME = "SignInInfo"
MAX_VISITS = 99  # in one transaction: the service takes 100 operations, one is the stats row

_REQUEST_OPTIONS: dict[str, Any] = {
    # The SDK would silently send a batch again after a 500 or 503 and an update after a lost reply, and so report a
    # commit that happened as one that failed. The caller decides what to send again.
    "retry_total": 0,
    "connection_timeout": 2.0,  # seconds; both are 300 by default
    "read_timeout": 5.0,
}
# One page of thousands that fails must not end a scan, and to read a page twice does no harm. The retries take some
# 10 s; the service itself takes up to 5 s for a page of rows.
_PAGE_OPTIONS: dict[str, Any] = {"retry_total": 4, "read_timeout": 30.0}
_LOOKUP_OPTIONS: dict[str, Any] = {"read_timeout": 10.0}  # a client waits, and repeats a lookup that failed
_PARALLEL_READS = 16
# Kept open: those of the parallel reads, and of the committer and the broadcaster of each of some 20 rooms.
_CONNECTIONS = _PARALLEL_READS + 44
# An ETag is the time of the last write. The service refuses a malformed one (400), and there was no service in 2000.
_ETAG_OF_NO_ROW = "W/\"datetime'2000-01-01T00%3A00%3A00.0000000Z'\""
_NO_ECHO = {"response_preference": "return-no-content"}  # else the service returns each row that it inserts

A = TypeVar("A")
R = TypeVar("R")

_Operation = tuple[str, TableEntity] | tuple[str, TableEntity, Mapping[str, Any]]


class StoredVisit(NamedTuple):
    """A visit's row: its RowKey, the visit (None if the row is not one), and when the service stored it (UTC)."""

    key: str
    visit: Visit | None
    stored_at: datetime


class VisitTable:
    """The app's table, as one counter uses it: in partitions of its own.

    Each method sends one request, if its docstring names no other number, and blocks.

    Thread-safe. All methods raise StorageError.
    """

    def __init__(
        self,
        client: TableClient,
        readers: Executor | None = None,
        clock: ServiceClock | None = None,
        *,
        has_identity: bool = False,
        room: str = "",
    ) -> None:
        """`room` is the counter, "" for the default one.

        `readers` runs the parallel requests; its threads start when they are first needed.

        `clock` has to observe the client's responses. `has_identity`: the client sends tokens of the app's identity.
        """
        self.partitions = Partitions(room)
        self._client = client
        self._clock = clock or ServiceClock()
        self._has_identity = has_identity
        self._readers = readers or ThreadPoolExecutor(_PARALLEL_READS, thread_name_prefix="shard-reader")

    @classmethod
    def from_connection_string(cls, connection_string: str) -> VisitTable:
        """Raises ValueError for a malformed connection string. Sends nothing."""
        options = _client_options(clock := ServiceClock())
        return cls(TableClient.from_connection_string(connection_string, TABLE_NAME, **options), clock=clock)

    @classmethod
    def from_url(cls, url: str, credential: Credential) -> VisitTable:
        """The table at the https url of an account's tables, by identity. Sends nothing."""
        options = _client_options(clock := ServiceClock())
        client = TableClient(url, TABLE_NAME, credential=credential, **options)
        return cls(client, clock=clock, has_identity=True)

    def of_room(self, room: str) -> VisitTable:
        """The table as another counter uses it, by the same connections and threads."""
        return VisitTable(self._client, self._readers, self._clock, has_identity=self._has_identity, room=room)

    def now(self) -> datetime:
        """The current time (UTC), see `ServiceClock`. Sends nothing."""
        return self._clock.now()

    def check(self) -> None:
        """Check that the app may read and write, by two requests that change nothing.

        The write is an update at an ETag that no row has, of a row that does not exist: with the permission the answer
        is 404 (or 412, if there were the row), without it 403. The service authorises a request before it looks for the
        row: its front end does, before it forwards the request to the server of the partition (Calder et al., Windows
        Azure Storage, SOSP 2011, section 3); Azurite does the same. An update with If-Match creates no row
        (azure-sdk-for-java, issue 13680).
        """
        self.read(0)
        with suppress(EtagMismatch):
            self.write(TableEntity(PartitionKey="health", RowKey="none"), _ETAG_OF_NO_ROW)

    # Shards

    def read(self, shard: int) -> ShardState:
        """The shard's stats row."""
        row = self.row(self.partitions.of(shard), STATS_KEY)
        return ABSENT if row is None else state_of(row)

    def read_all(self, shards: Iterable[int]) -> list[ShardState]:
        """The stats rows of several shards, by parallel requests. They are not of one instant."""
        return self._parallel(self.read, shards)

    def has_visit(self, shard: int, visit: Visit) -> bool:
        """Whether the visit's row is in the shard."""
        return self.row(self.partitions.of(shard), visit.key, select=["RowKey"]) is not None

    def has_visits(self, shard: int, visits: Iterable[Visit]) -> list[bool]:
        """Whether each visit's row is in the shard, by parallel requests."""
        return self._parallel(lambda visit: self.has_visit(shard, visit), visits)

    def has_idempotency_key(self, shards: Iterable[int], key: str, since: datetime) -> bool:
        """Whether one of the shards has a visit with this idempotency key that is not older than `since` (UTC).

        Parallel requests, one for each shard, and more if the service takes longer than 5 s for its rows since then.
        """

        def is_in(shard: int) -> bool:
            query = f"PartitionKey eq {_quoted(self.partitions.of(shard))} and RowKey ge {_quoted(key_prefix(since))}"
            rows = self._query(f"{query} and Key eq {_quoted(key)}", select=["RowKey"], **_LOOKUP_OPTIONS)
            return next(rows, None) is not None

        return any(self._parallel(is_in, shards))

    def commit(self, shard: int, state: ShardState, visits: Sequence[Visit]) -> ShardState:
        """Add up to 99 visits to the shard, all or nothing, if its stats row is still at `state`; the new state.

        One entity group transaction writes the visits and their sum, so that the stats row is exact at every instant.
        Raises EtagMismatch, PermanentError, NoEffect or OutcomeUnknown. After OutcomeUnknown the same call may be
        repeated: at most one of the attempts commits. If the first one did, the repetition raises EtagMismatch,
        whether it fails on a visit's row (409) or on the ETag (412).
        """
        statistics = (state.statistics + Statistics.of(visits)).pruned(self.now())
        operations: list[_Operation] = [
            ("create", visit_row(self.partitions.of(shard), visit), _NO_ECHO) for visit in visits
        ]
        row = stats_row(self.partitions.of(shard), statistics, is_closed=state.is_closed)
        operations.append(("update", row, _if_match(state.etag)) if state.etag else ("create", row))
        try:
            return ShardState(statistics, self._client.submit_transaction(operations)[-1]["etag"], state.is_closed)
        except Exception as error:
            raise self._error(error) from error

    def open_shard(self, shard: int, state: ShardState) -> ShardState:
        """Create the shard's stats row, or re-open the closed shard, if it is still at `state`; the new state."""
        return ShardState(
            state.statistics, self.write(stats_row(self.partitions.of(shard), state.statistics), state.etag)
        )

    def close_shard(self, shard: int, state: ShardState) -> ShardState:
        """Close the shard, or create it closed, if it is still at `state`; the new state.

        A commit on its way to the shard comes first or fails.
        """
        etag = self.write(stats_row(self.partitions.of(shard), state.statistics, is_closed=True), state.etag)
        return ShardState(state.statistics, etag, is_closed=True)

    def touch(self, shard: int) -> None:
        """Change the ETag of the shard's stats row, whatever it is, and no count. The next commit there conflicts.

        May be repeated. Raises EtagMismatch if there is no such row.
        """
        row = {"PartitionKey": self.partitions.of(shard), "RowKey": STATS_KEY, "Touched": datetime.now(UTC)}
        try:
            self._client.update_entity(row, mode=UpdateMode.MERGE)
        except Exception as error:
            raise self._error(error) from error

    # Single rows

    def row(self, partition_key: str, row_key: str, select: list[str] | None = None) -> TableEntity | None:
        """One row, or the selected properties of it; None if there is no such row."""
        try:
            return self._client.get_entity(partition_key, row_key, select=select)
        except Exception as error:
            if is_missing_row(error):
                return None
            raise self._error(error) from error

    def write(self, row: TableEntity, etag: str | None) -> str:
        """Replace the row if it is still at the ETag, or create it if `etag` is None; its new ETag.

        Raises EtagMismatch if another process was faster.
        """
        try:
            if etag is None:
                return str(self._client.create_entity(row)["etag"])
            return str(self._client.update_entity(row, **_if_match(etag))["etag"])
        except ResourceExistsError as error:  # the SDK gives no error code for a single insert
            raise EtagMismatch("another process has written the row") from error
        except Exception as error:
            raise self._error(error) from error

    def put(self, row: TableEntity) -> None:
        """Create the row or replace it, whatever its ETag is. May be repeated."""
        try:
            self._client.upsert_entity(row, mode=UpdateMode.REPLACE)
        except Exception as error:
            raise self._error(error) from error

    def delete(self, row: TableEntity) -> None:
        """Delete a row as it was read, or that is not there any more. Raises EtagMismatch if it has changed since."""
        try:
            self._client.delete_entity(row, etag=row.metadata["etag"], match_condition=MatchConditions.IfNotModified)
        except Exception as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StorageError:
        return storage_error(error, TABLE_NAME, has_identity=self._has_identity)

    def _parallel(self, request: Callable[[A], R], arguments: Iterable[A]) -> list[R]:
        arguments = list(arguments)
        try:
            responses = [self._readers.submit(request, argument) for argument in arguments]
        except RuntimeError:  # the process is ending: the interpreter stops all pools before it runs `atexit` handlers
            return [request(argument) for argument in arguments]
        return [response.result() for response in responses]

    # Scans, for operators

    def partition_keys(self) -> Iterator[str]:
        """Every PartitionKey that has rows, in order, by a request each."""
        query = "PartitionKey ge ''"
        while (row := next(self._query(query, results_per_page=1, **_PAGE_OPTIONS), None)) is not None:
            yield row["PartitionKey"]
            query = f"PartitionKey gt {_quoted(row['PartitionKey'])}"

    def visits(self, shard: int) -> Iterator[StoredVisit]:
        """The rows of a shard but its stats row, in the order of RowKey."""
        for row in self.rows(self.partitions.of(shard)):
            if row["RowKey"] != STATS_KEY:
                stored_at = cast(datetime, row.metadata["timestamp"])  # which the service sets on every row
                yield StoredVisit(row["RowKey"], visit_of(row), stored_at)

    def rows(self, partition_key: str, prefix: str = "") -> Iterator[TableEntity]:
        """The rows of a partition whose RowKey begins with the prefix, in its order, by a request per 1,000 rows.

        Not a snapshot: rows that are written during the scan may be among them.
        """
        query = f"PartitionKey eq {_quoted(partition_key)}"
        if prefix:
            beyond = prefix[:-1] + chr(ord(prefix[-1]) + 1)
            query += f" and RowKey ge {_quoted(prefix)} and RowKey lt {_quoted(beyond)}"
        return self._query(query, **_PAGE_OPTIONS)

    def _query(self, query: str, **options: Any) -> Iterator[TableEntity]:
        try:
            yield from self._client.query_entities(query, **options)
        except Exception as error:
            raise self._error(error) from error


def _client_options(clock: ServiceClock) -> dict[str, Any]:
    no_retry = Retry(total=False, redirect=False, raise_on_status=False)  # as in the SDK's own transport
    transport = RequestsTransport(session=session(_CONNECTIONS, no_retry), **_REQUEST_OPTIONS)  # it has the timeouts
    return {**_REQUEST_OPTIONS, "transport": transport, "raw_response_hook": clock.observe}


def _if_match(etag: str) -> Mapping[str, Any]:
    return {"mode": UpdateMode.REPLACE, "etag": etag, "match_condition": MatchConditions.IfNotModified}


def _quoted(text: str) -> str:
    """The text as a literal of an OData filter."""
    return "'" + text.replace("'", "''") + "'"
