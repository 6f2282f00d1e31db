"""The visits that a table holds, counted row by row and checked against its stats rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from azure.data.tables import TableClient, TableEntity

from local.emulators.azurite import Account
from signin.counting.rows import ADOPTED, ALL_SHARDS, STATS_KEY, room_of
from signin.counting.table import TABLE_NAME, VisitTable
from signin.visits.dimensions import OTHER
from signin.visits.statistics import Statistics


class Audit(NamedTuple):
    """The sum of all visits, their keys, and the partitions that they are in."""

    statistics: Statistics
    keys: frozenset[str]
    shards: Sequence[str]


def audit(account: Account, room: str = "") -> Audit:
    """`audit_rows` for a counter in the table of an account."""
    return audit_rows(rows_of(account), VisitTable.from_connection_string(account.connection_string).of_room(room))


def rows_of(account: Account) -> list[TableEntity]:
    """All rows of the table of an account."""
    with TableClient.from_connection_string(account.connection_string, TABLE_NAME) as client:
        return list(client.list_entities())


def audit_rows(rows: Iterable[TableEntity], table: VisitTable) -> Audit:
    """Count all rows of the table's counter, to which nothing is being written.

    Fails if a partition belongs to no counter, if a shard does not count its own visits exactly, if the shards have a
    gap, where readers stop, or if a visit has two rows.
    """
    shards: defaultdict[str, list[TableEntity]] = defaultdict(list)
    partitions = table.partitions
    for row in rows:
        if room_of(row["PartitionKey"]) not in (partitions.room, None):
            continue
        in_shard = shards[row["PartitionKey"]]
        if row["RowKey"] != STATS_KEY:
            in_shard.append(row)
    for other in (partitions.lease, partitions.here):
        shards.pop(other, None)
    opened = sorted(shards.keys() - {partitions.of(ADOPTED)})
    assert opened == [partitions.of(shard) for shard in range(len(opened))], f"a gap in the shards {opened}"
    keys = Counter(row["RowKey"] for visits in shards.values() for row in visits)
    assert all(times == 1 for times in keys.values()), f"visits with two rows: {keys.most_common(3)}"
    total = Statistics()
    numbers = {partitions.of(shard): shard for shard in ALL_SHARDS}
    for shard, visits in shards.items():
        counted = table.read(numbers[shard]).statistics
        assert counted.total == len(visits), f"shard {shard} counts {counted.total} visits and has {len(visits)}"
        for column, counts in counted.counts.items():
            held = Counter(row.get(column, OTHER) for row in visits)
            assert counts == held, f"shard {shard} counts {counts} by {column} and has {held}"
        total += counted
    return Audit(total, frozenset(keys), sorted(shards))
