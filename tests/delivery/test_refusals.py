"""The SignalR service's REST API is slow, refuses, hangs or is not there: visits do not notice, and pages catch up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from local.emulators.azurite import Account
from local.environment.services import settings_for
from tests.conftest import SignalR, StartApp
from tests.support.proxy import Proxy
from tests.support.running_host import RunningHost
from tests.support.visitors import visiting
from tests.support.web_server import HANG_UP, Answer, Asked

from .pages import open_pages

PAGES = 10


@dataclass
class Api:
    """The REST API, which a test may break and repair; `is_met` is set when a broadcast has met with the fault."""

    proxy: Proxy
    is_met: threading.Event = field(default_factory=threading.Event)
    is_repaired: threading.Event = field(default_factory=threading.Event)

    def break_it(self, fault: Callable[[Api, Asked], Answer | None]) -> None:
        def answer(asked: Asked) -> Answer | None:
            if self.is_repaired.is_set():
                return self.proxy.pass_on(asked)
            self.is_met.set()
            return fault(self, asked)

        self.proxy.handler = answer

    def repair(self) -> None:
        self.is_repaired.set()


@pytest.fixture
def api(signalr: SignalR) -> Iterator[Api]:
    with Proxy(signalr.url) as proxy:
        api = Api(proxy)
        yield api
        api.repair()  # or what hangs would hang on


@pytest.fixture
def host(account: Account, signalr: SignalR, api: Api, settings: dict[str, str], start_app: StartApp) -> RunningHost:
    connection = settings_for(account, signalr.url)["AzureSignalRConnectionString"]
    return start_app(
        settings | {"AzureSignalRConnectionString": f"{connection}ServerEndpoint={api.proxy.url};"}, workers=2
    )


def hang_up(api: Api, asked: Asked) -> Answer | None:
    return HANG_UP


def hang(api: Api, asked: Asked) -> Answer | None:
    api.is_repaired.wait()
    return HANG_UP


def be_slow(api: Api, asked: Asked) -> Answer | None:
    api.is_repaired.wait()
    return api.proxy.pass_on(asked)


def answering(status: int, **headers: str) -> Callable[[Api, Asked], Answer | None]:
    answer = Answer(status, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return lambda api, asked: answer


REFUSALS = {
    "401": answering(401, WWW_Authenticate='Bearer error="invalid_token"'),
    "429": answering(429, Retry_After="2"),
    "503": answering(503),
    "connections are closed": hang_up,
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_service_that_refuses_for_a_while(
    refusal: Callable[[Api, Asked], Answer | None], api: Api, host: RunningHost, account: Account
) -> None:
    async with open_pages(host.url, PAGES) as pages:
        await pages.until_live()
        api.break_it(refusal)
        async with visiting(host.url, per_second=50) as load:
            await asyncio.to_thread(host.wait_for_log, "broadcasts fail")
            await load.until_answered(50)
        assert load.statuses == {200}
        api.repair()
        await pages.show_in_the_end(account)  # nobody comes any more
    assert_told_once_a_process(host)


@pytest.mark.parametrize("fault", [hang, be_slow])
async def test_visits_do_not_wait_for_a_service_that_does_not_answer(
    fault: Callable[[Api, Asked], Answer | None], api: Api, host: RunningHost, account: Account
) -> None:
    async with open_pages(host.url, PAGES) as pages:
        await pages.until_live()
        api.break_it(fault)
        async with visiting(host.url, per_second=50) as load:
            assert await asyncio.to_thread(api.is_met.wait, 30), "nothing was broadcast"
            await load.until_answered(50)  # all this time the service owes an answer
        assert load.statuses == {200}
        assert not api.is_repaired.is_set()
        api.repair()
        await pages.show_in_the_end(account)
    assert_told_once_a_process(host)


def assert_told_once_a_process(host: RunningHost) -> None:
    """The log has at most one line for each process that broadcasts fail, and one that they work again."""
    failing = [line for line in host.log if "broadcasts fail" in line]
    working = [line for line in host.log if "broadcasts work again" in line]
    assert len(working) <= len(failing) <= 2, host.text
    assert "Traceback" not in host.text, host.text


# The end of a process


async def test_a_process_that_ends_tells_what_is_pending(
    api: Api, settings: dict[str, str], account: Account, start_app: StartApp
) -> None:
    host = start_app(settings | {"BroadcastIntervalSeconds": "3600"})
    async with open_pages(host.url, PAGES) as pages:
        await pages.until_live()
        async with visiting(host.url, per_second=50) as load:
            await load.until_answered(20)
        await asyncio.to_thread(host.close)
        await pages.show_in_the_end(account)


async def test_a_process_ends_in_bounded_time_also_while_the_service_hangs(
    api: Api, host: RunningHost, account: Account
) -> None:
    api.break_it(hang)
    async with visiting(host.url, per_second=50) as load:
        assert await asyncio.to_thread(api.is_met.wait, 30), "nothing was broadcast"
        await load.until_answered(20)
    await asyncio.to_thread(host.close)
    assert "Timeout (" not in host.text, f"the worker had to be ended by force:\n{host.text}"
