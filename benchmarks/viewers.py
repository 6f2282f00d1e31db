"""Open pages, as light as they can be: WebSockets that note when a total arrives.

`connect` is called in a process of its own first, see process.py, the rest after it in the same one.
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
_PATIENCE = 30.0  # seconds
_CONNECTING = 100  # at once


class _Viewers:
    """Connections to the hub, on an event loop in a thread, and the moments at which each total arrived at them."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._connected = 0
        self._arrivals: defaultdict[int, list[float]] = defaultdict(list)
        self._has_news = threading.Condition()

    def connect(self, signalr_url: str) -> None:
        threading.Thread(target=asyncio.run, args=(self._watch(signalr_url),), daemon=True).start()
        self._wait_until(lambda: self._connected == self._count, "all are connected")

    def told_all(self, total: int) -> float:
        self._wait_until(lambda: len(self._arrivals[total]) >= self._count, f"all have been told {total}")
        return self._arrivals[total][self._count - 1]

    def told_so_far(self) -> list[tuple[float, int]]:
        with self._has_news:
            return sorted(
                (moments[self._count - 1], total)
                for total, moments in self._arrivals.items()
                if len(moments) >= self._count
            )

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        with self._has_news:
            if not self._has_news.wait_for(condition, _PATIENCE):
                raise TimeoutError(f"waited {_PATIENCE:.0f} s until {what}")

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
        self._note(connected=1)
        async for message in socket:
            for total in _totals(message.data):
                self._note(total=total)

    def _note(self, connected: int = 0, total: int | None = None) -> None:
        with self._has_news:
            self._connected += connected
            if total is not None:
                self._arrivals[total].append(time.monotonic())
            if self._connected == self._count and (total is None or len(self._arrivals[total]) == self._count):
                self._has_news.notify_all()


@cache
def _totals(frames: str) -> list[int]:
    """The totals in what arrived at once; it is the same text for all viewers."""
    calls = (json.loads(frame) for frame in frames.split("\x1e") if frame)
    return [call["arguments"][0] for call in calls if call["type"] == 1]


_viewers: _Viewers


def connect(signalr_url: str, count: int) -> None:
    """Open so many connections; they last as long as the process."""
    global _viewers
    _viewers = _Viewers(count)
    _viewers.connect(signalr_url)


def told_all(total: int) -> float:
    """Wait until every viewer has been told exactly this total; when the last of them was, by time.monotonic()."""
    return _viewers.told_all(total)


def told_so_far() -> list[tuple[float, int]]:
    """What every viewer has been told, in order: when the last of them was, and the total."""
    return _viewers.told_so_far()
