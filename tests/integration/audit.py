"""What a storage account really holds, against what its shards say that it holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from azure.data.tables import TableClient, TableEntity

from local.emulators.azurite import Account
from signin.counting.table import STATISTICS_KEY, TABLE_NAME, VisitTable, partition
from signin.live.lease import LEASE_PARTITION
from signin.visits.statistics import Statistics


class Audited(NamedTuple):
    """All visits, counted row by row, and the partitions that they are in."""

    statistics: Statistics
    shards: Sequence[str]


def audit(account: Account) -> Audited:
    """Count all rows. Fails unless each shard counts its own visits exactly, and none is where readers do not look."""
    with TableClient.from_connection_string(account.connection_string, TABLE_NAME) as table:
        visits: defaultdict[str, list[TableEntity]] = defaultdict(list)
        for row in table.list_entities():
            in_shard = visits[row["PartitionKey"]]
            if row["RowKey"] != STATISTICS_KEY:
                in_shard.append(row)

    visits.pop(LEASE_PARTITION, None)  # what the broadcasters agree by
    assert sorted(visits) == [partition(shard) for shard in range(len(visits))], "the shards have a gap"
    keys = Counter(row["RowKey"] for rows in visits.values() for row in rows)
    assert all(times == 1 for times in keys.values()), f"visits in two shards: {keys.most_common(3)}"
    total = Statistics()
    for shard, rows in visits.items():
        counted = VisitTable.from_connection_string(account.connection_string).read(int(shard)).statistics
        assert counted.total == len(rows), f"shard {shard} counts {counted.total} visits and has {len(rows)}"
        assert counted.by_os == Counter(row["OS"] for row in rows), f"shard {shard} miscounts operating systems"
        assert counted.by_browser == Counter(row["Browser"] for row in rows), f"shard {shard} miscounts browsers"
        assert counted.by_device == Counter(row["Device"] for row in rows), f"shard {shard} miscounts devices"
        total += counted
    for counts in (total.by_os, total.by_browser, total.by_device):
        assert sum(counts.values()) == total.total
    return Audited(total, sorted(visits))
