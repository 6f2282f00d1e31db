"""The loads: functions that a measured process runs, see process.py.

They call the app like the Functions worker does: the decorated function, awaited concurrently on one event loop.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import cycle
from pathlib import Path
from uuid import uuid4

import azure.functions as func
from azure.core import MatchConditions
from azure.data.tables import TableClient, UpdateMode

import function_app
from signin.app import HUB, current_app
from signin.counting.rows import MAX_SHARDS, STATS_KEY, Partitions
from signin.counting.table import MAX_VISITS, TABLE_NAME, VisitTable
from signin.live.broadcaster import TARGET
from signin.live.hub import Hub
from signin.settings import MAX_ROOMS, Settings
from signin.visits.dimensions import DIMENSIONS, SignInRequest, labels_of
from signin.visits.history import RESOLUTIONS
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit

USER_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14.5; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
)

ONE_YEAR = sum(resolution.kept for resolution in RESOLUTIONS.values())  # this many visits fill the history

_LABELS = labels_of(SignInRequest({"user-agent": USER_AGENTS[0]}))

_SAMPLE_PARTITION = "SignIn"
_SAMPLE_BATCH = 100  # rows


@dataclass(frozen=True, slots=True)
class Timing:
    """The duration of a load and of each of its parts, in seconds."""

    seconds: float
    each: tuple[float, ...]


ROOMS = [f"room-{number}" for number in range(MAX_ROOMS)]  # of every measured process


def sign_in(count: int, at_once: int = 1, rooms: int = 0) -> Timing:
    """Send visits to the app, at most `at_once` concurrently: to so many rooms in turn, or to the default counter."""
    return asyncio.run(_sign_in(count, at_once, ROOMS[:rooms] or [""]))


async def _sign_in(count: int, at_once: int, rooms: Sequence[str]) -> Timing:
    visits = (room for room, _ in zip(cycle(rooms), range(count), strict=False))
    user_agents = cycle(USER_AGENTS)
    each: list[float] = []

    async def visitor() -> None:
        for room in visits:
            began = time.perf_counter()
            await _respond(next(user_agents), room)
            each.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(visitor() for _ in range(at_once)))
    return Timing(time.perf_counter() - began, tuple(each))


@dataclass(frozen=True, slots=True)
class Counted:
    """An acknowledged visit: the total in its response, and the time of the response by time.monotonic()."""

    total: int
    acknowledged_at: float


def visit() -> Counted:
    """Send one visit to the app."""
    return asyncio.run(_visit(USER_AGENTS[0]))


def visit_steadily(per_second: float, seconds: float) -> list[Counted]:
    """Send visits to the app at a fixed rate, without waiting for their responses."""
    return asyncio.run(_visit_steadily(per_second, seconds))


async def _visit_steadily(per_second: float, seconds: float) -> list[Counted]:
    user_agents = cycle(USER_AGENTS)
    visits: list[asyncio.Task[Counted]] = []
    began = time.monotonic()
    for number in range(round(per_second * seconds)):
        await asyncio.sleep(began + number / per_second - time.monotonic())
        visits.append(asyncio.create_task(_visit(next(user_agents))))
    return await asyncio.gather(*visits)


async def _visit(user_agent: str) -> Counted:
    response = await _respond(user_agent)
    acknowledged_at = time.monotonic()
    return Counted(json.loads(response.get_body())["stats"]["totalNumber"], acknowledged_at)


def thread_count() -> int:
    """The number of threads of the process."""
    return threading.active_count()


async def _respond(user_agent: str, room: str = "") -> func.HttpResponse:
    route_params = {"room": room} if room else {}
    request = func.HttpRequest(
        "GET", "/signin", headers={"User-Agent": user_agent}, route_params=route_params, body=b""
    )
    response: func.HttpResponse = await function_app.signin(request)
    if response.status_code != 200:
        raise RuntimeError(f"status {response.status_code} for a visit: {response.get_body().decode()}")
    return response


def total() -> int:
    """The total in the statistics of the app."""
    return asyncio.run(current_app().counter().statistics()).total


def shard_count() -> int:
    """The number of shards that have visits."""
    table = Settings.from_environment(os.environ).table.connect()
    return sum(state.statistics.total > 0 for state in table.read_all(range(MAX_SHARDS)))


def broadcast(total: int) -> float:
    """Send a broadcast without a visit. Returns its start by time.monotonic()."""
    counts = dict.fromkeys(("Windows", "macOS", "Linux"), total // 3)
    began = time.monotonic()
    statistics = Statistics.from_counts(total, {dimension.column: counts for dimension in DIMENSIONS})
    _hub().broadcast(TARGET, statistics.summary())
    return began


@cache
def _hub() -> Hub:
    return Hub(Settings.from_environment(os.environ).signalr, HUB)


def peak_memory() -> list[float]:
    """The peak memory of this process in MB, as a list of one value; empty if the system is not Linux."""
    status = Path("/proc/self/status")
    return [int(kb) / 1024 for kb in re.findall(r"VmHWM:\s*(\d+) kB", status.read_text())] if status.exists() else []


def fill(connection_string: str, count: int) -> None:
    """Add earlier visits to the app's table, spread over the last year so that the history is full."""
    table = VisitTable.from_connection_string(connection_string)
    now = datetime.now(UTC)
    times = cycle(
        [
            now - timedelta(seconds=seconds * number)
            for seconds, kept in RESOLUTIONS.values()
            for number in reversed(range(kept))
        ]
    )
    state = table.read(0)
    for size in _batches(count, MAX_VISITS):
        visits = [Visit(uuid4().hex, _LABELS, next(times)) for _ in range(size)]
        state = table.commit(0, state, visits)


