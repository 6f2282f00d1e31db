"""Rooms at once: each counts exactly, and its pages show its own number."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import AsyncExitStack

import aiohttp
import pytest

from local import REPOSITORY
from local.emulators.azurite import Account
from tests.conftest import StartApp
from tests.support.audit import audit
from tests.support.running_host import PROCESS_HEADER
from tests.support.visitors import visit, visiting

from .pages import open_pages

ROOMS = {"": "", "keynote": "/keynote", "hall-a": "/api/hall-a"}  # the folder of each counter
PAGES = 5


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
async def test_rooms_under_load_survive_a_kill(account: Account, settings: dict[str, str], start_app: StartApp) -> None:
    """Through two processes, of which one is killed in the middle."""
    host = start_app(settings | {"Rooms": "keynote=Opening keynote; hall-a"}, workers=2, setup=PROCESS_HEADER)
    async with AsyncExitStack() as stack:
        pages = {
            room: await stack.enter_async_context(open_pages(f"{host.url}{folder}", PAGES))
            for room, folder in ROOMS.items()
        }
        for one in pages.values():
            await one.until_live()
        loads = {}
        async with AsyncExitStack() as visits:
            for number, (room, folder) in enumerate(ROOMS.items(), start=1):
                made = visiting(f"{host.url}{folder}", per_second=10 * number)
                loads[room] = await visits.enter_async_context(made)
            await loads[""].until_answered(20)
            os.kill(loads[""].last_process, signal.SIGKILL)
            await asyncio.to_thread(host.wait_for_log, "is up")
            await loads[""].until_answered(20)
        for room, load in loads.items():
            acknowledged = len(load.with_status(200)) + PAGES
            assert (await asyncio.to_thread(audit, account, room)).statistics.total >= acknowledged
            await pages[room].assert_final_total(account, room)
    assert len({audit(account, room).statistics.total for room in ROOMS}) == len(ROOMS), "they must not be alike"
    audited = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "signin", "audit"],
        cwd=REPOSITORY,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    assert (audited.returncode, audited.stderr) == (0, ""), audited.stdout


async def test_token_of_a_room_opens_no_other_hub(
    settings: dict[str, str], start_app: StartApp, account: Account
) -> None:
    host = start_app(settings | {"Rooms": "keynote; hall-a"})
    async with aiohttp.ClientSession() as http:
        granted = {}
        for room, folder in ROOMS.items():
            async with http.post(f"{host.url}{folder}/negotiate") as response:
                granted[room] = await response.json()
            assert (await visit(http, f"{host.url}{folder}")).total == 1
        for room, own in granted.items():
            for other, access in granted.items():
                url = access["url"].replace("/client/?", "/client/negotiate?negotiateVersion=1&")
                async with http.post(url, headers={"Authorization": f"Bearer {own['accessToken']}"}) as response:
                    assert (response.status == 200) == (room == other), f"{room} at {other}: {response.status}"
