"""Open homepages in one Node process, and everything that they have shown."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from local.emulators.azurite import Account
from local.node import NODE
from tests.support import TEST_TIMEOUT
from tests.support.audit import audit

SCRIPT = Path(__file__).with_name("pages.mjs")


@dataclass(slots=True)
class Page:
    """What one page has shown since it was opened, and the number of its requests by route ("POST signin")."""

    totals: list[int] = field(default_factory=list)
    states: list[str] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def is_live(self) -> bool:
        return self.states[-1:] == ["live"]

    def record(self, what: str, value: int | str) -> None:
        if what == "total":
            self.totals.append(int(value))
        elif what == "state":
            self.states.append(str(value))
        else:
            self.requests[str(value)] += 1


class Pages:
    """The pages of one process."""

    def __init__(self, output: asyncio.StreamReader, count: int) -> None:
        self.each = [Page() for _ in range(count)]
        self._output = output
        self._has_news = asyncio.Event()
        self._is_over = False

    async def follow(self) -> None:
        """Record the events of the pages until their process ends."""
        async for line in self._output:
            page, what, value = json.loads(line)
            self.each[page].record(what, value)
            self._has_news.set()
        self._is_over = True
        self._has_news.set()

    async def until(self, condition: Callable[[Page], bool], what: str) -> None:
        """Wait until the condition, which `what` describes, holds for every page."""
        try:
            async with asyncio.timeout(TEST_TIMEOUT):
                while not all(map(condition, self.each)):
                    assert not self._is_over, "the process of the pages has ended, with the error above"
                    self._has_news.clear()
                    await self._has_news.wait()
        except TimeoutError:
            behind = [(number, page) for number, page in enumerate(self.each) if not condition(page)]
            number, page = behind[0]
            raise AssertionError(
                f"{len(behind)} of {len(self.each)} pages are not {what}, e.g. page {number}: "
                f"totals {page.totals[-5:]}, states {page.states[-5:]}, requests {dict(page.requests)}"
            ) from None

    async def until_live(self) -> None:
        await self.until(lambda page: page.is_live, "live")

    async def until_shown(self, total: int) -> None:
        """Wait until every page shows at least this."""
        await self.until(lambda page: page.totals[-1:] >= [total], f"at {total}")

    async def assert_final_total(self, account: Account, room: str = "") -> None:
        """Wait until every page shows the total of its counter, to which nothing is being written any more.

        Fails if a page shows another total in the end, ever showed a smaller number after a larger one, or signed in
        more than once.
        """
        total = (await asyncio.to_thread(audit, account, room)).statistics.total
        await self.until_shown(total)
        for number, page in enumerate(self.each):
            assert page.totals[-1] == total, f"page {number} shows {page.totals[-1]}, the table holds {total}"
            assert all(a < b for a, b in pairwise(page.totals)), f"page {number} went back: {page.totals}"
            assert page.requests["POST signin"] == 1, f"page {number} signed in {page.requests['POST signin']} times"


@asynccontextmanager
async def open_pages(url: str, count: int) -> AsyncIterator[Pages]:
    """So many pages of the app at a url, opened at once, for as long as the context lasts."""
    process = await asyncio.create_subprocess_exec(
        *(NODE, SCRIPT, url, str(count)), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin
    assert process.stdout
    pages = Pages(process.stdout, count)
    following = asyncio.create_task(pages.follow())
    try:
        yield pages
    finally:
        process.stdin.close()
        await process.wait()
        await following
