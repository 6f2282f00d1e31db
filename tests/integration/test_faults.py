"""The app while the services behind it fail, and after that."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from local.emulators.azurite import DEVELOPMENT_KEY, Account, Azurite
from local.environment.services import settings_for
from tests.conftest import SignalR, StartApp
from tests.support import TEST_TIMEOUT
from tests.support.audit import audit
from tests.support.faults import AFTER, BEFORE, Fault, break_commits, closed_after
from tests.support.ports import free_ports
from tests.support.proxy import Proxy
from tests.support.running_host import RunningHost
from tests.support.signalr_clients import javascript
from tests.support.user_agents import CRAWLER
from tests.support.visitors import visit, visiting
from tests.support.web_server import CLOSE, Response

from .conftest import Site

WRONG_KEY = "d3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmctd3Jvbmc="


def lines_with(host: RunningHost, text: str) -> list[str]:
    return [line for line in host.log if text in line]


def assert_no_traceback(host: RunningHost) -> None:
    host.close()  # then the log is complete
    assert lines_with(host, "Traceback") == []


# Table Storage: one request fails


@pytest.mark.parametrize("fault", [*BEFORE, *AFTER])
def test_commit_with_a_fault_counts_once(site: Site, fault: Fault) -> None:
    before = site.total()
    break_commits(site.table, fault, fault)
    reply = site.request("/signin")
    assert reply.status == 200, reply.body
    assert json.loads(reply.body)["stats"]["totalNumber"] == before + 1
    assert audit(site.account).statistics.total == before + 1
    assert site.logged() == [], "a fault is logged although the commit succeeded in the end"


def refused(status: int, code: str) -> Fault:
    body = json.dumps({"odata.error": {"code": code, "message": {"lang": "en-US", "value": "no"}}}).encode()
    headers = {"Content-Type": "application/json", "x-ms-error-code": code}
    return lambda proxy, request: Response(status, body, headers)


@pytest.mark.parametrize(
    ("faults", "recorded"),
    [
        ([refused(409, "TableBeingDeleted")] * 100, "no"),
        ([refused(413, "RequestBodyTooLarge")], "no"),
        ([closed_after, refused(413, "RequestBodyTooLarge")], "unknown"),
    ],
    ids=["being deleted", "too large", "too large after a lost response"],
)
def test_refused_visit_is_reported_as_not_recorded(site: Site, faults: Sequence[Fault], recorded: str) -> None:
    before = audit(site.account).statistics.total
    break_commits(site.table, *faults)
    try:
        reply = site.request("/signin")
    finally:
        site.table.handler = site.table.forward
    assert reply.status == 503
    content = json.loads(reply.body)
    assert content["recorded"] == recorded
    assert "TooLarge" not in content["error"]
    assert audit(site.account).statistics.total == before + (recorded == "unknown")
    assert len(site.logged()) == 1


# Health


def test_fifty_health_requests_a_second_share_checks(
    proxied: Account, table_proxy: Proxy, signalr: SignalR, start_app: StartApp
) -> None:
    """At most one check a second: two requests to the table, one to the content and two to SignalR."""
    proxied.publish().close()
    with Proxy(proxied.blob_url) as blob, Proxy(signalr.url) as rest_api:
        settings = settings_for(replace(proxied, blob_url=blob.url), signalr.url)
        settings["AzureSignalRConnectionString"] += f"ServerEndpoint={rest_api.url};"
        host = start_app(settings)

        def ask(number: int) -> int:
            time.sleep(0.2)
            return host.request("/health").status

        began = time.monotonic()
        with ThreadPoolExecutor(10) as pool:
            assert set(pool.map(ask, range(150))) == {200}
        checks = time.monotonic() - began + 1
        assert 2 <= len(blob.requests) <= checks
        assert len(table_proxy.requests) <= 2 * checks
        assert len(rest_api.requests) <= 2 * checks
    assert audit(proxied).shards == []


# Table Storage: an outage


class Storage:
    """An Azurite that can be stopped, and started again at the same ports with the same data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ports = free_ports(3)
        self.start()
        self.account: Account = self._azurite.account()
        self.account.create_table()
        self.account.publish().close()

    def stop(self) -> None:
        self._azurite.stop()

    def start(self) -> None:
        blob, queue, table = self._ports
        self._azurite = Azurite(self._folder, blob_port=blob, queue_port=queue, table_port=table)
        self._azurite.wait_until_ready()


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(tmp_path)
    try:
        yield storage
    finally:
        storage.stop()


