"""Bring the visits that the C# sample recorded into the counts, each once, however often this is run.

The sample wrote a row for each visit (PartitionKey "SignIn", RowKey a GUID, OS, Browser) and counted them all on each
visit. Such a row becomes a visit of the shard "adopted", to which no process of the app commits, under a key made of
the row alone. So a transaction with a visit that was adopted before fails as a whole: neither a second run, nor a
concurrent one, nor a request that arrives long after its sender was killed can count a visit again. At the end the ETag
of shard 0 is changed, so that running processes read the shard. The sample's rows stay as they are.
"""

from __future__ import annotations

import heapq
import itertools
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple, TypeVar, cast

from azure.data.tables import TableEntity

from signin.counting.errors import EtagMismatch, OutcomeUnknown, PermanentError, StorageError
from signin.counting.rows import ABSENT, ADOPTED, STATS_KEY, ShardState
from signin.counting.table import MAX_VISITS, VisitTable
from signin.visits.dimensions import DIMENSIONS, OTHER
from signin.visits.visit import Visit

T = TypeVar("T")

SAMPLE = "SignIn"  # the PartitionKey of its rows

_OLD_PREFIX = f"0-{SAMPLE}-"  # of the visits that version 1.0.0 adopted, into shard 0

_ATTEMPTS = 30  # at a batch
_FIRST_PAUSE = 0.05  # seconds
_LONGEST_PAUSE = 2.0


class Adoption(NamedTuple):
    """How many of the sample's rows this run adopted, and how many were adopted before."""

    adopted: int
    already_adopted: int

    @property
    def total(self) -> int:
        return self.adopted + self.already_adopted


def sample_visits(counters: Sequence[VisitTable]) -> Iterator[tuple[Visit, bool]]:
    """Each visit that the sample recorded, as the app counts it, and whether one of the counters has adopted it.

    Raises StorageError.

    Reads the sample's rows and the adopted ones, which are in the same order, from beginning to end.
    """
    adopted = heapq.merge(
        *(_guids(counter.rows(counter.partitions.of(ADOPTED))) for counter in counters),
        *(_guids(counter.rows(counter.partitions.of(0), _OLD_PREFIX)) for counter in counters),
    )
    latest = next(adopted, None)
    for row in counters[0].rows(SAMPLE):
        while latest is not None and latest < row["RowKey"]:
            latest = next(adopted, None)
        yield _visit(row), latest == row["RowKey"]


def adopt(table: VisitTable, advance: Callable[[int], None]) -> Adoption:
    """Adopt every visit that the counter has not adopted; `advance` receives the numbers of rows as they are processed.

    Raises StorageError. However a run ends, each visit has been adopted once or not at all; another run continues.
    """
    already_adopted = 0
    batch: list[Visit] = []
    adopter = _Adopter(table)
    for visit, is_adopted in sample_visits([table]):
        if is_adopted:
            already_adopted += 1
            advance(1)
            continue
        batch.append(visit)
        if len(batch) == MAX_VISITS:
            adopter.add(batch)
            advance(len(batch))
            batch = []
    adopter.add(batch)
    advance(len(batch))
    adoption = Adoption(adopter.adopted, already_adopted + adopter.already_adopted)
    if adoption.total:  # also if all were adopted before: that run may have been killed before this
        retried(lambda: _announce(table))
    return adoption


class _Adopter:
    """Adds visits to the shard "adopted", and keeps its state for as long as no concurrent run changes it."""

    def __init__(self, table: VisitTable) -> None:
        self._table = table
        self._state: ShardState | None = None
        self._has_mismatch = False  # the present visits met another ETag, or a row of one of them
        self._is_unanswered = False  # an attempt with the present visits got no answer
        self.adopted = 0
        self.already_adopted = 0

    def add(self, visits: Sequence[Visit]) -> None:
        """Add those of the visits that the shard does not hold yet. Raises StorageError."""
        if visits:
            self._has_mismatch = self._is_unanswered = False
            waiting = list(visits)
            retried(lambda: self._attempt(waiting))

    def _attempt(self, waiting: list[Visit]) -> None:
        if self._has_mismatch:
            self._take_out_adopted(waiting)
        if not waiting:
            return
        state = self._state or self._table.read(ADOPTED)
        self._state = None  # not known again until this attempt commits
        try:
            self._state = self._table.commit(ADOPTED, replace(state, is_closed=True), waiting)
        except EtagMismatch:
            self._has_mismatch = True
            raise
        except OutcomeUnknown:
            self._is_unanswered = True
            raise
        self.adopted += len(waiting)

    def _take_out_adopted(self, waiting: list[Visit]) -> None:
        """Remove the visits that the shard holds: this run's unanswered attempt, or another run, has committed them."""
        found = self._table.has_visits(ADOPTED, waiting)
        if self._is_unanswered and all(found):  # an attempt commits all of its visits or none
            self.adopted += len(found)
        else:
            self.already_adopted += sum(found)
        waiting[:] = [visit for visit, is_found in zip(waiting, found, strict=True) if not is_found]
        self._has_mismatch = self._is_unanswered = False  # no earlier attempt can commit any more


def _announce(table: VisitTable) -> None:
    """Change shard 0's ETag, so that running processes read the shards again."""
    with suppress(EtagMismatch):  # the app has counted visits
        table.open_shard(0, ABSENT)
    table.touch(0)


def retried(request: Callable[[], T]) -> T:
    """The result of the request: a bounded number of attempts, with growing pauses. Raises StorageError."""
    for attempt in itertools.count(1):
        try:
            return request()
        except StorageError as error:
            if isinstance(error, PermanentError) or attempt == _ATTEMPTS:
                raise
            # A mismatch means that another run has made progress.
            longest = _FIRST_PAUSE if isinstance(error, EtagMismatch) else _LONGEST_PAUSE
            time.sleep(random.uniform(0.0, min(_FIRST_PAUSE * 2**attempt, longest)))
    raise AssertionError  # not reached


def _guids(adopted: Iterable[TableEntity]) -> Iterator[str]:
    """The GUIDs in the keys of adopted visits."""
    for row in adopted:
        if row["RowKey"] != STATS_KEY:
            yield row["RowKey"].removeprefix(_OLD_PREFIX).rpartition("-")[0]


def _visit(row: TableEntity) -> Visit:
    at = cast(datetime, row.metadata["timestamp"])  # which the service sets on every row
    return Visit(f"{row['RowKey']}-{at:%Y%m%dT%H%M%S.%fZ}", _labels(row), at)


def _labels(row: TableEntity) -> dict[str, str]:
    """The labels by column: the sample stored families of ua-parser."""
    return {
        dimension.column: dimension.labels.get(_family(row.get(dimension.column)), OTHER) for dimension in DIMENSIONS
    }


def _family(stored: object) -> str:
    """The present name of a family: ua-parser used to name a Windows with its version ("Windows 10").

    "Windows Phone" and "Windows Mobile" are still names of their own.
    """
    return re.sub(r"^Windows (?!Phone|Mobile).*", "Windows", str(stored))
