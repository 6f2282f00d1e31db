"""What an operator may want to be woken for: the counts and durations of a minute, as one line of JSON in the log.

Application Insights takes it from there (queries are in docs/operations.md). A process to which nothing happens says
nothing.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Literal

logger = logging.getLogger(__name__)

PERIOD_SECONDS = 60.0

Event = Literal[
    "visits",  # acknowledged
    "visits_not_recorded",  # answered 503, and certainly not counted
    "visits_unknown",  # answered 503, and perhaps counted
    "commits",
    "conflicts",  # another process had written to the same shard
    "unknown_outcomes_resolved",  # a commit without an answer turned out to have happened
    "broadcasts",
    "broadcast_failures",
]
Duration = Literal["commit", "broadcast"]


class Metrics:
    """What happens in this process. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._begin()

    def _begin(self) -> None:
        self._began = time.monotonic()
        self._events: Counter[str] = Counter()
        self._durations: dict[str, list[float]] = {}
        self._most_waiting = 0

    def start(self) -> None:
        """Log a line for each period from now on, until `close`."""
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Log what is left."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join()

    def count(self, event: Event, times: int = 1) -> None:
        with self._lock:
            self._events[event] += times

    def took(self, what: Duration, seconds: float) -> None:
        with self._lock:
            self._durations.setdefault(what, []).append(seconds)

    def waiting(self, visits: int) -> None:
        """So many visits are in the queue, or were just taken from it."""
        with self._lock:
            self._most_waiting = max(self._most_waiting, visits)

    def log(self) -> None:
        """Log a line for the period that ends now, if anything happened in it."""
        with self._lock:
            events, durations, most_waiting = self._events, self._durations, self._most_waiting
            seconds = time.monotonic() - self._began
            self._begin()
        if events:
            measured = {"seconds": round(seconds, 1), **events, "most_waiting": most_waiting}
            for what, values in durations.items():
                measured |= _spread(what, values)
            logger.info("metrics %s", json.dumps(measured))

    def _run(self) -> None:
        while not self._closing.wait(PERIOD_SECONDS):
            self.log()
        self.log()


def _spread(what: str, seconds: Sequence[float]) -> dict[str, float]:
    """The median, the 95th percentile and the longest, in milliseconds."""
    ordered = sorted(1000 * value for value in seconds)
    at = {"p50": len(ordered) // 2, "p95": len(ordered) * 95 // 100, "max": -1}
    return {f"{what}_ms_{name}": round(ordered[index], 1) for name, index in at.items()}
