"""An in-memory cache of blobs, with revalidation, single flight, negative entries and bounds on all requests."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from signin.telemetry.outage import Outage
from signin.website.blobs import MAX_BUFFERED, MB, Blob, Container, ContentUnavailable
from signin.website.budget import ByteBudget
from signin.website.lru import LruCache
from signin.website.names import HOMEPAGE, KnownNames

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

FRESH_SECONDS = 2.0  # how long an entry is served without revalidation; a changed blob may be stale for as long
MAX_BYTES = 32 * MB
MAX_NEGATIVE_ENTRIES = 1000  # and as many that were asked for again
MAX_UNKNOWN_LOOKUPS = 100  # as many as the requests of a browser at once, by HTTP/2

KNOWN_THREADS = 8
UNKNOWN_THREADS = 4
PART_THREADS = 4
THREADS = KNOWN_THREADS + UNKNOWN_THREADS + PART_THREADS

_REVALIDATION_TIMEOUT = 0.5  # seconds until a stale entry is served instead
_BUDGET_TIMEOUT = 30.0  # seconds that a request waits until other large files have been read
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

    Requests to Blob Storage run in the cache's own threads, so that a service that hangs blocks no other work. Known
    names (see `KnownNames`), unknown names and parts of large blobs each have threads of their own. So a scan for names
    that do not exist delays no file of the website, however fast the scan is and however slow the responses to it. Of
    the lookups of unknown names, MAX_UNKNOWN_LOOKUPS may wait or be under way; any other is refused at once. A scan
    evicts neither blobs nor the negative entries that were used again, because both have caches of their own.

    The bodies of large blobs are not cached. Those that are being read have at most `max_file` bytes together.
    """

    def __init__(self, container: Container, max_file: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._container = container
        self._max_file = max_file
        self._clock = clock
        self._for_known = ThreadPoolExecutor(KNOWN_THREADS, thread_name_prefix="content")
        self._for_unknown = ThreadPoolExecutor(UNKNOWN_THREADS, thread_name_prefix="unknown-content")
        self._for_parts = ThreadPoolExecutor(PART_THREADS, thread_name_prefix="large-content")
        self._budget = ByteBudget(max_file)
        self._known = KnownNames()
        self._unknown_lookups: set[str] = set()  # names, of requests that wait or are under way
        self._entries: LruCache[_Entry] = LruCache(MAX_BYTES)
        self._negative_entries: LruCache[_Entry] = LruCache(MAX_NEGATIVE_ENTRIES)
        self._repeated_negative_entries: LruCache[_Entry] = LruCache(MAX_NEGATIVE_ENTRIES)
        self._flights: dict[str, asyncio.Task[Blob | None]] = {}
        self._outage = Outage(logger, "content that is not cached cannot be served", "content can be served again")

    async def get(self, name: str) -> Blob | None:
        """The blob with this name, None if it does not exist.

        Raises ContentUnavailable if there is no entry, and Blob Storage fails or the name is one unknown name too many.
        """
        entry = self._entry(name)
        if entry is not None and self._clock() < entry.fresh_until:
            return entry.blob
        if self._has_to_wait(name):
            # The homepage may link to it, although this process has not read the homepage yet.
            with contextlib.suppress(ContentUnavailable):
                await self.get(HOMEPAGE)
        flight = self._flights.get(name)
        if flight is None:
            if name not in self._known and len(self._unknown_lookups) >= MAX_UNKNOWN_LOOKUPS:
                if entry is None:
                    raise ContentUnavailable("Too many names that may not exist are requested: try again")
                return entry.blob
            flight = self._start(name, entry)
        # `await flight` would cancel the task, which others wait for too, if this caller is cancelled.
        await asyncio.wait([flight], timeout=None if entry is None else _REVALIDATION_TIMEOUT)
        if entry is None or flight.done():
            return flight.result()
        entry.fresh_until = self._clock() + FRESH_SECONDS  # later callers get it without waiting
        return entry.blob

    async def read(self, name: str, blob: Blob, part: range) -> bytes:
        """A range of bytes, at most `max_file`, of a blob too large to be cached.

        Raises BlobChanged, and ContentUnavailable also if other large files are being read for too long.
        """
        size = max(len(part), MAX_BUFFERED)  # so that the number of small parts is bounded, too
        try:
            async with self._budget.reserve(size, _BUDGET_TIMEOUT):
                return await self._in_thread(self._for_parts, self._container.read, name, blob, part)
        except TimeoutError:
            raise ContentUnavailable("Too many large files are requested: try again") from None

    def invalidate(self, name: str) -> None:
        """Remove a blob, so that the next `get` fetches it."""
        self._entries.discard(name)

    def close(self) -> None:
        """Start no further requests."""
        for threads in (self._for_known, self._for_unknown, self._for_parts):
            threads.shutdown(wait=False, cancel_futures=True)

    def _entry(self, name: str) -> _Entry | None:
        """The entry, if there is one; a negative one is then kept among those that were asked for again."""
        entry = self._entries.get(name) or self._repeated_negative_entries.get(name)
        if entry is None and (entry := self._negative_entries.get(name)) is not None:
            self._negative_entries.discard(name)
            self._repeated_negative_entries.put(name, entry, 1)
        return entry

    def _has_to_wait(self, name: str) -> bool:
        """Whether the name is unknown, and all threads for such names are in use."""
        return len(self._unknown_lookups) >= UNKNOWN_THREADS and name not in self._flights and name not in self._known

    def _start(self, name: str, entry: _Entry | None) -> asyncio.Task[Blob | None]:
        """Fetch the blob in a task that does not end with its first caller."""
        is_known = name in self._known
        if not is_known:
            self._unknown_lookups.add(name)
        flight = asyncio.create_task(self._fetch(name, entry, self._for_known if is_known else self._for_unknown))
        flight.add_done_callback(functools.partial(self._end_flight, name))
        self._flights[name] = flight
        return flight

    async def _fetch(self, name: str, entry: _Entry | None, threads: ThreadPoolExecutor) -> Blob | None:
        """Fetch the blob, or revalidate the entry; if that fails, the entry counts as fresh again."""
        cached = entry.blob if entry else None
        try:
            blob = await self._in_thread(threads, self._container.get, name, cached)
        except ContentUnavailable:
            if entry is None:
                raise
            entry.fresh_until = self._clock() + FRESH_SECONDS
            return entry.blob
        if blob is not None and blob is not cached:
            self._known.add(blob.links)
            if blob.size > self._max_file:
                logger.warning(
                    "%s has %d MB: files above MaxFileMB, which is %d, are served in parts only",
                    name,
                    math.ceil(blob.size / MB),
                    self._max_file // MB,
                )
        self._store(name, _Entry(blob, self._clock() + FRESH_SECONDS))
        return blob

    def _end_flight(self, name: str, flight: asyncio.Task[Blob | None]) -> None:
        del self._flights[name]
        self._unknown_lookups.discard(name)
        if not flight.cancelled():
            flight.exception()  # marks it as retrieved: asyncio logs it otherwise if no caller waits any more

    def _store(self, name: str, entry: _Entry) -> None:
        if entry.blob is None:
            self._entries.discard(name)
            self._known.remove(name)
            is_repeated = self._repeated_negative_entries.get(name) is not None
            (self._repeated_negative_entries if is_repeated else self._negative_entries).put(name, entry, 1)
        else:
            self._negative_entries.discard(name)
            self._repeated_negative_entries.discard(name)
            self._known.add([name])
            size = len(entry.blob.body or b"") + len(entry.blob.gzipped or b"")
            self._entries.put(name, entry, _ENTRY_OVERHEAD + size)

    async def _in_thread(
        self, threads: ThreadPoolExecutor, request: Callable[P, T], *arguments: P.args, **options: P.kwargs
    ) -> T:
        """Run a request to Blob Storage."""
        loop = asyncio.get_running_loop()
        try:
            result = await loop.run_in_executor(threads, functools.partial(request, *arguments, **options))
        except ContentUnavailable as error:
            self._outage.failed(error)
            raise
        self._outage.succeeded()
        return result
