"""The app in several worker processes, which are killed again and again while visitors come, or whose storage fails."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from azure.data.tables import TableClient

from local import REPOSITORY
from local.emulators.azurite import Account
from local.environment.services import settings_for
from signin.counting.table import TABLE_NAME, VisitTable
from tests.conftest import SignalR
from tests.functions.running_host import RunningHost

from .conftest import Tell
from .fault_proxy import fault_proxy
from .history import History, Outcome, Shown

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")

SEED = 20261123
WORKERS = 3
AT_ONCE, AT_ONCE_IN_SOAK = 24, 100
VISITS_IN_SOAK, KILL_EVERY_IN_SOAK = 10_000, 500
PATIENCE = 60  # seconds a visitor waits for an answer

# The app's code, with visits whose keys the visitors choose, and answers that say which process gave them.
APP = """
import dataclasses
import os

import azure.functions as func

from signin import responses
from signin import app as parts
from signin.counting import table

table._PATIENCE["read_timeout"] = float(os.environ["READ_SECONDS"])
visit_of = parts.visit_of
parts.visit_of = lambda headers: dataclasses.replace(Visit.from_headers(headers), key=headers["visit-key"])
app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("signin")
@responses.errors_as_responses
async def signin(req: func.HttpRequest) -> func.HttpResponse:
    response = responses.sign_in(await parts.current().sign_in(req.headers))
    response.headers["Process"] = str(os.getpid())
    return response
"""


StartHost = Callable[..., RunningHost]


@pytest.fixture
def start_host(tmp_path: Path, signalr: SignalR) -> Iterator[StartHost]:
    """Start the app on an account, with so many workers; stopped when the test ends."""
    tmp_path.joinpath("function_app.py").write_text(APP)
    tmp_path.joinpath("host.json").write_text(REPOSITORY.joinpath("host.json").read_text())
    with ExitStack() as stack:

        def start(account: Account, workers: int, read_seconds: float) -> RunningHost:
            environment = settings_for(account, signalr.url) | {"READ_SECONDS": str(read_seconds)}
            host = RunningHost(tmp_path, "--port", "0", "--workers", str(workers), environment=environment)
            stack.callback(host.close)
            return host

        yield start


@dataclass
class Visitors:
    """They come one after the other on each of many connections, and kill the worker of every so many-th answer."""

    url: str
    at_once: int
    kill_every: int | None
    seconds: float = 0.0
    history: History = field(default_factory=History)
    killed: list[int] = field(default_factory=list)
    _chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    async def come(self, visits: int) -> None:
        turns, began = iter(range(visits)), time.monotonic()
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self.at_once), timeout=aiohttp.ClientTimeout(total=PATIENCE)
            ) as http,
            asyncio.TaskGroup() as connections,
        ):
            for _ in range(self.at_once):
                connections.create_task(self._keep_visiting(http, turns))
        self.seconds = time.monotonic() - began

    async def _keep_visiting(self, http: aiohttp.ClientSession, turns: Iterator[int]) -> None:
        for _ in turns:
            while not await self._visit(http):  # noqa: ASYNC110 (nothing tells when the host has started another)
                await asyncio.sleep(0.05)

    async def _visit(self, http: aiohttp.ClientSession) -> bool:
        """Make one visit; whether there was a worker that could be asked."""
        key, user_agent = (
            uuid4().hex,
            self._chance.choice(["curl/8.5.0", "Mozilla/5.0 (Windows NT 10.0) Firefox/127.0"]),
        )
        self.history.attempt(key)
        began = time.monotonic()
        async with http.post(self.url, headers={"Visit-Key": key, "User-Agent": user_agent}) as response:
            body = await response.read()
        if response.status == 200:
            process, total = int(response.headers["Process"]), json.loads(body)["stats"]["totalNumber"]
            self.history.outcomes[key] = "acknowledged"
            self.history.shown.append(Shown(process, began, time.monotonic(), total, has_own_visit=True))
            self._kill_now_and_then(process)
        elif response.status == 503:
            recorded: Outcome = json.loads(body)["recorded"] if body else "no"
            self.history.outcomes[key] = recorded
            return bool(body)
        else:
            assert response.status == 502, f"neither counted, nor refused, nor lost: {response.status} {body!r}"
        return True

    def _kill_now_and_then(self, process: int) -> None:
        if self.kill_every and len(self.history.shown) % self.kill_every == 0 and process not in self.killed:
            os.kill(process, signal.SIGKILL)
            self.killed.append(process)


def check(visitors: Visitors, account: Account, host: RunningHost, tell: Tell) -> None:
    """The history check, for a host that has ended."""
    with TableClient.from_connection_string(account.connection_string, TABLE_NAME) as table:
        rows = list(table.list_entities())
    tally = visitors.history.check(VisitTable.from_connection_string(account.connection_string), rows)
    tell(f"{tally}, processes killed {len(visitors.killed)}, {visitors.seconds:.0f} s")
    assert "Traceback" not in host.text, host.text


def test_killed_processes_lose_nothing_that_was_acknowledged(
    account: Account, start_host: StartHost, soak: bool, tell: Tell
) -> None:
    host = start_host(account, WORKERS, read_seconds=5.0)
    visitors = Visitors(f"http://127.0.0.1:{host.port}/signin", AT_ONCE, kill_every=KILL_EVERY_IN_SOAK if soak else 100)
    asyncio.run(visitors.come(VISITS_IN_SOAK if soak else 1_000))
    host.close()
    check(visitors, account, host, tell)
    assert len(visitors.killed) >= WORKERS


@pytest.mark.parametrize("kill_every", [None, 40], ids=["they live", "they are killed"])
def test_processes_whose_storage_fails_count_as_their_visitors_were_told(
    kill_every: int | None, account: Account, start_host: StartHost, soak: bool, tell: Tell
) -> None:
    with fault_proxy(account.table_url, SEED) as proxy:
        proxied = replace(account, table_url=proxy.url)
        host = start_host(proxied, WORKERS + 1 if soak else WORKERS, read_seconds=1.0 if soak else 0.3)
        url = f"http://127.0.0.1:{host.port}/signin"
        if kill_every and soak:
            kill_every = KILL_EVERY_IN_SOAK
        visitors = Visitors(url, AT_ONCE_IN_SOAK if soak else AT_ONCE, kill_every)
        asyncio.run(visitors.come(VISITS_IN_SOAK if soak else 240))
        host.close()
        proxy.deliver_late()
    tell(str(proxy))
    check(visitors, account, host, tell)