async def test_visits_wait_through_a_short_storage_outage(
    storage: Storage, signalr: SignalR, start_app: StartApp
) -> None:
    host = start_app(settings_for(storage.account, signalr.url))
    async with aiohttp.ClientSession() as http:
        assert (await visit(http, host.url)).total == 1
        await asyncio.to_thread(storage.stop)
        waiting = [asyncio.create_task(visit(http, host.url)) for _ in range(5)]
        await asyncio.to_thread(storage.start)
        assert max([(await response).total for response in waiting]) == 6
    assert audit(storage.account).statistics.total == 6
    assert_no_traceback(host)


async def test_storage_outage_loses_no_acknowledged_visit(
    storage: Storage, signalr: SignalR, start_app: StartApp
) -> None:
    host = start_app(settings_for(storage.account, signalr.url))
    async with visiting(host.url, connections=20) as visits:
        await visits.until_answered(50, status=200)
        await asyncio.to_thread(storage.stop)
        async with aiohttp.ClientSession() as http, asyncio.TaskGroup() as meanwhile:
            meanwhile.create_task(visits.until_answered(1, status=503))
            meanwhile.create_task(assert_outage_is_reported(http, host.url))
        await asyncio.to_thread(storage.start)
        await visits.until_answered(50, status=200)

    acknowledged, refused = visits.with_status(200), visits.with_status(503)
    assert visits.statuses == {200, 503}
    for response in refused:
        assert response.retry_after == "5"
        assert response.content["recorded"] in ("no", "unknown")
        assert response.content["error"].startswith("The visit was not acknowledged: Table Storage ")
    unknown = sum(response.content["recorded"] == "unknown" for response in refused)
    recorded = audit(storage.account).statistics.total
    assert len(acknowledged) <= recorded <= len(acknowledged) + unknown
    assert len(lines_with(host, "visits were not acknowledged")) <= 2, "more than one line per batch"
    assert_no_traceback(host)


async def assert_outage_is_reported(http: aiohttp.ClientSession, url: str) -> None:
    """Every other route reports the outage in one line."""
    async with asyncio.timeout(TEST_TIMEOUT):
        while (stats := await get(http, f"{url}/stats"))[0] == 200:  # the cached statistics, for an interval
            pass
    assert stats[0] == 503
    assert stats[1]["error"].startswith("Table Storage cannot be reached: it accepts no connection; check that it runs")
    status, health = await get(http, f"{url}/health")
    assert status == 503
    assert [part for part, line in health.items() if line["ok"]] == ["signalr"]
    status, problem = await get(http, f"{url}/")
    assert status == 503
    assert problem["error"].startswith("Blob Storage cannot be reached")
    async with http.get(f"{url}/signin", headers={"User-Agent": CRAWLER}) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "5"
    async with http.post(f"{url}/negotiate") as response:
        assert response.status == 200, "an open page cannot connect again"


async def get(http: aiohttp.ClientSession, url: str) -> tuple[int, Any]:
    async with http.get(url) as response:
        return response.status, await response.json()


# Table Storage: a permanent error


@pytest.mark.parametrize("key", [WRONG_KEY, "a1b2c"], ids=["wrong", "not Base64"])
def test_wrong_storage_key_is_reported_at_once(settings: dict[str, str], key: str, start_app: StartApp) -> None:
    settings["TableConnectionString"] = settings["TableConnectionString"].replace(DEVELOPMENT_KEY, key)
    host = start_app(settings)
    reply = host.request("/signin")
    assert reply.status == 503
    content = json.loads(reply.body)
    assert content["recorded"] == "no"
    assert "TableConnectionString" in content["error"]
    assert_no_traceback(host)
    assert len(lines_with(host, "ERROR")) == 1
    assert key not in host.text + reply.body.decode()


# SignalR


