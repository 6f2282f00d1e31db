"""Visits, so many a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from tests.integration.visitors import FIREFOX_ON_LINUX, PATIENCE

NO_ANSWER = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """What a visitor was told: the total, and by which process (0 where the app does not say)."""

    total: int
    process: int


async def visit(http: aiohttp.ClientSession, url: str) -> Answered:
    """One visit to the app at a url."""
    async with http.post(f"{url}/signin", headers={"User-Agent": FIREFOX_ON_LINUX}) as response:
        content = await response.json()
        assert response.status == 200, f"the visit was answered {response.status} {content}"
        return Answered(content["stats"]["totalNumber"], int(response.headers.get("Process", 0)))


class Load:
    """`answers` counts the visits by the status they were answered with, 0 where the connection broke.

    `last_process` is the id of the process that gave the last answer, where the app tells it.
    """

    def __init__(self, url: str, per_second: float) -> None:
        self.answers: Counter[int] = Counter()
        self.last_process = 0
        self._url = f"{url}/signin"
        self._gap = 1 / per_second
        self._is_over = False
        self._has_news = asyncio.Event()

    def end(self) -> None:
        """Let nobody come any more."""
        self._is_over = True

    async def come(self) -> None:
        """Visit until the end; return when all visits are answered."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http,
            asyncio.TaskGroup() as visits,
        ):
            loop = asyncio.get_running_loop()
            next_at = loop.time()
            while not self._is_over:
                visits.create_task(self._visit(http))
                next_at += self._gap
                await asyncio.sleep(next_at - loop.time())

    async def until_answered(self, visits: int) -> None:
        """Wait until so many more visits were answered."""
        wanted = self.answers.total() + visits
        async with asyncio.timeout(PATIENCE):
            while self.answers.total() < wanted:
                self._has_news.clear()
                await self._has_news.wait()

    async def _visit(self, http: aiohttp.ClientSession) -> None:
        try:
            async with http.post(self._url, headers={"User-Agent": FIREFOX_ON_LINUX}) as response:
                await response.read()
                self.answers[response.status] += 1
                self.last_process = int(response.headers.get("Process", self.last_process))
        except aiohttp.ClientError:
            self.answers[NO_ANSWER] += 1
        self._has_news.set()


@asynccontextmanager
async def visits(url: str, per_second: float) -> AsyncIterator[Load]:
    """Visits to the app at a url for as long as the context lasts; at its end all of them are answered."""
    load = Load(url, per_second)
    coming = asyncio.create_task(load.come())
    try:
        yield load
    finally:
        load.end()
        await coming
