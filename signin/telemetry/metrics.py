"""Counts and durations of this process, logged once a minute as a line of JSON.

Application Insights stores the lines (docs/operations.md has queries). A minute without any event has no line.
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

Event = Literal[
    "visits",  # acknowledged
    "visits_not_recorded",  # answered 503, and certainly not counted
    "visits_unknown",  # answered 503, and perhaps counted
    "commits",
    "conflicts",  # another process had written to the same shard
    "unknown_outcomes_resolved",  # a commit without a reply had succeeded
    "broadcasts",
    "broadcast_failures",
]
Duration = Literal["commit", "broadcast"]

_CLOSE_SECONDS = 1.0


class Metrics:
    """The counts and durations of the current period, `period` in seconds. Thread-safe."""

    def __init__(self, period: float = 60.0) -> None:
        self._period = period
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._reset()

    def _reset(self) -> None:
        self._began = time.monotonic()
        self._events: Counter[str] = Counter()
        self._durations: dict[str, list[float]] = {}
        self._most_waiting = 0

    def start(self) -> None:
        """Log a line for each period from now on, until `close`."""
        self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Log the unfinished period, and stop."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)  # a signal handler may have interrupted the holder of the lock

    def count(self, event: Event, times: int = 1) -> None:
        with self._lock:
            self._events[event] += times

    def record_duration(self, name: Duration, seconds: float) -> None:
        with self._lock:
            self._durations.setdefault(name, []).append(seconds)

    def record_queue(self, visits: int) -> None:
        """Record the length of the queue of visits. The longest one of the period is logged."""
        with self._lock:
            self._most_waiting = max(self._most_waiting, visits)

    def log(self) -> None:
        """End the current period, and log a line if any event was counted in it."""
        with self._lock:
            events, durations, most_waiting = self._events, self._durations, self._most_waiting
            seconds = time.monotonic() - self._began
            self._reset()
        if events:
            measured = {"seconds": round(seconds, 1), **events, "most_waiting": most_waiting}
            for name, values in durations.items():
                measured |= _percentiles(name, values)
            logger.info("metrics %s", json.dumps(measured))

    def _run(self) -> None:
        while not self._closing.wait(self._period):
            self.log()
        self.log()


def _percentiles(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """The median, the 95th percentile and the maximum, in milliseconds."""
    ordered = sorted(1000 * value for value in seconds)
    at = {"p50": len(ordered) // 2, "p95": len(ordered) * 95 // 100, "max": -1}
    return {f"{name}_ms_{percentile}": round(ordered[index], 1) for percentile, index in at.items()}