def transact(connection_string: str, count: int, visits: int) -> Timing:
    """Submit `count` transactions with the rows of `visits` visits and the stats row, like the app's, one by one."""
    return _Transactions.of(connection_string).submit(count, visits)


class _Transactions:
    """The SDK in a loop on a table that the app has filled. The stats row is written back unchanged."""

    def __init__(self, connection_string: str) -> None:
        self._client = TableClient.from_connection_string(connection_string, TABLE_NAME)
        self._row = self._client.get_entity(Partitions().of(0), STATS_KEY)
        self._etag = self._row.metadata["etag"]

    @classmethod
    @cache
    def of(cls, connection_string: str) -> _Transactions:
        return cls(connection_string)

    def submit(self, count: int, visits: int) -> Timing:
        each: list[float] = []
        for _ in range(count):
            began = time.perf_counter()
            update = {"mode": UpdateMode.REPLACE, "etag": self._etag, "match_condition": MatchConditions.IfNotModified}
            result = self._client.submit_transaction(
                [*(("create", _visit_row()) for _ in range(visits)), ("update", self._row, update)]
            )
            self._etag = result[-1]["etag"]
            each.append(time.perf_counter() - began)
        return Timing(sum(each), tuple(each))


def _visit_row() -> dict[str, str]:
    key = f"20261123T091500.123456Z-{uuid4().hex}"
    return {"PartitionKey": Partitions().of(0), "RowKey": key, **_LABELS}


def fill_sample(connection_string: str, count: int) -> None:
    """Add earlier visits to the table of the C# sample."""
    client = _sample_client(connection_string)
    for size in _batches(count, _SAMPLE_BATCH):
        client.submit_transaction([("create", _sample_row()) for _ in range(size)])


def sign_in_to_sample(connection_string: str) -> float:
    """Run the C# sample's algorithm for one visit, without its broadcast: insert a row, read and aggregate all rows.

    Returns the seconds that it took.
    """
    client = _sample_client(connection_string)
    began = time.perf_counter()
    client.create_entity(_sample_row())
    by_os: Counter[str] = Counter()
    by_browser: Counter[str] = Counter()
    for row in client.list_entities():
        by_os[row["OS"]] += 1
        by_browser[row["Browser"]] += 1
    return time.perf_counter() - began


@cache
def _sample_client(connection_string: str) -> TableClient:
    return TableClient.from_connection_string(connection_string, TABLE_NAME)


def _sample_row() -> Mapping[str, str]:
    return {"PartitionKey": _SAMPLE_PARTITION, "RowKey": str(uuid4()), "OS": "Windows", "Browser": "Chrome"}


def _batches(count: int, most: int) -> list[int]:
    """Batch sizes of at most `most` that add up to `count`."""
    return [min(most, count - done) for done in range(0, count, most)]
