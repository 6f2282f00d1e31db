"""The parts of the app put together, once per worker process, when the first request needs them."""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
from collections.abc import Awaitable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from signin.counting.committer import Committer
from signin.counting.shards import ShardCounter
from signin.counting.single_flight import SingleFlight
from signin.counting.table import StorageError
from signin.identity.credential import STORAGE_SCOPE, Bearer, Credential, Identity
from signin.live.broadcaster import Broadcaster
from signin.live.hub import ClientAccess, Hub, SignalRError
from signin.live.lease import BroadcastLease
from signin.settings import Settings
from signin.telemetry.console import use_console
from signin.telemetry.metrics import Metrics
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from signin.website.security import page_headers
from signin.website.site import Site

logger = logging.getLogger(__name__)

HUB = "signinsamplehub"

_CLOSE_SECONDS = 5.0
_REFRESH_SECONDS = 1.0
_READING_PAUSE = 0.1  # seconds between readings of the statistics, however many ask for them
_ACCESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class SignIn:
    """What a visitor gets: access to the live updates, and the statistics with the visit counted in."""

    access: ClientAccess
    statistics: Statistics


class App:
    """The live visitor counter of one worker process."""

    def __init__(self, settings: Settings) -> None:
        self.broadcast_interval = settings.broadcast_interval
        self.table = settings.table.connect()
        self.hub = Hub(settings.signalr, HUB)
        self.content = Site(settings.blob_url, _authorization(settings.blob_identity))
        self.page_headers = page_headers(settings.signalr.client_endpoint)
        self._metrics = Metrics()
        self._metrics.start()
        self._counter = ShardCounter(self.table, self.broadcast_interval)
        self._broadcaster = Broadcaster(
            self.hub, self._counter, BroadcastLease(self.table), self.broadcast_interval, self._metrics
        )
        self._committer = Committer(self.table, self._counter, self._broadcaster.changed, self._metrics)
        self._reading = SingleFlight(self._read, _READING_PAUSE)
        self._latest_batch: tuple[Future[None], asyncio.Future[None]] | None = None

    async def sign_in(self, headers: Mapping[str, str]) -> SignIn:
        """Count the visit that the request's headers tell of, if any, and answer once it is durable.

        Raises NotAcknowledged; StorageError where there was no visit to count.
        """
        visit = Visit.from_headers(headers)
        if visit is None:
            return SignIn(await self._granted(self.hub.client_access()), await self.statistics())
        committed = self._committed(self._committer.submit(visit))
        # What else is needed is done while the commit is under way, so that it costs the visitor no time.
        refreshing = None
        if not self._counter.is_current:
            refreshing = asyncio.create_task(self._refresh(committing=self._committer.shard))
        access = self.hub.client_access()
        await committed
        if refreshing is not None:
            await refreshing
        if not self._counter.is_current:  # the commit has met another process
            await self._refresh()
        return SignIn(await self._granted(access), self._counter.value())

    async def statistics(self) -> Statistics:
        """The statistics, with every visit that was acknowledged before this call. Raises StorageError.

        Nothing less will do: a page that asks has missed what was broadcast before it connected, and nobody says it
        again.
        """
        await self._reading.run()
        return self._counter.value()

    def _read(self) -> None:
        """Read the statistics, and have them broadcast if they have news: who counted those visits may be dead."""
        if self._counter.read_all():
            self._broadcaster.changed()

    async def _granted(self, access: Future[ClientAccess]) -> ClientAccess:
        """Access to the live updates; without a token where none comes in time, since the visit counts all the same."""
        if not access.done():
            await _attempt(asyncio.wrap_future(access), _ACCESS_SECONDS)
        return access.result() if access.done() and access.exception() is None else self.hub.access_without_token

    def _committed(self, batch: Future[None]) -> asyncio.Future[None]:
        """The batch's future for one of its visitors: a commit wakes the event loop once, not once per visitor."""
        if self._latest_batch is None or self._latest_batch[0] is not batch:
            self._latest_batch = (batch, asyncio.wrap_future(batch))
        return asyncio.shield(self._latest_batch[1])  # a visitor who leaves must not take the others along

    async def _refresh(self, committing: int | None = None) -> None:
        """Read the other shards; those that do not answer in time count as last known."""
        await _attempt(asyncio.to_thread(self._counter.refresh, committing), _REFRESH_SECONDS)

    def close(self) -> None:
        """Commit and broadcast what is pending, in bounded time.

        Best effort: the Functions host may end a worker without asking. All that is lost then is the broadcast of the
        last second; visits that were not yet durable were not acknowledged either.
        """
        self._committer.close(_CLOSE_SECONDS)
        self._broadcaster.close(_CLOSE_SECONDS)
        self._metrics.close()
        self.content.close()


async def _attempt(extra: Awaitable[Any], seconds: float) -> None:
    """Wait for what an answer can do without: a visit that is durable is acknowledged, whatever else fails."""
    try:
        await asyncio.wait_for(extra, seconds)
    except (SignalRError, StorageError, TimeoutError):
        pass  # the broadcaster says so once, and not for each visit
    except Exception:
        logger.exception("An answer to a visitor lacks something")


def _authorization(identity: Identity | None) -> Bearer | None:
    """What lets us read the content where it is not for everybody."""
    if identity is None:
        return None
    credential = Credential(identity)
    return Bearer(lambda: credential.get_token(STORAGE_SCOPE).token)


_app: App | None = None
_lock = threading.Lock()


def current() -> App:
    """The app of this process, put together by whoever asks first. Raises SettingsError, and tries anew next time."""
    global _app
    with _lock:
        if _app is None:
            # At INFO, the level of a Functions app, the SDK logs the headers of every storage request; and urllib3
            # warns of everything that it sends again, where we say once that something fails.
            logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
            logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
            use_console()
            _app = App(Settings.from_environment(os.environ))
            atexit.register(_app.close)
        return _app
