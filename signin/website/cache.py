"""What visitors ask for, held in memory, and confirmed by Blob Storage from time to time."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from signin.website.blobs import Blob, Container, ContentUnavailable
from signin.website.lru import LruMapping

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

FRESH_SECONDS = 2.0  # how long something is given out without a question, and an old version after a new one is there
MAX_BYTES = 32 * 1024 * 1024
MAX_ABSENT = 1000  # names

_PATIENCE = 0.5  # seconds to wait for the service where there is something to give out
_OVERHEAD = 1024  # bytes, about, of an entry besides what its blob holds


@dataclass(slots=True)
class _Entry:
    """What is known of a name: its blob, or None that there is none; and when the service was last asked."""

    blob: Blob | None
    asked_at: float

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.asked_at < FRESH_SECONDS


class BlobCache:
    """The blobs of a container, for the coroutines of one event loop.

    Once something is no longer fresh, whoever asks next has the service confirm it, and whoever asks meanwhile waits
    for the same answer: a few milliseconds, every other second. To give out the old version meanwhile would show it to
    the one visitor of a quiet hour. That is for when the service is slow or down: then what is held stays good until
    it is crowded out.

    The threads that wait for the service are the cache's own, so that a service that hangs keeps none from others.
    """

    def __init__(self, container: Container, threads: int) -> None:
        self._container = container
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="content")
        self._held: LruMapping[_Entry] = LruMapping(MAX_BYTES)
        self._absent: LruMapping[_Entry] = LruMapping(MAX_ABSENT)  # apart: a scan for holes must crowd out no page
        self._flights: dict[str, asyncio.Task[Blob | None]] = {}
        self._is_failing = False

    async def get(self, name: str) -> Blob | None:
        """The blob of this name, None if there is none. Raises ContentUnavailable where nothing is known of it."""
        entry = self._held.get(name) or self._absent.get(name)
        if entry is not None and entry.is_fresh:
            return entry.blob
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = asyncio.create_task(self._ask(name, entry))
            flight.add_done_callback(functools.partial(self._landed, name))
        # Not by awaiting the task: a visitor who goes away would take the answer from all the others.
        await asyncio.wait([flight], timeout=None if entry is None else _PATIENCE)
        if entry is None or flight.done():
            return flight.result()
        entry.asked_at = time.monotonic()  # one visitor was kept waiting, that is enough
        return entry.blob

    async def read(self, name: str, blob: Blob, part: range) -> bytes:
        """Some bytes of a blob that is not held. Raises BlobChanged, ContentUnavailable."""
        return await self._in_thread(self._container.read, name, blob, part)

    def forget(self, name: str) -> None:
        """Have the service asked anew."""
        self._held.drop(name)

    def close(self) -> None:
        """Start nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _ask(self, name: str, entry: _Entry | None) -> Blob | None:
        try:
            blob = await self._in_thread(self._container.get, name, entry.blob if entry else None)
        except ContentUnavailable:
            if entry is None:
                raise
            entry.asked_at = time.monotonic()
            return entry.blob
        self._keep(name, _Entry(blob, time.monotonic()))
        return blob

    def _landed(self, name: str, flight: asyncio.Task[Blob | None]) -> None:
        del self._flights[name]
        if not flight.cancelled():
            flight.exception()  # or asyncio would log one that nobody waits for any more

    def _keep(self, name: str, entry: _Entry) -> None:
        if entry.blob is None:
            self._held.drop(name)
            self._absent.put(name, entry, 1)
        else:
            self._absent.drop(name)
            self._held.put(name, entry, _OVERHEAD + len(entry.blob.body or b"") + len(entry.blob.gzipped or b""))

    async def _in_thread(self, ask: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Ask the service. Logs when it begins to fail and when it works again, not each time."""
        loop = asyncio.get_running_loop()
        try:
            answer = await loop.run_in_executor(self._threads, functools.partial(ask, *arguments, **options))
        except ContentUnavailable as problem:
            if not self._is_failing:
                logger.error("content that is not in memory cannot be served: %s", problem)
            self._is_failing = True
            raise
        if self._is_failing:
            logger.info("content can be served again")
        self._is_failing = False
        return answer
