"""A clock that only tests and sleeps advance."""

from __future__ import annotations


class Clock:
    """Stands in for a function that returns seconds, and for the module `time`; `pauses` are the sleeps so far."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    monotonic = __call__

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
