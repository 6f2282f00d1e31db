"""SignalR's REST API is slow, refuses or hangs: visits are answered all the same, and pages catch up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from local.emulators.azurite import Account
from tests.conftest import SignalR, StartApp
from tests.support.faults import Fault, closed_before
from tests.support.proxy import Proxy
from tests.support.running_host import RunningHost
from tests.support.visitors import visiting
from tests.support.web_server import CLOSE, Request, Response

from .pages import open_pages

PAGES = 10


class RestApi(Proxy):
    """SignalR's REST API, which a test may break and repair; `requests` are the requests since it was broken."""

    def __init__(self, upstream: str) -> None:
        self.is_repaired = threading.Event()
        super().__init__(upstream)

    def break_with(self, fault: RestFault) -> None:
        self.requests.clear()
        self.handler = lambda request: self.forward(request) if self.is_repaired.is_set() else fault(self, request)

    async def until_fault(self) -> None:
        """Wait until a request has met the fault."""
        await asyncio.to_thread(self.wait_for, lambda: bool(self.requests))

    def repair(self) -> None:
        self.is_repaired.set()

    def hang(self, request: Request) -> Response | None:
        """A fault: no response before the repair, and none after it."""
        self.is_repaired.wait()
        return CLOSE

    def be_slow(self, request: Request) -> Response | None:
        """A fault: the response comes after the repair."""
        self.is_repaired.wait()
        return self.forward(request)


RestFault = Callable[[RestApi, Request], Response | None]


@pytest.fixture
def api(signalr: SignalR) -> Iterator[RestApi]:
    with RestApi(signalr.url) as api:
        yield api
        api.repair()  # or a request that hangs would never end


@pytest.fixture
def host(api: RestApi, settings: dict[str, str], start_app: StartApp) -> RunningHost:
    settings["AzureSignalRConnectionString"] += f"ServerEndpoint={api.url};"
    return start_app(settings, workers=2)


def responding(status: int, **headers: str) -> Fault:
    response = Response(status, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return lambda proxy, request: response


REFUSALS = {
    "401": responding(401, WWW_Authenticate='Bearer error="invalid_token"'),
    "429": responding(429, Retry_After="2"),
    "503": responding(503),
    "closed": closed_before,
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_pages_catch_up_after_refused_broadcasts(
    refusal: Fault, api: RestApi, host: RunningHost, account: Account
) -> None:
    async with open_pages(host.url, PAGES) as pages:
        await pages.until_live()
        api.break_with(refusal)
        async with visiting(host.url, per_second=50) as load:
            await asyncio.to_thread(host.wait_for_log, "broadcasts fail")
            await load.until_answered(50)
        assert load.statuses == {200}
        api.repair()
        await pages.assert_final_total(account)  # without another visit
    assert_logged_once_per_process(host)


@pytest.mark.parametrize("fault", [RestApi.hang, RestApi.be_slow])
async def test_visits_do_not_wait_for_a_broadcast(
    fault: RestFault, api: RestApi, host: RunningHost, account: Account
) -> None:
    async with open_pages(host.url, PAGES) as pages:
        await pages.until_live()
        api.break_with(fault)
        async with visiting(host.url, per_second=50) as load:
            await api.until_fault()
            await load.until_answered(50)  # during all of them the service does not respond
        assert load.statuses == {200}
        assert not api.is_repaired.is_set()
        api.repair()
        await pages.assert_final_total(account)
    assert_logged_once_per_process(host)


def assert_logged_once_per_process(host: RunningHost) -> None:
    """The log has for each process at most one line about failing and one about working broadcasts."""
    failing = [line for line in host.log if "broadcasts fail" in line]
    working = [line for line in host.log if "broadcasts work again" in line]
    assert len(working) <= len(failing) <= 2, host.text
    assert "Traceback" not in host.text, host.text


# The end of a process


async def test_ending_process_sends_pending_broadcast(
    settings: dict[str, str], account: Account, start_app: StartApp
) -> None:
    host = start_app(settings | {"BroadcastIntervalSeconds": "3600"})
    async with open_pages(host.url, PAGES) as pages:
        await pages.until_live()
        async with visiting(host.url, per_second=50) as load:
            await load.until_answered(20)
        await asyncio.to_thread(host.close)
        await pages.assert_final_total(account)


async def test_process_ends_while_the_service_hangs(api: RestApi, host: RunningHost, account: Account) -> None:
    api.break_with(RestApi.hang)
    async with visiting(host.url, per_second=50) as load:
        await api.until_fault()
        await load.until_answered(20)
    await asyncio.to_thread(host.close)
    assert "Timeout (" not in host.text, f"the worker had to be ended by force:\n{host.text}"
