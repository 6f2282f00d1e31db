"""What waits to be sent to one client. Whoever puts something in never waits for the client."""

from __future__ import annotations

import asyncio
from collections import deque

# Frames that may wait for a client that reads too slowly. A broadcast is one object in all outboxes, so that what
# waits takes no more memory with a thousand clients than with one.
LIMIT = 100


class Outbox:
    """Frames in their order, then the end."""

    def __init__(self) -> None:
        self.ended = False
        self._frames: deque[bytes] = deque()
        self._something_to_take = asyncio.Event()  # frames, or the end

    def put(self, frame: bytes) -> bool:
        """Add a frame; False if it is one too many, or too late."""
        if self.ended or len(self._frames) >= LIMIT:
            return False
        self._frames.append(frame)
        self._something_to_take.set()
        return True

    def end(self, *last: bytes) -> None:
        """Let these be the last frames, after those that wait."""
        self._frames.extend(last)
        self.ended = True
        self._something_to_take.set()

    def discard(self) -> None:
        """Forget what waits, and end."""
        self._frames.clear()
        self.end()

    async def take(self) -> list[bytes]:
        """All frames that wait, as soon as there are any; none at the end."""
        await self._something_to_take.wait()
        frames = list(self._frames)
        self._frames.clear()
        if not self.ended:
            self._something_to_take.clear()
        return frames
