"""Open pages, as lightweight as possible: WebSockets that record when each total arrives.

These are loads of one process (see process.py): `connect` first, then the others.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache

import aiohttp
import jwt

from local.emulators.signalr.tokens import DEVELOPMENT_KEY
from signin.app import HUB

_HANDSHAKE = '{"protocol":"json","version":1}\x1e'
_TIMEOUT_SECONDS = 30.0
_CONNECTING = 100  # at once


class _Viewers:
    """Connections to the hub, on an event loop in a thread, and the times at which each total arrived."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._connected = 0
        self._arrivals: defaultdict[int, list[float]] = defaultdict(list)
        self._changed = threading.Condition()

    def connect(self, signalr_url: str) -> None:
        threading.Thread(target=asyncio.run, args=(self._watch(signalr_url),), daemon=True).start()
        self._wait_until(lambda: self._connected == self._count, "all are connected")

    def wait_for_total(self, total: int) -> float:
        self._wait_until(lambda: len(self._arrivals[total]) >= self._count, f"all have received {total}")
        return self._arrivals[total][self._count - 1]

    def totals_received(self) -> list[tuple[float, int]]:
        with self._changed:
            return sorted(
                (moments[self._count - 1], total)
                for total, moments in self._arrivals.items()
                if len(moments) >= self._count
            )

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, _TIMEOUT_SECONDS):
                raise TimeoutError(f"waited {_TIMEOUT_SECONDS:.0f} s until {what}")

    async def _watch(self, signalr_url: str) -> None:
        limit = asyncio.Semaphore(_CONNECTING)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http, asyncio.TaskGroup() as all_:
            for _ in range(self._count):
                all_.create_task(self._view(http, signalr_url, limit))

    async def _view(self, http: aiohttp.ClientSession, signalr_url: str, limit: asyncio.Semaphore) -> None:
        url = f"{signalr_url}/client/?hub={HUB}"
        token = jwt.encode({"aud": url, "exp": time.time() + 3600}, DEVELOPMENT_KEY, "HS256")
        async with limit:
            socket = await http.ws_connect(url, headers={"Authorization": f"Bearer {token}"})
            await socket.send_str(_HANDSHAKE)
            await socket.receive_str()
        self._record(connected=1)
        async for message in socket:
            for total in _totals(message.data):
                self._record(total=total)

    def _record(self, connected: int = 0, total: int | None = None) -> None:
        with self._changed:
            self._connected += connected
            if total is not None:
                self._arrivals[total].append(time.monotonic())
            if self._connected == self._count and (total is None or len(self._arrivals[total]) == self._count):
                self._changed.notify_all()


@cache
def _totals(frames: str) -> list[int]:
    """The totals in a message. Cached, since all viewers receive the same text."""
    calls = (json.loads(frame) for frame in frames.split("\x1e") if frame)
    return [call["arguments"][0] for call in calls if call["type"] == 1]


_viewers: _Viewers


def connect(signalr_url: str, count: int) -> None:
    """Open `count` connections, which last as long as the process."""
    global _viewers
    _viewers = _Viewers(count)
    _viewers.connect(signalr_url)


def wait_for_total(total: int) -> float:
    """Wait until every viewer has received exactly this total. Returns the time of the last one by time.monotonic()."""
    return _viewers.wait_for_total(total)


def totals_received() -> list[tuple[float, int]]:
    """The totals that every viewer has received, each after the time at which the last viewer received it; in order."""
    return _viewers.totals_received()
