"""Several processes of the app: they are killed, share the broadcasts, serve a thousand pages."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import aiohttp
import pytest

from local.emulators.azurite import Account
from tests.conftest import SignalR, StartApp
from tests.support.running_host import PROCESS_HEADER
from tests.support.visitors import visit, visiting

from .conftest import INTERVAL
from .pages import open_pages

WORKERS = 3
PAGES = 20
KILLS = 2


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
async def test_others_broadcast_for_a_killed_process(
    account: Account, settings: dict[str, str], start_app: StartApp
) -> None:
    """The process that acknowledged the last visit is killed, while the others have nothing to broadcast."""
    host = start_app(settings | {"BroadcastIntervalSeconds": "3"}, workers=WORKERS, setup=PROCESS_HEADER)
    async with open_pages(host.url, PAGES) as pages, aiohttp.ClientSession() as http:
        await pages.until_live()
        async with visiting(host.url, per_second=60) as load:
            await load.until_answered(100)
        await pages.assert_final_total(account)
        for _ in range(KILLS):
            first = await visit(http, host.url)
            await pages.until_shown(first.total)
            last = await visit(http, host.url)  # its broadcast waits for the end of the interval
            assert last.process != first.process, "only the other process looks for its visits"
            os.kill(last.process, signal.SIGKILL)
            await pages.assert_final_total(account)
            await asyncio.to_thread(host.wait_for_log, "is up")


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
async def test_kills_under_load_leave_no_page_behind(
    account: Account, settings: dict[str, str], start_app: StartApp
) -> None:
    host = start_app(settings, workers=WORKERS, setup=PROCESS_HEADER)
    async with open_pages(host.url, PAGES) as pages:
        await pages.until_live()
        async with visiting(host.url, per_second=60) as load:
            for _ in range(KILLS):
                await load.until_answered(40)
                os.kill(load.last_process, signal.SIGKILL)
                await asyncio.to_thread(host.wait_for_log, "is up")
        await pages.assert_final_total(account)


async def test_thousand_pages_show_the_final_total(
    account: Account, settings: dict[str, str], start_app: StartApp
) -> None:
    host = start_app(settings, workers=WORKERS)
    async with open_pages(host.url, 1000) as pages:
        await pages.until_live()
        async with visiting(host.url, per_second=50) as load:
            await load.until_answered(100)
        assert load.statuses == {200}
        await pages.assert_final_total(account)


async def test_four_processes_share_one_broadcast_rate(
    signalr: SignalR, settings: dict[str, str], start_app: StartApp
) -> None:
    host = start_app(settings, workers=4)
    loop = asyncio.get_running_loop()
    async with visiting(host.url, per_second=200) as load:
        await load.until_answered(100)  # each process knows of the others
        before, began = await broadcasts(signalr), loop.time()
        await load.until_answered(600)
        sent, intervals = await broadcasts(signalr) - before, (loop.time() - began) / float(INTERVAL)
    assert sent <= intervals + 2, f"{sent} broadcasts in {intervals:.1f} intervals"
    assert sent >= intervals / 4, f"only {sent} broadcasts in {intervals:.1f} intervals"


async def broadcasts(signalr: SignalR) -> int:
    """The number of broadcasts that the service has accepted."""
    async with aiohttp.ClientSession() as http, http.get(f"{signalr.url}/emulator/counters") as response:
        return int((await response.json())["broadcasts"])
