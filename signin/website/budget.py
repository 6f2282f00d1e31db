"""A bound on the bytes that are held at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class ByteBudget:
    """Reservations of at most `total` bytes together, granted in the order in which they are asked for.

    For the coroutines of one event loop.
    """

    def __init__(self, total: int) -> None:
        self._free = total
        self._first_in_line = asyncio.Lock()  # asyncio grants a lock in the order of the calls
        self._released = asyncio.Event()

    @asynccontextmanager
    async def reserve(self, size: int, seconds: float) -> AsyncIterator[None]:
        """Hold `size` bytes, of `total` at most. Raises TimeoutError if they are not free within `seconds`."""
        async with asyncio.timeout(seconds), self._first_in_line:
            while self._free < size:
                self._released.clear()
                await self._released.wait()
            self._free -= size
        try:
            yield
        finally:
            self._free += size
            self._released.set()
