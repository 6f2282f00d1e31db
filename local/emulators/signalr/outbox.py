"""The queue of frames for one client. Adding a frame never waits for the client."""

from __future__ import annotations

import asyncio
from collections import deque

# Frames that may wait for a slow client. All outboxes share the bytes of a broadcast, so that a thousand slow clients
# need no more memory than one.
LIMIT = 100


class Outbox:
    """Frames in order, then the end."""

    def __init__(self) -> None:
        self.ended = False
        self._frames: deque[bytes] = deque()
        self._ready = asyncio.Event()  # set if there are frames, or at the end

    def put(self, frame: bytes) -> bool:
        """Add a frame. Returns False if the outbox is full or has ended."""
        if self.ended or len(self._frames) >= LIMIT:
            return False
        self._frames.append(frame)
        self._ready.set()
        return True

    def end(self, *last: bytes) -> None:
        """Add the last frames, after those that wait."""
        self._frames.extend(last)
        self.ended = True
        self._ready.set()

    def discard(self) -> None:
        """Drop the frames that wait, and end."""
        self._frames.clear()
        self.end()

    async def take(self) -> list[bytes]:
        """Wait for frames and return all of them; an empty list at the end."""
        await self._ready.wait()
        frames = list(self._frames)
        self._frames.clear()
        if not self.ended:
            self._ready.clear()
        return frames
