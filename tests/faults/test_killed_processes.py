"""The app in several worker processes that are killed repeatedly during visits, or whose storage fails."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from uuid import uuid4

import aiohttp
import pytest

from local.emulators.azurite import Account
from local.environment.services import settings_for
from signin.counting.table import VisitTable
from tests.conftest import SignalR, StartApp
from tests.support.audit import rows_of
from tests.support.faults import FaultyProxy
from tests.support.running_host import PROCESS_HEADER, RunningHost
from tests.support.user_agents import BROWSERS
from tests.support.visitors import unlimited_session, visit

from .conftest import Report
from .history import History, Shown

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")

SEED = 20261123
WORKERS = 3
AT_ONCE, AT_ONCE_IN_SOAK = 24, 100
VISITS_IN_SOAK, KILL_EVERY_IN_SOAK = 10_000, 500

# Visits with keys that the visitors choose, and a shorter wait for a response of storage
SETUP = f"""
{PROCESS_HEADER}
import dataclasses

from signin.counting import table
from signin.visits.visit import Visit

from_request = Visit.from_request


def with_chosen_key(request, _, allowed_origins, at):
    return dataclasses.replace(from_request(request, at=at), key=request.headers["visit-key"])


Visit.from_request = with_chosen_key
table._REQUEST_OPTIONS["read_timeout"] = float(os.environ["READ_SECONDS"])
"""


@dataclass
class Visitors:
    """Visits one after the other on each of many connections; every so many-th response gets its worker killed."""

    url: str
    connections: int
    kill_every: int | None
    seconds: float = 0.0
    history: History = field(default_factory=History)
    killed: list[int] = field(default_factory=list)
    _chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    async def visit(self, count: int) -> None:
        ahead, began = iter(range(count)), time.monotonic()
        async with unlimited_session() as http, asyncio.TaskGroup() as group:
            for _ in range(self.connections):
                group.create_task(self._keep_visiting(http, ahead))
        self.seconds = time.monotonic() - began

    async def _keep_visiting(self, http: aiohttp.ClientSession, ahead: Iterator[int]) -> None:
        for _ in ahead:
            while not await self._visit(http):  # noqa: ASYNC110 (no event reports that the host has a worker again)
                await asyncio.sleep(0.05)

    async def _visit(self, http: aiohttp.ClientSession) -> bool:
        """Make one visit; whether the host had a worker for it."""
        key = uuid4().hex
        self.history.attempt(key)
        response = await visit(http, self.url, self._chance.choice(BROWSERS), {"Visit-Key": key})
        if response.status == 200:
            self.history.outcomes[key] = "acknowledged"
            self.history.shown.append(
                Shown(response.process, response.began, response.ended, response.total, has_own_visit=True)
            )
            self._kill_now_and_then(response.process)
        elif response.status == 503:
            self.history.outcomes[key] = response.content["recorded"] if response.content else "no"
            return bool(response.content)
        else:
            assert response.status == 502, f"neither counted, nor refused, nor lost: {response}"
        return True

    def _kill_now_and_then(self, process: int) -> None:
        if self.kill_every and len(self.history.shown) % self.kill_every == 0 and process not in self.killed:
            os.kill(process, signal.SIGKILL)
            self.killed.append(process)


def check(visitors: Visitors, account: Account, host: RunningHost, report: Report, room: str = "") -> None:
    """The history check of a counter, for a host that has ended."""
    table = VisitTable.from_connection_string(account.connection_string).of_room(room)
    tally = visitors.history.check(table, rows_of(account))
    report(f"{tally}, processes killed {len(visitors.killed)}, {visitors.seconds:.0f} s")
    assert "Traceback" not in host.text, host.text


def test_killed_processes_lose_no_acknowledged_visit(
    account: Account, settings: Mapping[str, str], start_app: StartApp, soak: bool, report: Report
) -> None:
    host = start_app({**settings, "READ_SECONDS": "5"}, WORKERS, SETUP)
    visitors = Visitors(host.url, AT_ONCE, kill_every=KILL_EVERY_IN_SOAK if soak else 100)
    asyncio.run(visitors.visit(VISITS_IN_SOAK if soak else 1_000))
    host.close()
    check(visitors, account, host, report)
    assert len(visitors.killed) >= WORKERS


def test_killed_processes_lose_no_visit_of_any_room(
    account: Account, settings: Mapping[str, str], start_app: StartApp, soak: bool, report: Report
) -> None:
    """Two rooms and the default counter at the same time."""
    host = start_app({**settings, "READ_SECONDS": "5", "Rooms": "keynote; hall-a"}, WORKERS, SETUP)
    folders = {"": host.url, "keynote": f"{host.url}/keynote", "hall-a": f"{host.url}/hall-a"}
    rooms = {room: Visitors(url, AT_ONCE // 3, kill_every=None if room else 50) for room, url in folders.items()}

    async def visit_all() -> None:
        count = VISITS_IN_SOAK if soak else 400
        await asyncio.gather(*(visitors.visit(count // 3 if room else count) for room, visitors in rooms.items()))

    asyncio.run(visit_all())
    host.close()
    for room, visitors in rooms.items():
        check(visitors, account, host, report, room)
    assert len(rooms[""].killed) >= WORKERS


@pytest.mark.parametrize("kill_every", [None, 40], ids=["kept alive", "killed"])
def test_processes_with_faulty_storage_lose_no_visit(
    kill_every: int | None, account: Account, signalr: SignalR, start_app: StartApp, soak: bool, report: Report
) -> None:
    with FaultyProxy(account.table_url, SEED) as proxy:
        settings = settings_for(replace(account, table_url=proxy.url), signalr.url)
        settings["READ_SECONDS"] = "1.0" if soak else "0.3"
        host = start_app(settings, WORKERS + 1 if soak else WORKERS, SETUP)
        if kill_every and soak:
            kill_every = KILL_EVERY_IN_SOAK
        visitors = Visitors(host.url, AT_ONCE_IN_SOAK if soak else AT_ONCE, kill_every)
        asyncio.run(visitors.visit(VISITS_IN_SOAK if soak else 240))
        host.close()
        proxy.deliver_late()
    report(str(proxy))
    check(visitors, account, host, report)
