"""How many pages are open, without a row or an identifier for a page.

Each visible page reads the statistics at least once in a period. Time is divided into slots that all pages share, of a
thirtieth of the period. The response contains the slot of the reading, and the page sends it back with its next
reading; so the app moves the page from one slot to the other. When the page is closed or hidden, it sends its slot to
be removed. A page that crashed is forgotten when its slot expires.

A page may be added by one process and moved by another one, so that the second one has a negative count. The sum of all
processes counts: 0 for a slot if the sum is negative, because the process that added its pages was killed before it
published them, or because a client made up the slot. So such an error ends with the slot.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from random import getrandbits
from typing import NamedTuple

SHORTEST_PERIOD, LONGEST_PERIOD = 30, 3600  # seconds

_SLOTS = 30  # in a period
_LIFETIME = 1.2  # periods, for a page that reads late or has to repeat the reading

SlotCounts = Mapping[int, int]
"""Pages by the second at which their slot began."""


class InvalidSlot(ValueError):
    """A client sent a slot of another form."""

    def __init__(self) -> None:
        super().__init__('here has to be "new", "now" or the slot of an earlier response')


class Slot(NamedTuple):
    """The slot of a page: the second (Unix time) at which it began, and the process that has added the page to it.

    By default it is that of a page which is in none: it has expired.
    """

    second: int = 0
    process: str = ""

    @classmethod
    def parse(cls, text: str) -> Slot:
        """The slot that a page sends back, or one of _NAMED. Raises InvalidSlot."""
        if text in _NAMED:
            return _NAMED[text]
        if not (found := re.fullmatch(r"(\d{1,11})-([0-9a-f]{8})", text, re.ASCII)):
            raise InvalidSlot
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.second}-{self.process}"


NEW = Slot()
NOW = Slot(-1)
"""The present slot: of a page that is left while a request is under way, which moves it there."""

_NAMED = {"new": NEW, "now": NOW}


class OpenPages:
    """The pages of a counter by slot, as one process has counted them, and as it knows them of others. Thread-safe."""

    def __init__(self, period: int, now: Callable[[], datetime]) -> None:
        """`period` is in seconds; `now` is the clock that all processes agree on.

        `lifetime` is for how many seconds a page is counted after its last reading, at most.
        """
        self.period = period
        self.lifetime = _LIFETIME * period
        self._slot_seconds = period // _SLOTS
        self.process = f"{getrandbits(32):08x}"  # a new one each time
        self._now = now
        self._lock = threading.Lock()  # guards what follows
        self._own: Counter[int] = Counter()
        self._others: SlotCounts = {}

    def move(self, slot: Slot) -> Slot:
        """Move a page to the present slot, which is returned."""
        present = self._present()
        self.remove(slot)
        self.add(present)
        return present

    def add(self, slot: Slot) -> None:
        """Add a page to a slot. If the slot has expired, the page is not counted."""
        self._count(slot, 1)

    def remove(self, slot: Slot) -> None:
        """Remove a page from a slot. If the slot has expired, nothing changes."""
        self._count(self._present() if slot == NOW else slot, -1)

    def number(self) -> int:
        """How many pages are open, as far as this process knows."""
        now, number = self._second(), 0
        with self._lock:
            own, others = self._own, self._others
            for second in own.keys() | others.keys():
                count = own.get(second, 0) + others.get(second, 0)
                if count > 0 and abs(now - second) < self.lifetime:
                    number += count
        return number

    def own(self) -> SlotCounts:
        """What this process has counted."""
        with self._lock:
            own = dict(self._own)
        return {second: count for second, count in self.alive(own).items() if count}

    def learn(self, others: Iterable[SlotCounts]) -> None:
        """Replace what is known of other processes."""
        total: Counter[int] = Counter()
        for counts in others:
            total.update(counts)
        with self._lock:
            self._others = total

    def alive(self, counts: SlotCounts) -> SlotCounts:
        """The slots that have not expired."""
        now = self._second()
        return {second: count for second, count in counts.items() if abs(now - second) < self.lifetime}

    def is_alive(self, slot: Slot) -> bool:
        """Whether a slot has not expired. One that lies ahead is of a process whose clock is ahead of ours."""
        return abs(self._second() - slot.second) < self.lifetime

    def _count(self, slot: Slot, by: int) -> None:
        second = self._rounded(slot.second)
        with self._lock:
            if second not in self._own:
                self._own = Counter(self.alive(self._own))
            self._own[second] += by

    def _present(self) -> Slot:
        return Slot(self._rounded(self._second()), self.process)

    def _second(self) -> float:
        return self._now().timestamp()

    def _rounded(self, second: float) -> int:
        """The beginning of the slot that contains this second."""
        return int(second) // self._slot_seconds * self._slot_seconds
