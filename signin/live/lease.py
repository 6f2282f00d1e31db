"""The broadcast lease: for a counter one broadcast per interval, however many processes there are.

The processes agree through one row, written by If-Match: it records when the lease expires and which totals the last
broadcast covered. A process with something to send reads it, and then waits, acquires the lease, or finds that the
last broadcast covered everything. A process that dies while it holds the lease has not recorded what it sent; so after
the interval the next one sends it again.

The row has the PartitionKey `Partitions.lease` and the RowKey "turn", and its columns the names of version 1.0.0:

    At       when the lease was acquired, by its holder's clock (ISO 8601)
    Seconds  for how long
    Told     the totals that the last broadcast covered, by shard: {"0": 12, "1": 3}

Clocks have to agree within a part of the interval. A lease seems to have expired if its holder's clock is behind ours
by an interval; if it is ahead, we wait no longer than `Seconds`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from azure.data.tables import TableEntity

from signin.counting.shards import ShardTotals
from signin.counting.table import VisitTable
from signin.live.hub import MAX_RETRY_AFTER

LONGEST_INTERVAL = 3600.0  # seconds between broadcasts

_ROW_KEY = "turn"
_LONGEST = max(LONGEST_INTERVAL, MAX_RETRY_AFTER)  # seconds


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease as last read: when it expires, by `time.monotonic()`, and the totals that the last broadcast covered.

    The ETag is that of its row; None if there is none.
    """

    expires_at: float = float("-inf")
    sent: ShardTotals = field(default_factory=dict)
    etag: str | None = None

    @property
    def remaining(self) -> float:
        """The seconds until the lease may be acquired; not positive if it may be now."""
        return self.expires_at - time.monotonic()


class BroadcastLease:
    """The lease that all processes share, as this one knows it. For one thread."""

    def __init__(self, table: VisitTable) -> None:
        self._table = table
        self._etag: str | None = None
        self._expires_at = float("-inf")

    def read(self) -> Lease:
        """The lease that any process acquired last. Raises StorageError."""
        row = self._table.row(self._table.partitions.lease, _ROW_KEY)
        if row is None:
            return Lease()
        etag = str(row.metadata["etag"])
        try:
            remaining, sent = _parse(row)
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
            return Lease(etag=etag)  # the row was edited by hand; the next holder writes it anew
        if etag != self._etag:
            self._etag, self._expires_at = etag, time.monotonic() + remaining
        return Lease(self._expires_at, sent, etag)

    def acquire(self, last: Lease, seconds: float) -> Lease:
        """Acquire the lease for so many seconds, as the holder after `last`.

        Raises EtagMismatch if another process was faster, and StorageError.
        """
        return self._write(last.sent, seconds, last.etag)

    def record_sent(self, lease: Lease, sent: ShardTotals) -> None:
        """Record the totals that our broadcast covered, without extending the lease.

        Raises EtagMismatch if another process holds the lease by now, and StorageError.
        """
        self._write(sent, max(lease.remaining, 0.0), lease.etag)

    def _write(self, sent: ShardTotals, seconds: float, etag: str | None) -> Lease:
        expires_at = time.monotonic() + seconds
        row = TableEntity(
            PartitionKey=self._table.partitions.lease,
            RowKey=_ROW_KEY,
            At=datetime.now(UTC).isoformat(),
            Seconds=seconds,
            Told=json.dumps(dict(sent)),
        )
        self._etag = self._table.write(row, etag)
        self._expires_at = expires_at
        return Lease(expires_at, sent, self._etag)


def _parse(row: Mapping[str, Any]) -> tuple[float, ShardTotals]:
    """The remaining seconds and the totals that a row records. Raises many kinds of errors if it is malformed."""
    seconds = float(row["Seconds"])
    if not 0.0 <= seconds <= _LONGEST:
        raise ValueError(seconds)
    age = (datetime.now(UTC) - datetime.fromisoformat(row["At"])).total_seconds()
    sent = {int(shard): int(total) for shard, total in json.loads(row["Told"]).items()}
    # The time is by the other process's clock. If that is ahead of ours, we wait no longer than the lease lasts.
    return min(seconds, seconds - age), sent
