"""Single flight: concurrent callers share one run of something slow."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class SingleFlight:
    """Runs a blocking function in a thread, so that each caller gets a run that began after the call.

    Callers during a run share the next one, and runs begin at least `pause` seconds apart: the function runs at a
    bounded rate, however many call. For the coroutines of one event loop.
    """

    def __init__(self, function: Callable[[], object], pause: float) -> None:
        self._function = function
        self._pause = pause
        self._began = float("-inf")
        self._current: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Return when a run that began after this call has ended; raises what it raised."""
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._run())
        await asyncio.shield(self._next)  # a caller that is cancelled must not cancel the run for the others

    async def _run(self) -> None:
        if self._current is not None and not self._current.done():
            await asyncio.wait([self._current])
        await asyncio.sleep(self._began + self._pause - time.monotonic())
        self._current, self._next = self._next, None
        self._began = time.monotonic()
        await asyncio.to_thread(self._function)
