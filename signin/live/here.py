"""The pages that are open now, by all processes together.

Each process publishes what it has counted in a row of its own, and reads the rows of the others, only if there are
others: before a broadcast, and otherwise at most every _PAUSE_SECONDS.

    PartitionKey  `Partitions.here`
    RowKey        the process, eight random hexadecimal digits
    At            when the row was written, by the clock of `ServiceClock` (ISO 8601)
    Slots         {"1795772100": 2, "1795772110": -1}, see `OpenPages`

A process that is alone sends nothing. It is alone if it has looked for rows after it first read the shards, and has
found none with pages that have not expired, not even its own. It looks again if there is a sign of another process:

1. A page whose slot another process has written.
2. A commit, or a touch, by another process (`Shards.foreign_changes`).

So that the others notice it too, a process that finds no such row publishes its own and then touches shard 0. A process
that was alone before finds another ETag when it next reads shard 0 or commits to it. One that first reads shard 0 after
the touch finds the row.

What a process that ends has published stays valid: its pages are moved by other processes. The rows of ended processes
are deleted when their slots have expired, by the next process that reads them.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from azure.data.tables import TableEntity

from signin.counting.errors import EtagMismatch, StorageError
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from signin.live.open_pages import OpenPages, Slot, SlotCounts
from signin.telemetry.outage import Outage

logger = logging.getLogger(__name__)

_PAUSE_SECONDS = 2.0  # between two exchanges with the other processes
_PAUSE_AFTER_FAILURE = 30.0
_MOST_PAGES = 10**9  # of a slot, in the row of another process


class HereNow(NamedTuple):
    """How many pages are open, the period in seconds, and the slot of the page that sent the request, if a page did."""

    pages: int
    seconds: int
    slot: Slot | None = None

    def to_json(self) -> dict[str, Any]:
        """`{"now", "seconds"}`, and for a page `"slot"`."""
        slot = {} if self.slot is None else {"slot": str(self.slot)}
        return {"now": self.pages, "seconds": self.seconds, **slot}


class Here:
    """The open pages of a counter. Thread-safe."""

    def __init__(self, table: VisitTable, shards: Shards, period: int, wake: Callable[[], None]) -> None:
        """`period` is the time in seconds within which each visible page reads the statistics.

        `wake` is called if something is to be published; `exchange` is then to be called in `due_in` seconds.
        """
        self._table = table
        self._shards = shards
        self._wake = wake
        self._pages = OpenPages(period, table.now)
        self._outage = Outage(
            logger,
            "the open pages of other processes cannot be read",
            "the open pages of other processes can be read again",
            level=logging.WARNING,
        )
        self._exchanging = threading.Lock()  # guards the next two; held during an exchange
        self._published: SlotCounts = {}
        self._seen_changes = shards.foreign_changes
        self._lock = threading.Lock()  # guards what follows; the times are by `time.monotonic()`
        self._is_alone: bool | None = None  # None: it has not looked yet
        self._began = float("-inf")  # the last exchange
        self._retry_at = float("-inf")  # after a failure
        self._sign_until = float("-inf")  # for how long the last sign of another process counts
        self._due: float | None = None  # when something is to be published

    @contextmanager
    def opened(self, slot: Slot | None) -> Iterator[Slot | None]:
        """Count the page of a request in the present slot, which is returned; None if it is no page's request.

        If the request fails the page stays in the slot that it has sent, because it does not learn the new one.
        """
        if slot is None:
            yield None
            return
        present = self._pages.move(slot)
        self._changed(slot)
        try:
            yield present
        except BaseException:
            self._pages.remove(present)
            self._pages.add(slot)
            raise

    def closed(self, slot: Slot) -> None:
        """Count a page no more."""
        self._pages.remove(slot)
        self._changed(slot)

    def here_now(self, slot: Slot | None = None) -> HereNow:
        """How many pages are open, for the page that is in this slot: at least itself.

        It may be missing in the number as long as the process that has added it to the same slot has published nothing.
        """
        number = self._pages.number()
        return HereNow(number if slot is None else max(number, 1), self._pages.period, slot)

    @property
    def due_in(self) -> float | None:
        """In how many seconds something is to be published; None if nothing is."""
        with self._lock:
            return None if self._due is None else self._due - time.monotonic()

    def exchange(self, *, without_pause: bool = False) -> None:
        """Publish and read if there are other processes, or signs of them, at most every _PAUSE_SECONDS.

        `without_pause` is for a broadcast: pages show its number until their next reading.

        Call it after the shards were read. Raises nothing: an error is logged, and repeated later.
        """
        with self._exchanging:
            if not self._begin(without_pause=without_pause):
                return
            try:
                self._exchange()
            except Exception as error:
                self._outage.failed(error, is_defect=not isinstance(error, StorageError))
                with self._lock:
                    self._retry_at = self._due = time.monotonic() + _PAUSE_AFTER_FAILURE
                self._wake()
            else:
                self._outage.succeeded()

    def close(self) -> None:
        """Publish what is not published, also without other processes: the next process then knows it."""
        with self._exchanging, suppress(StorageError):
            own = self._pages.own()
            if own and own != self._published:
                self._table.put(self._row(own))

    def _changed(self, slot: Slot) -> None:
        """Schedule an exchange if there are other processes. `slot` is what a page has sent."""
        is_foreign = slot.process != self._pages.process and self._pages.is_alive(slot)
        with self._lock:
            if is_foreign:
                self._believe_sign()
            is_new = self._due is None and (self._is_alone is False or self._has_sign())
            if is_new:
                self._due = max(self._next, time.monotonic())
        if is_new:
            self._wake()

    @property
    def _next(self) -> float:
        """When the pause is over."""
        return max(self._began + _PAUSE_SECONDS, self._retry_at)

    def _begin(self, *, without_pause: bool) -> bool:
        """Begin an exchange if one is needed and the pause is over, and return whether it begins.

        During the pause, an exchange because of a new sign of other processes is scheduled for its end.
        """
        changes, seen_changes = self._shards.foreign_changes, self._seen_changes
        self._seen_changes = changes
        with self._lock:
            now = time.monotonic()
            if changes != seen_changes:
                self._believe_sign()
                self._due = self._due or self._next
            is_early = now < (self._retry_at if without_pause else self._next)
            begins = not is_early and (not self._is_alone or self._has_sign())
            if begins:
                self._began = now
            if not is_early:
                self._due = None
        if is_early and changes != seen_changes:
            self._wake()
        return begins

    def _believe_sign(self) -> None:
        self._sign_until = time.monotonic() + self._pages.lifetime

    def _has_sign(self) -> bool:
        return time.monotonic() < self._sign_until

    def _exchange(self) -> None:
        others = self._read_others()
        self._pages.learn(others)
        if others or self._has_sign():
            self._publish(is_first=not others)
        with self._lock:  # a process that finds our row relies on it that we look again
            self._is_alone = not (others or self._has_sign() or self._pages.alive(self._published))

    def _read_others(self) -> Sequence[SlotCounts]:
        """The slots of each other process, unless all of them have expired: such a row is deleted."""
        others = []
        for row in list(self._table.rows(self._table.partitions.here)):
            if row["RowKey"] == self._pages.process:
                continue
            if slots := self._pages.alive(_slots_of(row)):
                others.append(slots)
            else:
                with suppress(EtagMismatch):  # the process lives
                    self._table.delete(row)
        return others

    def _publish(self, *, is_first: bool) -> None:
        """Replace the own row. `is_first`: no other row was found, so the other processes do not know of this one."""
        own, published = self._pages.own(), self._pages.alive(self._published)
        if own == published:
            return
        self._table.put(self._row(own))
        if is_first and not published:
            with suppress(EtagMismatch):  # there is no shard 0, so no process has read it
                self._table.touch(0)
        self._published = own

    def _row(self, slots: SlotCounts) -> TableEntity:
        return TableEntity(
            PartitionKey=self._table.partitions.here,
            RowKey=self._pages.process,
            At=self._table.now().isoformat(),
            Slots=json.dumps(slots),
        )


def _slots_of(row: Mapping[str, Any]) -> SlotCounts:
    """The slots that a row holds; none if it was edited by hand and is malformed."""
    try:
        slots = {int(second): count for second, count in json.loads(row["Slots"]).items()}
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return {}
    return slots if all(type(count) is int and abs(count) <= _MOST_PAGES for count in slots.values()) else {}