async def test_pages_catch_up_after_a_signalr_outage(
    signalr: SignalR, settings: dict[str, str], start_app: StartApp
) -> None:
    host = start_app(settings | {"BroadcastIntervalSeconds": "0.1"})
    url = host.url
    async with aiohttp.ClientSession() as http, javascript(url) as page:
        assert await page.event() == ["connected", None]
        await asyncio.to_thread(signalr.stop)
        assert await page.event() == ["reconnecting", None]
        for total in range(1, 6):
            assert (await visit(http, url)).total == total
        await asyncio.to_thread(host.wait_for_log, "broadcasts fail")
        await asyncio.to_thread(signalr.start)
        await asyncio.to_thread(host.wait_for_log, "broadcasts work again")
        assert (await page.event())[0] == "reconnected"
        assert (await visit(http, url)).total == 6
        event, arguments = await page.event()
        if arguments[0] == 5:  # the page was connected before the first broadcast that succeeded
            event, arguments = await page.event()
    assert (event, arguments[0]) == ("updateSignInStats", 6)
    assert len(lines_with(host, "broadcasts fail")) == len(lines_with(host, "broadcasts work again")) == 1
    assert_no_traceback(host)


async def test_failed_broadcast_is_repeated(signalr: SignalR, settings: dict[str, str], start_app: StartApp) -> None:
    settings["BroadcastIntervalSeconds"] = "0.1"
    with Proxy(signalr.url) as rest_api:
        settings["AzureSignalRConnectionString"] += f"ServerEndpoint={rest_api.url};"
        host = start_app(settings)
        url = host.url
        rest_api.handler = lambda request: CLOSE
        async with aiohttp.ClientSession() as http, javascript(url) as page:
            assert await page.event() == ["connected", None]
            await visit(http, url)
            await asyncio.to_thread(host.wait_for_log, "broadcasts fail")
            rest_api.handler = rest_api.forward
            event, arguments = await page.event()  # without another visit
        assert (event, arguments[0]) == ("updateSignInStats", 1)
        assert_no_traceback(host)


async def test_wrong_signalr_key_is_logged_once(
    signalr: SignalR, settings: dict[str, str], start_app: StartApp
) -> None:
    settings["BroadcastIntervalSeconds"] = "0.1"
    settings["AzureSignalRConnectionString"] = f"Endpoint={signalr.url};AccessKey={WRONG_KEY};Version=1.0;"
    host = start_app(settings)
    async with aiohttp.ClientSession() as http:
        for total in range(1, 4):
            assert (await visit(http, host.url)).total == total
    line = await asyncio.to_thread(host.wait_for_log, "broadcasts fail")
    assert "SignalR answered 401" in line
    assert_no_traceback(host)
    assert len(lines_with(host, "broadcasts fail")) == 1
    assert WRONG_KEY not in host.text


# Settings

ROUTES = [
    *(("GET", f"{prefix}/{route}") for prefix in ("", "/api") for route in ("signin", "stats", "health")),
    ("POST", "/negotiate"),
    ("POST", "/api/negotiate"),
    ("GET", "/"),
    ("GET", "/images/favicon.svg"),
]
VALID: Mapping[str, str] = {
    "TableConnectionString": "UseDevelopmentStorage=true",
    "BlobHost": "example.blob.core.windows.net",
    "AzureSignalRConnectionString": f"Endpoint=https://example.service.signalr.net;AccessKey={WRONG_KEY};Version=1.0;",
}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"TableConnectionString": ""}, ["TableConnectionString is not set"]),
        ({"BlobHost": " "}, ["BlobHost is not set"]),
        ({"AzureSignalRConnectionString": ""}, ["AzureSignalRConnectionString is not set"]),
        (
            {
                "TableConnectionString": f"AccountKey={WRONG_KEY}",
                "BlobHost": "ftp://example",
                "AzureSignalRConnectionString": f"Endpoint=example;AccessKey={WRONG_KEY}",
                "BroadcastIntervalSeconds": "soon",
            },
            [
                "TableConnectionString is malformed",
                "BlobHost is malformed",
                "AzureSignalRConnectionString is malformed",
                "BroadcastIntervalSeconds is malformed",
            ],
        ),
    ],
    ids=["no table", "no blob", "no SignalR", "all malformed"],
)
def test_every_route_names_the_wrong_settings(
    wrong: Mapping[str, str], named: Sequence[str], start_app: StartApp
) -> None:
    host = start_app({**VALID, **wrong})
    for method, target in ROUTES:
        reply = host.request(target, method=method)
        assert reply.status == 500, f"{method} {target}: {reply.status}"
        error = json.loads(reply.body)["error"]
        assert b"\n" not in reply.body
        assert [text for text in named if text not in error] == [], error
        assert WRONG_KEY not in error
    assert_no_traceback(host)
    assert len(lines_with(host, "the app cannot work")) == len(ROUTES), "not one line per request"
    assert WRONG_KEY not in host.text
