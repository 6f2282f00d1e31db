"""Whose turn it is to broadcast: for the app as a whole one broadcast per interval, however many processes there are.

The processes agree through one row, moved by If-Match: it says when the last turn was taken, and what the last
broadcast told. Whoever has something to tell reads it, and waits, takes the turn, or finds it told already. A process
that dies during its turn has not noted what it sent; so the next one, after the interval, sends it again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from azure.data.tables import TableEntity

from signin.counting.table import VisitTable
from signin.live.hub import MAX_RETRY_AFTER

LEASE_PARTITION = "broadcast"  # the PartitionKey
_KEY = "turn"

LONGEST_INTERVAL = 3600.0  # seconds between broadcasts
_LONGEST = max(LONGEST_INTERVAL, MAX_RETRY_AFTER)  # seconds

ShardTotals = Mapping[int, int]  # shard: visits


@dataclass(frozen=True, slots=True)
class Lease:
    """The last turn that was taken: until when, by `time.monotonic()`, and what had been told by then or in it."""

    over_at: float = float("-inf")
    sent: ShardTotals = field(default_factory=dict)
    etag: str | None = None

    @property
    def remaining(self) -> float:
        """The seconds until the next turn may be taken; negative where it might have been."""
        return self.over_at - time.monotonic()

    def covers(self, totals: ShardTotals) -> bool:
        """Whether every one of these visits was counted in a broadcast."""
        return all(self.sent.get(shard, 0) >= total for shard, total in totals.items())


class BroadcastLease:
    """The lease of all processes, as this one sees them."""

    def __init__(self, table: VisitTable) -> None:
        self._table = table
        self._etag: str | None = None
        self._over_at = float("-inf")

    def read(self) -> Lease:
        """The last turn that any process took. Raises StorageError."""
        row = self._table.row(LEASE_PARTITION, _KEY)
        if row is None:
            return Lease()
        etag = str(row.metadata["etag"])
        try:
            seconds, told = float(row["Seconds"]), dict(enumerate(map(int, json.loads(row["Told"]))))
            age = (datetime.now(UTC) - datetime.fromisoformat(row["At"])).total_seconds()
            if not 0.0 <= seconds <= _LONGEST:
                raise ValueError(seconds)
        except (KeyError, TypeError, ValueError):  # somebody has meddled with it; the next turn makes it right
            return Lease(etag=etag)
        if etag != self._etag:
            # The time is by the other process's clock. Where that is ahead of ours, we wait no longer than a turn.
            self._etag, self._over_at = etag, time.monotonic() + min(seconds, seconds - age)
        return Lease(self._over_at, told, etag)

    def acquire(self, last: Lease, seconds: float) -> Lease:
        """Take the turn that follows the last one, for so many seconds.

        Raises EtagMismatch where another process was faster, and StorageError.
        """
        return self._write(last.sent, seconds, last.etag)

    def record_sent(self, turn: Lease, told: ShardTotals) -> None:
        """Say what was told in our turn, which ends when it would have.

        Raises EtagMismatch where the next one has begun, and StorageError.
        """
        self._write(told, max(turn.remaining, 0.0), turn.etag)

    def _write(self, told: ShardTotals, seconds: float, etag: str | None) -> Lease:
        over_at = time.monotonic() + seconds
        row = TableEntity(
            PartitionKey=LEASE_PARTITION,
            RowKey=_KEY,
            At=datetime.now(UTC).isoformat(),
            Seconds=seconds,
            Told=json.dumps([told.get(shard, 0) for shard in range(max(told, default=-1) + 1)]),
        )
        self._etag = self._table.write(row, etag)
        self._over_at = over_at
        return Lease(over_at, told, self._etag)
