"""Counts a visit once, although its client sends it more than once: by the idempotency key, which all attempts share.

A client sends a visit again if the response was lost. A browser does so even without the page's knowledge: Chromium
repeats a request, a POST too, if a connection that was used before closes before the first byte of the response, and
the page sees one `fetch`. Such a repetition comes within moments, and gets the outcome of the first attempt from memory
if it reaches the same process. A client that repeats a visit itself marks the request: then the visit is looked up in
the table, because another process may have counted it. An ordinary visit costs an entry in a dictionary and no request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

from signin.counting.committer import Committer, NotAcknowledged
from signin.counting.errors import StorageError
from signin.counting.rows import ADOPTED
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from signin.telemetry.outage import Outage
from signin.visits.visit import Visit

logger = logging.getLogger(__name__)

KEY_SECONDS = 600.0  # for which a key is remembered, and how far back a lookup reaches
MAX_KEYS = 12_000  # more than visits can be in flight, at some 2 KB each; the oldest are forgotten first

_LOOKUP_SECONDS = 20.0  # including the wait for a thread
_LOOKUP_THREADS = 4  # of their own, so that slow lookups keep no thread from /stats; each reads every shard
_MAX_WAITING = 100  # lookups; further ones are rejected at once

_COUNTED: Future[None] = Future()
_COUNTED.set_result(None)


class Deduplicator:
    """The attempts of the last minutes at visits with an idempotency key. For the coroutines of one event loop."""

    def __init__(self, committer: Committer, shards: Shards, table: VisitTable) -> None:
        self._committer = committer
        self._shards = shards
        self._table = table
        # By key, the oldest first: its time and its outcome. In a dict, finding the first one skips all deleted ones.
        self._attempts: OrderedDict[str, tuple[float, Future[None]]] = OrderedDict()
        self._threads = ThreadPoolExecutor(_LOOKUP_THREADS, thread_name_prefix="lookup")
        self._waiting = 0
        self._outage = Outage(logger, "repeated visits cannot be looked up", "repeated visits can be looked up again")

    def submit(self, visit: Visit) -> Future[None]:
        """The outcome of the attempt at this visit that this process knows; without one, of `Committer.submit`.

        An attempt that certainly was not recorded does not prevent another one.
        """
        key = visit.idempotency_key
        if key is None:
            return self._committer.submit(visit)
        self._forget_old()
        outcome = self._outcome(key)
        if outcome is None or _was_not_recorded(outcome):
            outcome = self._committer.submit(visit)
            if not _was_not_recorded(outcome):  # any number of rejections would displace the visits in flight
                self._remember(key, outcome)
        return outcome

    async def look_up(self, visit: Visit) -> None:
        """Find out whether any process has counted the visit in the last ten minutes, so that `submit` knows it.

        The caller calls `submit` next, without awaiting anything before. Sends nothing if this process has counted the
        visit, or is about to. Raises NotAcknowledged if it cannot be found out.
        """
        key = visit.idempotency_key
        self._forget_old()
        if key is None or self._is_counted_or_in_flight(key):
            return
        is_counted = await self._is_in_table(key)
        if self._is_counted_or_in_flight(key):  # by a request that came meanwhile
            return
        self._attempts.pop(key, None)  # its outcome was not known, and is now
        if is_counted:
            self._remember(key, _COUNTED)

    async def _is_in_table(self, key: str) -> bool:
        if self._waiting == _MAX_WAITING:
            raise NotAcknowledged(f"{_MAX_WAITING} repeated visits are being looked up already", recorded="unknown")
        self._waiting += 1
        try:
            lookup = asyncio.get_running_loop().run_in_executor(self._threads, self._find, key)
            is_in_table = await asyncio.wait_for(lookup, _LOOKUP_SECONDS)
        except (StorageError, TimeoutError) as error:
            problem = NotAcknowledged(str(error) or "Table Storage is too slow", recorded="unknown")
            self._outage.failed(error if isinstance(error, StorageError) else problem)
            raise problem from error
        finally:
            self._waiting -= 1
        self._outage.succeeded()
        return is_in_table

    def _find(self, key: str) -> bool:
        self._shards.read_all()  # so that no shard is missing
        shards = [shard for shard in self._shards.totals() if shard != ADOPTED]
        return self._table.has_idempotency_key(shards, key, self._table.now() - timedelta(seconds=KEY_SECONDS))

    def _outcome(self, key: str) -> Future[None] | None:
        attempt = self._attempts.get(key)
        return attempt and attempt[1]

    def _is_counted_or_in_flight(self, key: str) -> bool:
        outcome = self._outcome(key)
        return outcome is not None and (not outcome.done() or outcome.exception() is None)

    def _remember(self, key: str, outcome: Future[None]) -> None:
        self._attempts[key] = (time.monotonic(), outcome)
        self._attempts.move_to_end(key)
        if len(self._attempts) > MAX_KEYS:
            self._attempts.popitem(last=False)

    def _forget_old(self) -> None:
        until = time.monotonic() - KEY_SECONDS
        while self._attempts and next(iter(self._attempts.values()))[0] < until:
            self._attempts.popitem(last=False)


def _was_not_recorded(outcome: Future[None]) -> bool:
    error = outcome.exception() if outcome.done() else None
    return isinstance(error, NotAcknowledged) and error.recorded == "no"
