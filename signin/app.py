"""The parts of the app put together, once per worker process, when the first request needs them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from signin.counting.committer import Committer
from signin.counting.deduplicator import Deduplicator
from signin.counting.errors import StorageError
from signin.counting.shards import Shards
from signin.counting.single_flight import SingleFlight
from signin.health import Health
from signin.identity.credential import STORAGE_SCOPE, Bearer, Credential, Identity
from signin.live.broadcaster import Broadcaster
from signin.live.hub import ClientAccess, Hub, SignalRError
from signin.live.lease import BroadcastLease
from signin.live.pace import Pace
from signin.settings import Settings
from signin.telemetry.console import use_console
from signin.telemetry.metrics import Metrics
from signin.telemetry.outage import Outage
from signin.visits.dimensions import SignInRequest
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from signin.website.representation import Page
from signin.website.security import page_headers
from signin.website.site import Site

logger = logging.getLogger(__name__)

HUB = "signinsamplehub"

_CLOSE_SECONDS = 5.0
_REFRESH_SECONDS = 1.0
_READING_PAUSE = 0.1  # seconds between readings of the statistics for /stats
_ACCESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a visitor gets: access to the live updates, and the statistics as of `at`.

    The statistics include the visit if it `is_counted`; a request that is no visit is not.
    """

    access: ClientAccess
    statistics: Statistics
    at: datetime
    is_counted: bool


class App:
    """The live visitor counter of one worker process. Its coroutines are for one event loop."""

    def __init__(self, settings: Settings) -> None:
        self.broadcast_interval = settings.broadcast_interval
        self.page_headers = page_headers(settings.signalr.client_endpoint, settings.content_security_policy)
        self._table = settings.table.connect()
        self._hub = Hub(settings.signalr, HUB)
        self._site = Site(settings.blob_url, _authorization(settings.blob_identity), settings.max_file_mb)
        self._metrics = Metrics()
        self._shards = Shards(self._table, self.broadcast_interval)
        pace = Pace(self.broadcast_interval, settings.maximum_broadcasts, self._table.now)
        self._broadcaster = Broadcaster(self._hub, self._shards, BroadcastLease(self._table), pace, self._metrics)
        self._committer = Committer(self._table, self._shards, self._broadcaster.changed, self._metrics)
        self._deduplicator = Deduplicator(self._committer, self._shards, self._table)
        self._reading = SingleFlight(self._read, _READING_PAUSE)
        self._refreshing = SingleFlight(self._shards.refresh_if_stale, pause=0.0)
        self._reading_outage = Outage(logger, "the statistics cannot be read", "the statistics can be read again")
        self.health = Health({"table": self._table.check, "blob": self._site.check, "signalr": self._hub.check})
        self._latest_batch: tuple[Future[None], asyncio.Future[None]] | None = None

    def start(self) -> None:
        """Start the threads."""
        for part in (self._metrics, self._broadcaster, self._committer):
            part.start()

    def close(self) -> None:
        """Commit and broadcast what is pending, in bounded time.

        Best effort: the host may kill a worker. Then only the broadcast of the last interval is lost; visits that were
        not yet durable were not acknowledged either.
        """
        self._committer.close(_CLOSE_SECONDS)
        self._broadcaster.close(_CLOSE_SECONDS)
        self._metrics.close()
        self._site.close()

    async def sign_in(
        self, request: SignInRequest, idempotency_key: str | None = None, *, is_repeated: bool = False
    ) -> SignIn:
        """Count the visit that a request is, if it is one, and answer once it is durable.

        Requests with the same idempotency key are attempts at one visit. `is_repeated`: the client has sent it before,
        perhaps to another process, and does not know the outcome.

        Raises NotAcknowledged, InvalidIdempotencyKey, or StorageError if there was no visit to count.
        """
        visit = Visit.from_request(request, idempotency_key, at=self.now())
        if visit is None:
            granted = await self._access_in_time(self._hub.client_access())
            return SignIn(granted, await self.statistics(), self.now(), is_counted=False)
        if is_repeated:
            await self._deduplicator.look_up(visit)
        committed = self._shared_future(self._deduplicator.submit(visit))
        access = self._hub.client_access()  # during the commit, so that it costs the visitor no time
        await committed
        if not self._shards.is_current:
            await _best_effort(self._refreshing.run(), _REFRESH_SECONDS)
        return SignIn(await self._access_in_time(access), self._shards.value(), self.now(), is_counted=True)

    async def negotiate(self) -> ClientAccess:
        """Access to the live updates for a client that connects again. Raises SignalRError."""
        return await asyncio.wrap_future(self._hub.client_access())

    async def statistics(self) -> Statistics:
        """The statistics, with every visit that was acknowledged before this call. Raises StorageError.

        A page asks for them because it has missed a broadcast, which is not repeated: older ones would not do.
        """
        await self._reading.run()
        return self._shards.value()

    def now(self) -> datetime:
        """The time (UTC) up to which the history is shown, see `ServiceClock`."""
        return self._table.now()

    async def page(self, path: str, method: str, headers: Mapping[str, str], query: str) -> Page:
        """The static content at a path, see `Site.get`. Raises ContentUnavailable."""
        return await self._site.get(path, method, headers, query)

    def _read(self) -> None:
        """Read the statistics for all requests that wait for them."""
        try:
            has_news = self._shards.read_all()
        except StorageError as error:
            self._reading_outage.failed(error)
            raise
        self._reading_outage.succeeded()
        if has_news:
            self._broadcaster.found_others()

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


def _authorization(identity: Identity | None) -> Bearer | None:
    """The credentials for the content, or None if it is public."""
    if identity is None:
        return None
    credential = Credential(identity)
    return Bearer(lambda: credential.get_token(STORAGE_SCOPE).token)


_app: App | None = None
_lock = threading.Lock()  # guards `_app`


def current_app() -> App:
    """The app of this process, made by the first request. Raises SettingsError; the next request then tries again."""
    global _app
    with _lock:
        if _app is None:
            # At INFO, the level of a Functions app, the SDK logs the headers of every storage request; and urllib3
            # warns of every repeated request, while the app logs once that something fails.
            logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
            logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
            use_console()
            app = App(Settings.from_environment(os.environ))
            app.start()
            # Not `atexit`: the interpreter stops all thread pools before it runs those handlers, and the SDK has a pool
            # for each transaction. concurrent.futures stops them by this function; the latest call is the first to run.
            threading._register_atexit(app.close)  # type: ignore[attr-defined]
            _app = app
        return _app


def exit_on_sigterm() -> None:
    """Make SIGTERM, by which the host ends a worker, a normal exit, so that the app is closed.

    Without a handler Python does not run what is registered for its end. Handlers can be set in the main thread only,
    in which the worker imports the app.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
