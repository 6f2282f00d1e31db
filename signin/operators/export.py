"""Export the visits as CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from itertools import product
from typing import TextIO

from signin.counting.rows import ALL_SHARDS, rooms_of
from signin.counting.table import VisitTable
from signin.visits.dimensions import DIMENSIONS, OTHER


def header() -> list[str]:
    """The names of the columns: the time, and the dimensions."""
    return ["time", *(dimension.column.lower() for dimension in DIMENSIONS)]


def export(
    table: VisitTable, output: TextIO, advance: Callable[[int], None], rooms: Sequence[str] | None = None
) -> int:
    """Write the header and a line for each visit of these rooms, shard by shard; by default of all counters.

    With several counters each line ends with its room, which is empty for the default counter.

    The time is UTC with milliseconds, 2026-11-23T09:15:00.123Z. Returns the number of rows that were skipped because
    they are not visits. Calls `advance` with the number of rows read since the last call. Raises StorageError.
    """
    names = set(table.partition_keys())  # before the header: if this fails, nothing is written
    counters = [table.of_room(room) for room in rooms or rooms_of(names)]
    has_rooms = len(counters) > 1
    lines = csv.writer(output, lineterminator="\n")
    lines.writerow([*header(), *(["room"] if has_rooms else [])])
    skipped = 0
    for counter, shard in product(counters, ALL_SHARDS):
        for row in counter.visits(shard) if counter.partitions.of(shard) in names else ():
            if (visit := row.visit) is not None:
                time = visit.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
                labels = [visit.labels.get(dimension.column, OTHER) for dimension in DIMENSIONS]
                lines.writerow([time, *labels, *([counter.partitions.room] if has_rooms else [])])
            else:
                skipped += 1
            advance(1)
    return skipped
