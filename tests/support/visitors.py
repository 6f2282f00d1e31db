"""Visits to the app, one or many at a time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import aiohttp

from tests.support import TEST_TIMEOUT
from tests.support.user_agents import BROWSERS, FIREFOX_ON_LINUX

_NO_RESPONSE = 0


@dataclass(frozen=True, slots=True)
class VisitResponse:
    """The response to a visit, and when, by the monotonic clock, the request began and its response was complete.

    `status` is 0 if the connection broke, `content` None without JSON, and `process` is the id of the app's process
    that responded, 0 if the app does not send it.
    """

    began: float
    ended: float
    status: int = _NO_RESPONSE
    content: Any = None
    retry_after: str | None = None
    process: int = 0

    @property
    def total(self) -> int:
        assert self.status == 200, f"the response to the visit was {self.status} {self.content}"
        return int(self.content["stats"]["totalNumber"])


async def visit(
    http: aiohttp.ClientSession, url: str, user_agent: str = FIREFOX_ON_LINUX, headers: Mapping[str, str] | None = None
) -> VisitResponse:
    """One visit to the app at `url`."""
    began = time.monotonic()
    try:
        async with http.post(f"{url}/signin", headers={"User-Agent": user_agent, **(headers or {})}) as response:
            body = await response.read()
    except aiohttp.ClientError:
        return VisitResponse(began, time.monotonic())
    return VisitResponse(
        began,
        time.monotonic(),
        response.status,
        json.loads(body) if response.content_type == "application/json" else None,
        response.headers.get("Retry-After"),
        int(response.headers.get("Process", 0)),
    )


async def make_visits(urls: Sequence[str], count: int, connections: int) -> list[VisitResponse]:
    """Many visits to several apps in turn, over so many connections; on each, one after the other."""
    ahead = iter([url for _, url in zip(range(count), cycle(urls), strict=False)])
    user_agents = cycle(BROWSERS)
    responses: list[VisitResponse] = []

    async def keep_visiting() -> None:
        for url in ahead:
            responses.append(await visit(http, url, next(user_agents)))

    async with unlimited_session() as http, asyncio.TaskGroup() as visitors:
        for _ in range(connections):
            visitors.create_task(keep_visiting())
    return responses


class Visits:
    """Visits under way; `responses` are the responses so far."""

    def __init__(self) -> None:
        self.responses: list[VisitResponse] = []
        self.is_over = False
        self._has_news = asyncio.Event()

    @property
    def statuses(self) -> set[int]:
        return {response.status for response in self.responses}

    @property
    def last_process(self) -> int:
        """The id of the process that responded last."""
        return next(response.process for response in reversed(self.responses) if response.process)

    def with_status(self, status: int) -> list[VisitResponse]:
        return [response for response in self.responses if response.status == status]

    def add(self, response: VisitResponse) -> None:
        self.responses.append(response)
        self._has_news.set()

    async def until_answered(self, count: int, status: int | None = None) -> None:
        """Wait for so many more responses, of this status if one is given."""
        start = len(self.responses)
        async with asyncio.timeout(TEST_TIMEOUT):
            while sum(status in (None, response.status) for response in self.responses[start:]) < count:
                self._has_news.clear()
                await self._has_news.wait()


@asynccontextmanager
async def visiting(url: str, *, connections: int = 0, per_second: float = 0.0) -> AsyncIterator[Visits]:
    """Visits to the app at `url` for as long as the context lasts: one after the other on each of so many connections,
    or so many a second. At its end all have got their response.
    """
    visits = Visits()

    async def make_one(http: aiohttp.ClientSession) -> None:
        visits.add(await visit(http, url))

    async def keep_visiting(http: aiohttp.ClientSession) -> None:
        while not visits.is_over:
            await make_one(http)

    async def make_all() -> None:
        async with unlimited_session() as http, asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(keep_visiting(http))
            loop = asyncio.get_running_loop()
            next_at = loop.time()
            while per_second and not visits.is_over:
                group.create_task(make_one(http))
                next_at += 1 / per_second
                await asyncio.sleep(next_at - loop.time())

    making = asyncio.create_task(make_all())
    try:
        yield visits
    finally:
        visits.is_over = True
        await making


def unlimited_session() -> aiohttp.ClientSession:
    """A client with as many connections as requests under way."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=TEST_TIMEOUT)
    )
