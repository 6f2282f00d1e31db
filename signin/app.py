"""The parts of the app put together, once per worker process, when the first request needs them."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence

from signin.counter import RoomCounter
from signin.counting.committer import Committer
from signin.identity.credential import STORAGE_SCOPE, Bearer, Credential, Identity
from signin.live.broadcaster import Broadcaster
from signin.live.hub import Hub
from signin.settings import Settings
from signin.telemetry.console import use_console
from signin.telemetry.metrics import Metrics
from signin.website.representation import Page
from signin.website.security import page_headers
from signin.website.site import Site

HUB = "signinsamplehub"

_CLOSE_SECONDS = 5.0  # for the committers, and again for the broadcasters


class App:
    """What the counters of one worker process have in common, and the counters. Its coroutines are for one event loop.

    A counter starts when it is first asked for, so that a room costs nothing until then.
    """

    def __init__(self, settings: Settings) -> None:
        self.rooms = settings.rooms
        self.broadcast_interval = settings.broadcast_interval
        self.allowed_origins = settings.allowed_origins
        self.page_headers = page_headers(
            settings.signalr.client_endpoint, settings.content_security_policy, settings.allowed_origins
        )
        self._settings = settings
        self._table = settings.table.connect()
        identity = settings.signalr.identity
        self._signalr_credential = Credential(identity) if identity else None
        titles = {name: room.title for name, room in settings.rooms.items()}
        authorization = _authorization(settings.blob_identity)
        self._site = Site(settings.blob_url, authorization, settings.max_file_mb, titles)
        self._metrics = Metrics()
        self._counters: dict[str, RoomCounter] = {}

    def start(self) -> None:
        """Start the thread that logs the metrics."""
        self._metrics.start()

    def close(self) -> None:
        """Commit and broadcast what is pending, in bounded time.

        Best effort: the host may kill a worker. Then only the broadcast of the last interval is lost; visits that were
        not yet durable were not acknowledged either.
        """
        counters = list(self._counters.values())
        _close([counter.committer for counter in counters])
        _close([counter.broadcaster for counter in counters])
        self._metrics.close()
        self._site.close()

    def counter(self, room: str = "") -> RoomCounter:
        """The counter of a room in `rooms`."""
        counter = self._counters.get(room)
        if counter is None:
            name = f"{HUB}_{room.replace('-', '_')}" if room else HUB  # the name of a hub may have no hyphen
            hub = Hub(self._settings.signalr, name, self._signalr_credential)
            counter = self._counters[room] = RoomCounter(
                self._table.of_room(room), hub, self._settings, self._metrics, self._site.check
            )
            counter.start()
        return counter

    async def page(self, path: str, method: str, headers: Mapping[str, str], query: str) -> Page:
        """The static content at a path, see `Site.get`. Raises ContentUnavailable."""
        return await self._site.get(path, method, headers, query)


def _close(parts: Sequence[Committer | Broadcaster]) -> None:
    """Close threads side by side, in at most _CLOSE_SECONDS."""
    for part in parts:
        part.close(timeout=0.0)  # all of them end what they do before any is waited for
    until = time.monotonic() + _CLOSE_SECONDS
    for part in parts:
        part.close(timeout=max(0.0, until - time.monotonic()))


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
            atexit.register(app.close)
            _app = app
        return _app


def exit_on_sigterm() -> None:
    """Make SIGTERM, by which the host ends a worker, close the app and exit normally.

    The app is closed before the exit: the interpreter stops all thread pools before it runs `atexit` handlers, and the
    SDK has a pool for each transaction. Python allows handlers to be set in the main thread only, in which the worker
    imports the app.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _close_and_exit)


def _close_and_exit(*_: object) -> None:
    if _app is not None:
        atexit.unregister(_app.close)  # it would wait a second time for what hangs
        _app.close()
    sys.exit(0)
