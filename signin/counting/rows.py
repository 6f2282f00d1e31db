"""What the app stores in the table `SignInInfo`, and how it reads it back.

    PartitionKey  RowKey                              properties
    "00"          "20261123T091500.123456Z-<random>"  one row per visit: a label in the column of each dimension; Key,
                                                      the idempotency key of the client, if it sent one
    "00"          "stats"                             the sum of those rows: Total, a stats column for each dimension,
                                                      History; Closed, if the shard is closed; Touched, see
                                                      `VisitTable.touch`
    "adopted"     "<guid>-20180716T093000.123456Z"    as above: a visit of the C# sample, see operators/adopt.py
    "adopted"     "stats"                             as above
    "broadcast"   "turn"                              At, Seconds, Told: see live/lease.py
    "here"        "<process>"                         At, Slots: see live/here.py

A shard is one partition: "00" to "99", and "adopted". These are the partitions of the default counter; those of the
room "keynote" are "keynote-00" and so on, "keynote-adopted", "keynote-broadcast" and "keynote-here". Version 1.0.0
adopted visits into "00", with keys that begin with "0-SignIn-". A row that was written before a dimension was counted
lacks its column; its visits count as "Other".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from azure.data.tables import EdmType, EntityProperty, TableEntity

from signin.counting.errors import PermanentError
from signin.visits.dimensions import DIMENSIONS
from signin.visits.history import History
from signin.visits.statistics import Counts, Statistics
from signin.visits.visit import Visit

MAX_SHARDS = 100  # two digits; some 10 busy shards already reach what a storage account can take
ADOPTED = -1  # the shard that holds the C# sample's visits: no process of the app commits to it
ALL_SHARDS = (ADOPTED, *range(MAX_SHARDS))
STATS_KEY = "stats"  # the RowKey of a shard's stats row

_ROOM = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_PARTITION = re.compile(rf"(?:({_ROOM})-)?(?:\d\d|adopted|broadcast|here)", re.ASCII)
_TIME = re.compile(r"\d{8}T\d{6}\.\d{6}Z")


@dataclass(frozen=True, slots=True)
class Partitions:
    """The PartitionKeys of a counter: of a room, or of the default counter, whose name is ""."""

    room: str = ""

    def of(self, shard: int) -> str:
        """The PartitionKey of a shard."""
        return self._named("adopted" if shard == ADOPTED else f"{shard:02}")

    @property
    def lease(self) -> str:
        """The PartitionKey of the broadcast lease."""
        return self._named("broadcast")

    @property
    def here(self) -> str:
        """The PartitionKey of the rows in which processes publish how many pages are open."""
        return self._named("here")

    def _named(self, name: str) -> str:
        return f"{self.room}-{name}" if self.room else name


def is_room_name(name: str) -> bool:
    """Whether a room may have this name: lower-case letters and digits, with single hyphens between them."""
    return re.fullmatch(_ROOM, name) is not None


def room_of(partition_key: str) -> str | None:
    """The room that a partition belongs to, "" for the default counter; None if it belongs to no counter."""
    found = _PARTITION.fullmatch(partition_key)
    return found and (found[1] or "")


def rooms_of(partition_keys: Iterable[str]) -> list[str]:
    """The rooms that have partitions, in order, after the default counter, which is always there."""
    return sorted({"", *(room for key in partition_keys if (room := room_of(key)) is not None)})


@dataclass(frozen=True, slots=True)
class ShardState:
    """A shard's stats row as it stood at `etag`; an ETag of None means that there is no such row.

    `changed_at` is the Timestamp that the service set, if the row was read.
    """

    statistics: Statistics
    etag: str | None
    is_closed: bool = False
    changed_at: datetime | None = field(default=None, compare=False)

    @property
    def exists(self) -> bool:
        return self.etag is not None


ABSENT = ShardState(Statistics(), etag=None)


def visit_row(partition_key: str, visit: Visit) -> TableEntity:
    row = TableEntity(PartitionKey=partition_key, RowKey=visit.key, **visit.labels)
    if visit.idempotency_key is not None:
        row["Key"] = visit.idempotency_key
    return row


def visit_of(row: TableEntity) -> Visit | None:
    """The visit that a row records, or None if it does not record one."""
    time = _TIME.search(row["RowKey"])
    labels = {dimension.column: row[dimension.column] for dimension in DIMENSIONS if dimension.column in row}
    key = row.get("Key")
    if time is None or not labels or not all(isinstance(text, str) for text in (*labels.values(), key or "")):
        return None
    try:
        return Visit(row["RowKey"], labels, datetime.fromisoformat(time.group()), key)
    except ValueError:  # no such date
        return None


def stats_row(partition_key: str, statistics: Statistics, *, is_closed: bool = False) -> TableEntity:
    row = TableEntity(
        PartitionKey=partition_key,
        RowKey=STATS_KEY,
        Total=EntityProperty(statistics.total, EdmType.INT64),  # the SDK sends a plain int as Int32
        # A property per label would pass Azurite and fail in Azure, which has rules for names and takes 252 of them.
        **{dimension.stats_column: json.dumps(dict(statistics.counts[dimension.column])) for dimension in DIMENSIONS},
        History=statistics.history.dump(),
    )
    if is_closed:
        row["Closed"] = True
    return row


def state_of(row: TableEntity) -> ShardState:
    """The state that a stats row records. Raises PermanentError if the row is malformed."""
    try:
        counts = {
            dimension.column: _counts(row[dimension.stats_column])
            for dimension in DIMENSIONS
            if dimension.stats_column in row
        }
        total = row["Total"].value
        if total < 0:
            raise ValueError("the total is negative")
        statistics = Statistics.from_counts(total, counts, History.load(row["History"]))
        return ShardState(statistics, row.metadata["etag"], row.get("Closed") is True, row.metadata.get("timestamp"))
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise PermanentError(
            f"the stats row of shard {row['PartitionKey']} is malformed: run `python -m signin repair`"
        ) from error


def _counts(text: str) -> Counts:
    counts: Counts = json.loads(text)
    if not all(type(count) is int and count >= 0 for count in counts.values()):
        raise ValueError("a count is not a whole number")
    return counts
