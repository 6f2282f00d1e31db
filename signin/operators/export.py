"""Every visit as a line of CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import TextIO

from signin.counting.table import MAX_SHARDS, VisitTable, partition
from signin.visits.visit import Visit


def export(table: VisitTable, output: TextIO, advance: Callable[[int], None]) -> int:
    """Write the header `time,os,browser,device` and all visits, shard by shard; the number of rows that are not visits.

    The time is UTC with milliseconds, 2026-11-23T09:15:00.123Z. `advance` is told of each number of rows dealt with.
    Raises StorageError.
    """
    names = set(table.partitions())  # where that fails, there is not even a header
    lines = csv.writer(output, lineterminator="\n")
    lines.writerow(["time", "os", "browser", "device"])
    left_out = 0
    for shard in range(MAX_SHARDS):
        for row in table.visits(shard) if partition(shard) in names else ():
            if isinstance(row, Visit):
                time = row.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                lines.writerow([time, row.os, row.browser, row.device])
            else:
                left_out += 1
            advance(1)
    return left_out
