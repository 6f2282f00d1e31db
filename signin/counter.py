"""One counter: its parts put together, when a process is first asked for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signin.counting.committer import Committer
from signin.counting.deduplicator import Deduplicator
from signin.counting.errors import StorageError
from signin.counting.shards import Shards
from signin.counting.single_flight import SingleFlight
from signin.counting.table import VisitTable
from signin.health import Health
from signin.live.broadcaster import Broadcaster
from signin.live.here import Here, HereNow
from signin.live.hub import ClientAccess, Hub, SignalRError
from signin.live.lease import BroadcastLease
from signin.live.open_pages import Slot
from signin.live.pace import Pace
from signin.settings import Settings
from signin.telemetry.metrics import Metrics
from signin.telemetry.outage import Outage
from signin.visits.dimensions import SignInRequest
from signin.visits.filter import is_leave, is_visit
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit

logger = logging.getLogger(__name__)

_REFRESH_SECONDS = 1.0
_READING_PAUSE = 0.1  # seconds between readings of the statistics for /stats
_ACCESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """The statistics as of `at`, and how many pages are open; None if they are not counted."""

    statistics: Statistics
    at: datetime
    here: HereNow | None = None


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a visitor gets: access to the live updates, and the statistics as of `at`.

    `is_counted` is False if the request was no visit; otherwise the statistics include the visit.
    """

    access: ClientAccess
    statistics: Statistics
    at: datetime
    is_counted: bool
    here: HereNow | None = None


class RoomCounter:
    """The live visitor counter of a room, or of the default page. Its coroutines are for one event loop.

    It sends nothing until it is used. Counters share the table's connections and threads, and the metrics.
    """

    def __init__(
        self, table: VisitTable, hub: Hub, settings: Settings, metrics: Metrics, check_content: Callable[[], None]
    ) -> None:
        """`table` is the counter's own view of the table. `check_content` is a check of `/health`."""
        self._table = table
        self._hub = hub
        self._allowed_origins = settings.allowed_origins
        self._shards = Shards(table, settings.broadcast_interval)
        pace = Pace(settings.broadcast_interval, settings.maximum_broadcasts, table.now)
        self._here = self._open_pages(settings.here_seconds)
        self.broadcaster = Broadcaster(hub, self._shards, BroadcastLease(table), pace, metrics, self._here)
        self.committer = Committer(table, self._shards, self.broadcaster.changed, metrics)
        self._deduplicator = Deduplicator(self.committer, self._shards, self._table)
        self._reading = SingleFlight(self._read, _READING_PAUSE)
        self._refreshing = SingleFlight(self._shards.refresh_if_stale, pause=0.0)
        self._reading_outage = Outage(logger, "the statistics cannot be read", "the statistics can be read again")
        self.health = Health({"table": table.check, "blob": check_content, "signalr": hub.check})
        self._latest_batch: tuple[Future[None], asyncio.Future[None]] | None = None

    def start(self) -> None:
        """Start the threads."""
        for part in (self.broadcaster, self.committer):
            part.start()

    async def sign_in(
        self,
        request: SignInRequest,
        idempotency_key: str | None = None,
        *,
        is_repeated: bool = False,
        slot: Slot | None = None,
    ) -> SignIn:
        """Count a request if it is a visit, and answer once the visit is durable.

        Requests with the same idempotency key are attempts at one visit. `is_repeated`: the client has sent the visit
        before, perhaps to another process, and does not know the outcome. `slot` is that of a page which is open and
        visible.

        Raises NotAcknowledged or InvalidIdempotencyKey; for a request that is no visit StorageError.
        """
        visit = Visit.from_request(request, idempotency_key, self._allowed_origins, at=self.now())
        if visit is None:
            granted = await self._access_in_time(self._hub.client_access())
            return SignIn(granted, await self.statistics(), self.now(), is_counted=False, here=self.here())
        if is_repeated:
            await self._deduplicator.look_up(visit)
        with self._opened(slot) as present:  # before the commit, so that its broadcast counts the page
            committed = self._shared_future(self._deduplicator.submit(visit))
            access = self._hub.client_access()  # during the commit, so that it costs the visitor no time
            await committed
        if not self._shards.is_current:
            await _best_effort(self._refreshing.run(), _REFRESH_SECONDS)
        granted = await self._access_in_time(access)
        return SignIn(granted, self._shards.value(), self.now(), is_counted=True, here=self.here(present))

    async def negotiate(self) -> ClientAccess:
        """Access to the live updates for a client that connects again. Raises SignalRError."""
        return await asyncio.wrap_future(self._hub.client_access())

    async def statistics(self) -> Statistics:
        """The statistics, with every visit that was acknowledged before this call. Raises StorageError.

        Older ones would not do: a page that has missed a broadcast asks for them, and that broadcast is not repeated.
        """
        await self._reading.run()
        return self._shards.value()

    async def read(self, request: SignInRequest, slot: Slot | None = None) -> Reading:
        """The statistics, and the open pages. `slot` as in `sign_in`. Raises StorageError."""
        is_open = slot is not None and is_visit(request, self._allowed_origins)
        with self._opened(slot if is_open else None) as present:
            return Reading(await self.statistics(), self.now(), self.here(present))

    def leave(self, request: SignInRequest, slot: Slot) -> None:
        """The page that was in this slot is closed or hidden. Sends nothing."""
        if self._here is not None and is_leave(request, self._allowed_origins):
            self._here.closed(slot)

    def here(self, slot: Slot | None = None) -> HereNow | None:
        """How many pages are open, for the page that is in this slot; None if they are not counted."""
        return None if self._here is None else self._here.here_now(slot)

    def now(self) -> datetime:
        """The time (UTC) up to which the history is shown, see `ServiceClock`."""
        return self._table.now()

    def _open_pages(self, period: int) -> Here | None:
        if period == 0:
            return None
        return Here(self._table, self._shards, period, wake=lambda: self.broadcaster.wake())

    def _opened(self, slot: Slot | None) -> AbstractContextManager[Slot | None]:
        return nullcontext() if self._here is None else self._here.opened(slot)

    def _read(self) -> None:
        """Read the statistics for all requests that wait for them."""
        try:
            has_news = self._shards.read_all()
        except StorageError as error:
            self._reading_outage.failed(error)
            raise
        self._reading_outage.succeeded()
        if has_news:
            self.broadcaster.found_others()
        if self._here is not None:
            self._here.exchange()

    async def _access_in_time(self, access: Future[ClientAccess]) -> ClientAccess:
        """Access to the live updates; without a token if none comes in time, since the visit counts all the same."""
        if not access.done():
            await _best_effort(asyncio.wrap_future(access), _ACCESS_SECONDS)
        return access.result() if access.done() and access.exception() is None else self._hub.access_without_token

    def _shared_future(self, batch: Future[None]) -> asyncio.Future[None]:
        """The batch's future for one of its visitors: a commit wakes the event loop once, not once per visitor."""
        if self._latest_batch is None or self._latest_batch[0] is not batch:
            self._latest_batch = (batch, asyncio.wrap_future(batch))
        return asyncio.shield(self._latest_batch[1])  # a visitor who leaves must not cancel it for the others


async def _best_effort(extra: Awaitable[Any], seconds: float) -> None:
    """Wait at most `seconds` and ignore errors: a visit that is durable is acknowledged, whatever else fails."""
    try:
        await asyncio.wait_for(extra, seconds)
    except (SignalRError, StorageError, TimeoutError):
        pass  # logged once, and not for each visit
    except Exception:
        logger.exception("a response to a visitor is incomplete")
