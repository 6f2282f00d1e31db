"""Export the visits as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import TextIO

from signin.counting.rows import ALL_SHARDS, partition
from signin.counting.table import VisitTable
from signin.visits.dimensions import DIMENSIONS, OTHER


def header() -> list[str]:
    """The names of the columns: the time, and the dimensions."""
    return ["time", *(dimension.column.lower() for dimension in DIMENSIONS)]


def export(table: VisitTable, output: TextIO, advance: Callable[[int], None]) -> int:
    """Write the header and a line for each visit, shard by shard.

    The time is UTC with milliseconds, 2026-11-23T09:15:00.123Z. Returns the number of rows that were skipped because
    they are not visits. Calls `advance` with the number of rows read since the last call. Raises StorageError.
    """
    names = set(table.partitions())  # before the header: if this fails, nothing is written
    lines = csv.writer(output, lineterminator="\n")
    lines.writerow(header())
    skipped = 0
    for shard in ALL_SHARDS:
        for row in table.visits(shard) if partition(shard) in names else ():
            if (visit := row.visit) is not None:
                time = visit.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                lines.writerow([time, *(visit.labels.get(dimension.column, OTHER) for dimension in DIMENSIONS)])
            else:
                skipped += 1
            advance(1)
    return skipped
