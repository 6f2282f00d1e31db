"""An in-memory cache of blobs, with revalidation, single flight and negative entries."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from signin.telemetry.outage import Outage
from signin.website.blobs import Blob, Container, ContentUnavailable
from signin.website.lru import LruCache

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

FRESH_SECONDS = 2.0  # how long an entry is served without revalidation; a changed blob may be stale for as long
MAX_BYTES = 32 * 1024 * 1024
MAX_NEGATIVE_ENTRIES = 1000

_REVALIDATION_TIMEOUT = 0.5  # seconds until a stale entry is served instead
_ENTRY_OVERHEAD = 1024  # bytes, about, besides the blob's content


@dataclass(slots=True)
class _Entry:
    """A blob, or None for one that does not exist (a negative entry), and until when it is fresh."""

    blob: Blob | None
    fresh_until: float


class BlobCache:
    """The blobs of a container, cached for the coroutines of one event loop.

    The first request for a stale entry revalidates it, and concurrent requests wait for the same revalidation (single
    flight): a few milliseconds, every other second. To serve the stale entry meanwhile (stale-while-revalidate) would
    show an outdated page to the only visitor of a quiet hour. A stale entry is served only if Blob Storage is slow or
    fails (stale-if-error), for as long as the entry is not evicted.

    Requests to Blob Storage run in the cache's own threads, so that a service that hangs blocks no other work.
    """

    def __init__(self, container: Container, threads: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._container = container
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="content")
        self._clock = clock
        self._entries: LruCache[_Entry] = LruCache(MAX_BYTES)
        # A cache of their own, so that a scan for names that do not exist evicts no blob.
        self._negative_entries: LruCache[_Entry] = LruCache(MAX_NEGATIVE_ENTRIES)
        self._flights: dict[str, asyncio.Task[Blob | None]] = {}
        self._outage = Outage(logger, "content that is not cached cannot be served", "content can be served again")

    async def get(self, name: str) -> Blob | None:
        """The blob with this name, None if it does not exist.

        Raises ContentUnavailable if there is no entry and Blob Storage fails.
        """
        entry = self._entries.get(name) or self._negative_entries.get(name)
        if entry is not None and self._clock() < entry.fresh_until:
            return entry.blob
        flight = self._flights.get(name)
        if flight is None:
            flight = self._flights[name] = asyncio.create_task(self._fetch(name, entry))
            flight.add_done_callback(functools.partial(self._end_flight, name))
        # `await flight` would cancel the task, which others wait for too, if this caller is cancelled.
        await asyncio.wait([flight], timeout=None if entry is None else _REVALIDATION_TIMEOUT)
        if entry is None or flight.done():
            return flight.result()
        entry.fresh_until = self._clock() + FRESH_SECONDS  # later callers get it without waiting
        return entry.blob

    async def read(self, name: str, blob: Blob, part: range) -> bytes:
        """A range of bytes of a blob too large to be cached. Raises BlobChanged and ContentUnavailable."""
        return await self._in_thread(self._container.read, name, blob, part)

    def invalidate(self, name: str) -> None:
        """Remove a blob, so that the next `get` fetches it."""
        self._entries.discard(name)

    def close(self) -> None:
        """Start no further requests."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _fetch(self, name: str, entry: _Entry | None) -> Blob | None:
        """Fetch the blob, or revalidate the entry; if that fails, the entry counts as fresh again."""
        try:
            blob = await self._in_thread(self._container.get, name, entry.blob if entry else None)
        except ContentUnavailable:
            if entry is None:
                raise
            entry.fresh_until = self._clock() + FRESH_SECONDS
            return entry.blob
        self._store(name, _Entry(blob, self._clock() + FRESH_SECONDS))
        return blob

    def _end_flight(self, name: str, flight: asyncio.Task[Blob | None]) -> None:
        del self._flights[name]
        if not flight.cancelled():
            flight.exception()  # marks it as retrieved: asyncio logs it otherwise if no caller waits any more

    def _store(self, name: str, entry: _Entry) -> None:
        if entry.blob is None:
            self._entries.discard(name)
            self._negative_entries.put(name, entry, 1)
        else:
            self._negative_entries.discard(name)
            size = len(entry.blob.body or b"") + len(entry.blob.gzipped or b"")
            self._entries.put(name, entry, _ENTRY_OVERHEAD + size)

    async def _in_thread(self, request: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Run a request to Blob Storage."""
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(self._threads, functools.partial(request, *arguments, **options))
        except ContentUnavailable as error:
            self._outage.failed(error)
            raise
        self._outage.succeeded()
        return result
