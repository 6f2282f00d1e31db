"""Visits are counted exactly, whoever counts them, at a cost per visit that does not grow."""

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
from tests.support.visitors import Answered, visit, visits
from tests.support.web_server import WebServer

MANY = 200
AT_ONCE = 50
NEVER = {"BroadcastIntervalSeconds": "3600"}  # neither a second look at other shards nor a second broadcast


@pytest.fixture
def signalr_proxy(signalr: SignalR) -> Iterator[Proxy]:
    with Proxy(signalr.url) as proxy:
        yield proxy


@pytest.fixture
def in_view(proxied: Account, signalr: SignalR, signalr_proxy: Proxy) -> dict[str, str]:
    """The app's settings, with what it asks of the table and of SignalR in view."""
    settings = settings_for(proxied, signalr.url)
    settings["AzureSignalRConnectionString"] += f"ServerEndpoint={signalr_proxy.url};"
    return settings


def broadcasts(proxy: WebServer) -> list[list[Any]]:
    """The arguments of each broadcast so far."""
    return [json.loads(asked.body)["arguments"] for asked in proxy.asked if asked.method == "POST"]


async def shown(proxy: WebServer, total: int) -> None:
    """Wait for a broadcast of at least this total."""
    await asyncio.to_thread(proxy.wait_for, lambda: any(arguments[0] >= total for arguments in broadcasts(proxy)))


async def noted(table_proxy: WebServer, told: list[int]) -> None:
    """Wait for the note of what a broadcast told, which is the last that a process with company does for it."""
    row = json.dumps({"Told": json.dumps(told)})[1:-1].encode()
    await asyncio.to_thread(table_proxy.wait_for, lambda: any(row in asked.body for asked in table_proxy.asked))


async def stats(app: RunningHost) -> Any:
    async with aiohttp.ClientSession() as http, http.get(f"{app.url}/stats") as response:
        return {name: value for name, value in (await response.json()).items() if name != "history"}


def shown_for(statistics: Statistics) -> dict[str, Any]:
    """What /stats says of them, apart from the history."""
    total, by_os, by_browser, extras = statistics.summary()
    return {"totalNumber": total, "byOS": by_os, "byBrowser": by_browser, **extras}


def assert_counted(account: Account, answers: list[Answered]) -> Statistics:
    """Each of the visits was acknowledged, and is in the table once."""
    assert [answer.content for answer in answers if answer.status != 200] == []
    statistics = audit(account).statistics
    assert statistics.total == len(answers)
    assert statistics.by_os.keys() == {"Windows", "iOS", "Linux"}
    return statistics


async def test_visits_sent_at_once_are_counted_exactly_and_share_requests(
    in_view: Mapping[str, str], account: Account, table_proxy: Proxy, start_app: StartApp
) -> None:
    app = start_app(in_view)
    answers = await visits([app.url], MANY, AT_ONCE)
    statistics = assert_counted(account, answers)
    assert await stats(app) == shown_for(statistics)
    assert audit(account).shards == ["00"], "one process alone needs one shard"
    assert len(table_proxy.asked) <= MANY / 4, f"{MANY} visits took {len(table_proxy.asked)} storage requests"


async def test_every_answer_has_its_own_visit_in_it_and_never_goes_back(
    settings: Mapping[str, str], start_app: StartApp
) -> None:
    app = start_app(settings)
    answers = await visits([app.url], MANY, AT_ONCE)
    for answer in answers:
        acknowledged = [earlier.total for earlier in answers if earlier.ended < answer.began]
        begun = sum(other.began < answer.ended for other in answers)
        assert len(acknowledged) < answer.total <= begun
        assert answer.total > max(acknowledged, default=0), "a total that was already shown did not have this visit"


async def test_visits_one_after_the_other_cost_one_request_each_and_one_look_per_broadcast(
    in_view: Mapping[str, str], table_proxy: Proxy, signalr_proxy: Proxy, start_app: StartApp
) -> None:
    app = start_app({**in_view, **NEVER})
    async with aiohttp.ClientSession() as http:
        assert (await visit(http, app.url)).total == 1
        await shown(signalr_proxy, total=1)
        await noted(table_proxy, told=[1])
        to_start = len(table_proxy.asked)
        for total in range(2, 22):
            assert (await visit(http, app.url)).total == total
    assert len(table_proxy.commits) == 21
    assert len(table_proxy.asked) == to_start + 20, "each visit is one request, within one interval"


async def test_a_broadcast_costs_two_reads_however_many_visits_there_were(
    in_view: Mapping[str, str], table_proxy: Proxy, signalr_proxy: Proxy, start_app: StartApp
) -> None:
    app = start_app({**in_view, "BroadcastIntervalSeconds": "0.5"})
    costs = []
    async with aiohttp.ClientSession() as http:
        for total in range(1, 9):
            before = len(table_proxy.reads)
            assert (await visit(http, app.url)).total == total
            await shown(signalr_proxy, total)  # that comes last of all that the visit gives rise to
            costs.append(len(table_proxy.reads) - before)
    assert len(table_proxy.commits) == 8
    # A new process takes turns and looks around for an interval more, until it knows that it is alone.
    assert max(costs[2:]) <= 2, f"the shard itself, and a look for another; it was {costs}"


async def test_visits_sent_at_once_are_shown_together(
    in_view: Mapping[str, str], signalr_proxy: Proxy, account: Account, start_app: StartApp
) -> None:
    app = start_app({**in_view, **NEVER})
    await visits([app.url], MANY, AT_ONCE)
    await shown(signalr_proxy, total=1)
    assert len(broadcasts(signalr_proxy)) == 1, "a second one within the interval"
    await asyncio.to_thread(app.close)
    last = broadcasts(signalr_proxy)[-1]
    assert len(broadcasts(signalr_proxy)) == 2
    assert last == [*audit(account).statistics.summary()], "the last change is always sent"


async def test_several_workers_lose_nothing_and_open_shards_in_order(
    settings: Mapping[str, str], account: Account, start_app: StartApp
) -> None:
    app = start_app(settings, workers=4)
    statistics = assert_counted(account, await visits([app.url], 2 * MANY, AT_ONCE))
    assert len(audit(account).shards) > 1, "four processes in one shard are in each other's way"

    async def shows_all() -> bool:
        return bool(await stats(app) == shown_for(statistics))

    assert all([await shows_all() for _ in range(4)]), "each of the workers knows at once of the others' visits"


async def test_a_restart_goes_on_where_the_app_was(
    settings: Mapping[str, str], account: Account, start_app: StartApp
) -> None:
    before = start_app(settings, workers=2)
    await visits([before.url], 60, 20)
    await asyncio.to_thread(before.close)
    after = start_app(settings)
    async with aiohttp.ClientSession() as http:
        totals = [(await visit(http, after.url)).total for _ in range(3)]
    assert totals == [61, 62, 63]
    assert audit(account).statistics.total == 63


async def test_two_hosts_count_as_one(settings: Mapping[str, str], account: Account, start_app: StartApp) -> None:
    apps = [start_app(settings), start_app(settings)]
    statistics = assert_counted(account, await visits([app.url for app in apps], MANY, AT_ONCE))
    for app in apps:
        assert await stats(app) == shown_for(statistics)
