"""Virtual time: a clock that only the test moves, and threads that wait by it, of which one runs at a time."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from types import ModuleType, SimpleNamespace
from typing import cast

import pytest

from signin.live.broadcaster import Broadcaster

_TICK = 1e-9  # seconds by which each reading moves the clock: no two readings are the same instant
_EPOCH = datetime(2026, 11, 23, tzinfo=UTC)


class VirtualTime:
    """The clock of these modules; `advance` runs each thread at the time for which it waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self.now = 0.0
        self._threads: list[VirtualThread] = []
        virtual_time = self

        class VirtualDatetime(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> VirtualDatetime:
                return cls.fromtimestamp(virtual_time.utc.timestamp(), tz)

        for module in modules:
            if hasattr(module, "time"):
                monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=self._monotonic))
            if hasattr(module, "datetime"):
                monkeypatch.setattr(module, "datetime", VirtualDatetime)

    @property
    def utc(self) -> datetime:
        """The time that wall clocks show."""
        return _EPOCH + timedelta(seconds=self.now)

    def control(self, broadcaster: Broadcaster) -> None:
        """Make the thread of a broadcaster that has not been started wait by this clock."""
        thread = VirtualThread(self, broadcaster)
        self._threads.append(thread)
        broadcaster._thread = cast(threading.Thread, thread)
        broadcaster._changed = cast(threading.Condition, Signal(thread))
        broadcaster._closing = cast(threading.Event, Signal(thread))

    def kill(self, broadcaster: Broadcaster) -> None:
        """End the thread of a broadcaster while it waits."""
        thread = cast(VirtualThread, broadcaster._thread)
        self._threads.remove(thread)
        thread.kill()

    def advance(self, seconds: float = 0.0) -> None:
        """Move the clock, and run each thread until it waits for something that lies further ahead."""
        end = self.now + seconds
        while True:
            for thread in self._threads:
                thread.run()
            wake_at = min((thread.wake_at for thread in self._threads), default=float("inf"))
            if wake_at > max(self.now, end):
                break
            self.now = max(self.now, wake_at)
        self.now = max(self.now, end)

    def _monotonic(self) -> float:
        self.now += _TICK
        return self.now


class ThreadKilled(BaseException):
    """Ends the thread of a process that was killed."""


class VirtualThread:
    """The thread of a broadcaster. The caller of `run` or `join` waits until it waits, or has ended."""

    def __init__(self, time: VirtualTime, broadcaster: Broadcaster) -> None:
        self._time = time
        self._broadcaster = broadcaster
        self._thread = threading.Thread(target=self._main, daemon=True)
        self._resume = threading.Semaphore(0)
        self._stopped = threading.Semaphore(0)
        self.wake_at = float("inf")
        self.waits_for: Signal | None = None
        self._is_killed = False

    def start(self) -> None:
        self._thread.start()
        assert self._stopped.acquire(timeout=10)

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float) -> None:
        if self.is_alive():
            self.run()
        self._thread.join(0.0 if self.waits_for else 10.0)

    def run(self) -> None:
        """Run it until it waits for something that has not happened yet."""
        for _ in range(1000):
            if self.wake_at > self._time.now:
                return
            self._resume.release()
            assert self._stopped.acquire(timeout=10)
        raise AssertionError("the thread does not come to rest")

    def kill(self) -> None:
        """End it while it waits."""
        self._is_killed = True
        self._resume.release()
        self._thread.join(10)

    def wait(self, signal: Signal, seconds: float | None) -> None:
        """Called on the thread itself."""
        self.waits_for = signal
        self.wake_at = float("inf") if seconds is None else self._time.now + seconds
        self._stopped.release()
        self._resume.acquire()
        self.waits_for = None
        if self._is_killed:
            raise ThreadKilled

    def _main(self) -> None:
        try:
            with suppress(ThreadKilled):
                self._broadcaster._run()
        finally:
            self.wake_at = float("inf")
            self._stopped.release()


class Signal:
    """Stands in for the condition, and for the event, for which a broadcaster's thread waits."""

    def __init__(self, thread: VirtualThread) -> None:
        self._thread = thread
        self._is_set = False

    def __enter__(self) -> bool:
        return True  # only one thread runs at a time

    def __exit__(self, *error: object) -> None:
        pass

    def wait(self, seconds: float | None = None) -> bool:
        if not self._is_set:
            self._thread.wait(self, seconds)
        return self._is_set

    def notify(self) -> None:
        if self._thread.waits_for is self:
            self._thread.wake_at = float("-inf")

    def set(self) -> None:
        self._is_set = True
        self.notify()

    def is_set(self) -> bool:
        return self._is_set
