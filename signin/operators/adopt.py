"""Bring the visits that the C# sample recorded into the counts, each once, however often this is run.

The sample wrote a row for each visit (PartitionKey "SignIn", RowKey a GUID, OS, Browser) and counted them all on each
visit. Such a row becomes a visit of the first shard, under a key made of nothing but the row itself. So a transaction
with a visit that was adopted before fails as a whole: neither a second run, nor one at the same time, nor a request
that arrives long after its sender was killed can count a visit again. The sample's rows stay as they are.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple, cast

from azure.data.tables import TableEntity

from signin.counting.committer import CROWDED
from signin.counting.table import (
    MAX_VISITS,
    EtagMismatch,
    OutcomeUnknown,
    PermanentError,
    ShardState,
    StorageError,
    VisitTable,
    partition,
)
from signin.visits.user_agent import labels_of
from signin.visits.visit import Visit

SAMPLE = "SignIn"  # the PartitionKey of its rows

_SHARD = 0
# Before every other visit of the shard, whose key begins with a year. The GUID comes first and the time last, so that
# the adopted rows lie in the order of the sample's.
_PREFIX = f"0-{SAMPLE}-"

_READS_AT_ONCE = 16
_TRIES = 30  # in a row without success
_FIRST_PAUSE = 0.05  # seconds
_LONGEST_PAUSE = 2.0
_FENCE_MOVES = 2 * CROWDED
_BETWEEN_FENCE_MOVES = 0.025  # seconds


class Adoption(NamedTuple):
    """What became of the sample's rows."""

    adopted: int
    already_adopted: int

    @property
    def total(self) -> int:
        return self.adopted + self.already_adopted


def sample_visits(table: VisitTable) -> Iterator[tuple[Visit, bool]]:
    """Each visit that the sample recorded, as it is counted, and whether it has been adopted. Raises StorageError.

    Reads both the sample's rows and the adopted ones, which are in the same order, from beginning to end.
    """
    adopted = (_guid(row["RowKey"]) for row in table.rows(partition(_SHARD), _PREFIX))
    latest = next(adopted, None)
    for row in table.rows(SAMPLE):
        while latest is not None and latest < row["RowKey"]:
            latest = next(adopted, None)
        yield _visit(row), latest == row["RowKey"]


def adopt(table: VisitTable, advance: Callable[[int], None]) -> Adoption:
    """Adopt what has not been adopted; `advance` is told of each number of rows dealt with. Raises StorageError.

    Whenever it ends, each row has been adopted once or not at all, and another run goes on from there.
    """
    already_adopted = 0
    waiting: list[Visit] = []
    adopter = _Adopter(table)
    for visit, is_adopted in sample_visits(table):
        if is_adopted:
            already_adopted += 1
            advance(1)
            continue
        waiting.append(visit)
        if len(waiting) == MAX_VISITS:
            adopter.add(waiting)
            advance(len(waiting))
            waiting = []
    adopter.add(waiting)
    advance(len(waiting))
    return Adoption(adopter.adopted, already_adopted + adopter.already_adopted)


class _Adopter:
    """Adds visits to the shard; knows its stats row as long as nobody else writes to it."""

    def __init__(self, table: VisitTable) -> None:
        self._table = table
        self._head: ShardState | None = None
        self._is_unanswered = False  # whether a transaction with the present visits is
        self.adopted = 0
        self.already_adopted = 0

    def add(self, visits: Sequence[Visit]) -> None:
        """Add those of the visits that the shard does not hold yet. Raises StorageError.

        That the fence moved says either that the app counts in the same shard, as it well may, or that another run has
        adopted some of the visits, which takes a read for each to find out: so only every second try looks for that.
        A busy app is always quicker than we are: then the fence is moved under it, until it leaves the shard to us.
        """
        waiting = list(visits)
        tries, has_rival = 0, False
        self._is_unanswered = False
        while waiting:
            try:
                if tries > 0 and tries % 2 == 0 and (held := self._held(waiting)):
                    waiting = [visit for visit in waiting if visit not in held]
                    if self._is_unanswered:  # it was this run, for all that anybody knows
                        self.adopted += len(held)
                    else:
                        self.already_adopted += len(held)
                else:
                    if has_rival:
                        self._crowd_out()
                    self._commit(waiting)
                    self.adopted += len(waiting)
                    waiting = []
                tries, has_rival = 0, False
                self._is_unanswered = False
            except StorageError as error:
                tries += 1
                if isinstance(error, PermanentError) or tries == _TRIES:
                    raise
                has_conflict = isinstance(error, EtagMismatch)  # somebody else has made progress
                has_rival = has_conflict and tries > 1
                longest = _FIRST_PAUSE if has_conflict else _LONGEST_PAUSE
                time.sleep(random.uniform(0.0, min(_FIRST_PAUSE * 2**tries, longest)))

    def _crowd_out(self) -> None:
        """Give whoever commits to the shard the conflicts after which it goes to another.

        Without waiting for the answers: one that commits many times while they are on their way from far off would
        have forgotten each conflict before the next.
        """
        with ThreadPoolExecutor(_FENCE_MOVES) as pool:
            moves = []
            for _ in range(_FENCE_MOVES):
                moves.append(pool.submit(self._table.touch_stats_row, _SHARD))
                time.sleep(_BETWEEN_FENCE_MOVES)
        for move in moves:
            move.result()

    def _held(self, visits: Sequence[Visit]) -> Sequence[Visit]:
        """Those of the visits that are in the shard."""
        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            are_held = pool.map(lambda visit: self._table.holds(_SHARD, visit), visits)
            return [visit for visit, is_held in zip(visits, are_held, strict=True) if is_held]

    def _commit(self, visits: Sequence[Visit]) -> None:
        head, self._head = self._head, None  # unless it is committed, nobody knows what the stats row is
        head = head or self._table.read(_SHARD)
        try:
            self._head = self._table.commit(_SHARD, head, visits)
        except OutcomeUnknown:
            self._is_unanswered = True
            raise


def _visit(row: TableEntity) -> Visit:
    at = cast(datetime, row.metadata["timestamp"])  # which the service sets on every row
    # ua-parser used to name a Windows with its version ("Windows 10"); Phone and Mobile it still tells apart.
    os_family = re.sub(r"^Windows (?!Phone|Mobile).*", "Windows", str(row.get("OS", "")))
    os, browser = labels_of(os_family, str(row.get("Browser", "")))
    return Visit(f"{_PREFIX}{row['RowKey']}-{at:%Y%m%dT%H%M%S.%fZ}", os, browser, at)


def _guid(key: str) -> str:
    """The GUID in the key of an adopted visit."""
    return key.removeprefix(_PREFIX).rpartition("-")[0]
