"""Visits are counted exactly, by one process or several, at a cost per visit that does not grow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any

import aiohttp
import pytest

from local.emulators.azurite import Account
from local.environment.services import settings_for
from signin.visits.statistics import Statistics
from tests.conftest import SignalR, StartApp
from tests.support.audit import audit
from tests.support.proxy import Proxy
from tests.support.running_host import RunningHost
from tests.support.visitors import VisitResponse, make_visits, visit
from tests.support.web_server import WebServer

MANY = 200
AT_ONCE = 50
NEVER = {"BroadcastIntervalSeconds": "3600"}  # neither a second read of other shards nor a second broadcast


@pytest.fixture
def signalr_proxy(signalr: SignalR) -> Iterator[Proxy]:
    with Proxy(signalr.url) as proxy:
        yield proxy


@pytest.fixture
def recorded_settings(proxied: Account, signalr: SignalR, signalr_proxy: Proxy) -> dict[str, str]:
    """The app's settings; its requests to the table and to SignalR go through the two proxies."""
    settings = settings_for(proxied, signalr.url)
    settings["AzureSignalRConnectionString"] += f"ServerEndpoint={signalr_proxy.url};"
    return settings


def broadcasts(proxy: WebServer) -> list[list[Any]]:
    """The arguments of each broadcast so far."""
    return [json.loads(request.body)["arguments"] for request in proxy.requests if request.method == "POST"]


async def until_broadcast(proxy: WebServer, total: int) -> None:
    """Wait for a broadcast of at least this total."""
    await asyncio.to_thread(proxy.wait_for, lambda: any(arguments[0] >= total for arguments in broadcasts(proxy)))


async def until_totals_are_sent(table_proxy: WebServer, totals: dict[int, int]) -> None:
    """Wait until the lease has the totals that a broadcast covered: the last request for it, if there may be peers."""
    row = json.dumps({"Told": json.dumps(totals)})[1:-1].encode()
    await asyncio.to_thread(table_proxy.wait_for, lambda: any(row in request.body for request in table_proxy.requests))


async def stats(app: RunningHost) -> Any:
    async with aiohttp.ClientSession() as http, http.get(f"{app.url}/stats") as response:
        return {name: value for name, value in (await response.json()).items() if name != "history"}


def as_in_stats(statistics: Statistics) -> dict[str, Any]:
    """The response of /stats for them, apart from the history, if no page is open."""
    total, by_os, by_browser, others = statistics.summary()
    return {"totalNumber": total, "byOS": by_os, "byBrowser": by_browser, **others, "here": {"now": 0, "seconds": 300}}


def assert_counted(account: Account, responses: list[VisitResponse]) -> Statistics:
    """Each of the visits was acknowledged, and is in the table once."""
    assert [response.content for response in responses if response.status != 200] == []
    statistics = audit(account).statistics
    assert statistics.total == len(responses)
    assert statistics.counts["OS"].keys() == {"Windows", "iOS", "Linux"}
    return statistics


async def test_concurrent_visits_share_requests(
    recorded_settings: Mapping[str, str], account: Account, table_proxy: Proxy, start_app: StartApp
) -> None:
    app = start_app(recorded_settings)
    responses = await make_visits([app.url], MANY, AT_ONCE)
    statistics = assert_counted(account, responses)
    assert await stats(app) == as_in_stats(statistics)
    assert audit(account).shards == ["00"], "a lone process needs one shard"
    assert len(table_proxy.requests) <= MANY / 4, f"{MANY} visits took {len(table_proxy.requests)} storage requests"


async def test_total_includes_own_and_all_earlier_visits(settings: Mapping[str, str], start_app: StartApp) -> None:
    app = start_app(settings)
    responses = await make_visits([app.url], MANY, AT_ONCE)
    for response in responses:
        acknowledged = [earlier.total for earlier in responses if earlier.ended < response.began]
        begun = sum(other.began < response.ended for other in responses)
        assert len(acknowledged) < response.total <= begun
        assert response.total > max(acknowledged, default=0), "an earlier response had a total at least as high"


async def test_visit_within_an_interval_costs_one_request(
    recorded_settings: Mapping[str, str], table_proxy: Proxy, signalr_proxy: Proxy, start_app: StartApp
) -> None:
    app = start_app({**recorded_settings, **NEVER})
    async with aiohttp.ClientSession() as http:
        assert (await visit(http, app.url)).total == 1
        await until_broadcast(signalr_proxy, total=1)
        await until_totals_are_sent(table_proxy, {0: 1})
        to_start = len(table_proxy.requests)
        for total in range(2, 22):
            assert (await visit(http, app.url)).total == total
    assert len(table_proxy.commits) == 21
    assert len(table_proxy.requests) == to_start + 20, "each visit is one request, within one interval"


async def test_broadcast_costs_at_most_two_reads(
    recorded_settings: Mapping[str, str], table_proxy: Proxy, signalr_proxy: Proxy, start_app: StartApp
) -> None:
    app = start_app({**recorded_settings, "BroadcastIntervalSeconds": "0.5"})
    costs = []
    async with aiohttp.ClientSession() as http:
        for total in range(1, 9):
            before = len(table_proxy.reads)
            assert (await visit(http, app.url)).total == total
            await until_broadcast(signalr_proxy, total)  # the last request that the visit causes
            costs.append(len(table_proxy.reads) - before)
    assert len(table_proxy.commits) == 8
    # For its first intervals a new process acquires the lease and reads other shards, until it knows that it is alone.
    assert max(costs[2:]) <= 2, f"more than the shard itself and the one after it: {costs}"


async def test_concurrent_visits_share_a_broadcast(
    recorded_settings: Mapping[str, str], signalr_proxy: Proxy, account: Account, start_app: StartApp
) -> None:
    app = start_app({**recorded_settings, **NEVER})
    await make_visits([app.url], MANY, AT_ONCE)
    await until_broadcast(signalr_proxy, total=1)
    assert len(broadcasts(signalr_proxy)) == 1, "a second one within the interval"
    await asyncio.to_thread(app.close)
    last = broadcasts(signalr_proxy)[-1]
    assert len(broadcasts(signalr_proxy)) == 2
    *of_the_sample, others = audit(account).statistics.summary()
    assert last == [*of_the_sample, {**others, "here": 0}], "the last change is always sent"


async def test_several_workers_lose_no_visit(
    settings: Mapping[str, str], account: Account, start_app: StartApp
) -> None:
    app = start_app(settings, workers=4)
    statistics = assert_counted(account, await make_visits([app.url], 2 * MANY, AT_ONCE))
    assert len(audit(account).shards) > 1, "four processes share one shard in spite of their conflicts"

    async def shows_all() -> bool:
        return bool(await stats(app) == as_in_stats(statistics))

    assert all([await shows_all() for _ in range(4)]), "a worker does not know the visits of the others"


async def test_restarted_app_continues_the_count(
    settings: Mapping[str, str], account: Account, start_app: StartApp
) -> None:
    before = start_app(settings, workers=2)
    await make_visits([before.url], 60, 20)
    await asyncio.to_thread(before.close)
    after = start_app(settings)
    async with aiohttp.ClientSession() as http:
        totals = [(await visit(http, after.url)).total for _ in range(3)]
    assert totals == [61, 62, 63]
    assert audit(account).statistics.total == 63


async def test_two_hosts_count_as_one(settings: Mapping[str, str], account: Account, start_app: StartApp) -> None:
    apps = [start_app(settings), start_app(settings)]
    statistics = assert_counted(account, await make_visits([app.url for app in apps], MANY, AT_ONCE))
    for app in apps:
        assert await stats(app) == as_in_stats(statistics)
