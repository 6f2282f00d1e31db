"""Single flight: concurrent callers share one run of something slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Runs a blocking function in a thread, at a bounded rate, however many call.

    Runs begin at least `pause` seconds apart. For the coroutines of one event loop.
    """

    def __init__(self, function: Callable[[], T], pause: float) -> None:
        self._function = function
        self._pause = pause
        self._began = self._ended = float("-inf")
        self._current: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def run(self) -> T:
        """The result of a run that began after this call; raises what it raised.

        Callers during a run share the next one.
        """
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._run())
        return await asyncio.shield(self._next)  # a caller that is cancelled must not cancel the run for the others

    async def recent(self, max_age: float) -> T:
        """The result of the run under way, or of one that ended less than `max_age` seconds ago, else of a new one.

        Raises what that run raised.
        """
        current = self._current
        if current is not None and (not current.done() or time.monotonic() - self._ended < max_age):
            return await asyncio.shield(current)
        return await self.run()

    async def _run(self) -> T:
        if self._current is not None and not self._current.done():
            await asyncio.wait([self._current])
        await asyncio.sleep(self._began + self._pause - time.monotonic())
        self._current, self._next = self._next, None
        self._began = time.monotonic()
        try:
            return await asyncio.to_thread(self._function)
        finally:
            self._ended = time.monotonic()
