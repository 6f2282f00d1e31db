"""Visitors: real User-Agents, and many of them at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import aiohttp

EDGE_ON_WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
)
SAFARI_ON_IOS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
FIREFOX_ON_LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"

PATIENCE = 30  # seconds until a test gives up waiting for an event


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a visit, and when, by the monotonic clock, the request began and its answer was complete."""

    status: int
    content: Any
    retry_after: str | None
    began: float
    ended: float

    @property
    def total(self) -> int:
        assert self.status == 200, f"the visit was answered {self.status} {self.content}"
        return int(self.content["stats"]["totalNumber"])


async def visit(http: aiohttp.ClientSession, url: str, user_agent: str = FIREFOX_ON_LINUX) -> Answered:
    """One visit to the app at `url`."""
    began = time.monotonic()
    async with http.get(f"{url}/signin", headers={"User-Agent": user_agent}) as response:
        content = await response.json()
        return Answered(response.status, content, response.headers.get("Retry-After"), began, time.monotonic())


async def visits(urls: Sequence[str], count: int, connections: int) -> list[Answered]:
    """Many visits, shared out to several apps, over so many connections at once; on each, one after the other."""
    ahead: Iterator[tuple[str, str]] = iter(
        [
            (url, user_agent)
            for _, url, user_agent in zip(
                range(count), cycle(urls), cycle([EDGE_ON_WINDOWS, SAFARI_ON_IOS, FIREFOX_ON_LINUX]), strict=False
            )
        ]
    )
    answers: list[Answered] = []

    async def keep_visiting() -> None:
        for url, user_agent in ahead:
            answers.append(await visit(http, url, user_agent))

    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as visitors:
        for _ in range(connections):
            visitors.create_task(keep_visiting())
    return answers
