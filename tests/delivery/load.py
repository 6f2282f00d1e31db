"""Visits, so many a second."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.integration.visitors import FIREFOX_ON_LINUX, PATIENCE

NO_ANSWER = 0


class Load:
    """`answers` counts the visits by the status they were answered with, 0 where the connection broke."""

    def __init__(self, url: str, per_second: float) -> None:
        self.answers: Counter[int] = Counter()
        self.last_process = 0
        self._url = f"{url}/signin"
        self._gap = 1 / per_second
        self._has_news = asyncio.Event()

    async def come(self) -> None:
        """Visit until cancelled, then wait for the answers to what was asked."""
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http,
            asyncio.TaskGroup() as visits,
        ):
            loop = asyncio.get_running_loop()
            next_at = loop.time()
            try:
                while True:
                    visits.create_task(self._visit(http))
                    next_at += self._gap
                    await asyncio.sleep(next_at - loop.time())
            except asyncio.CancelledError:
                pass

    async def until(self, visits: int) -> None:
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
        coming.cancel()
        await coming
