"""Clients of other authors work with the emulator, over all transports and protocols that they support."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest

from local.emulators.signalr.connection import Intervals
from local.emulators.signalr.protocols import PROTOCOLS
from local.emulators.signalr.transports import TRANSPORTS
from tests.support.signalr_clients import (
    BrowserThread,
    Client,
    browser_thread,
    in_browser,
    javascript,
    pysignalr,
    signalrcore,
)

from . import app as apps
from . import conftest
from .app import HUB_URL, App
from .conftest import Emulator

STATISTICS = [3, {"Windows": 2, "Other": 1}, {"Edge": 3}, {"byDevice": {"Desktop": 2, "Other": 1}}]

# Its arguments are the service's URL and a token, or an app's URL.
Connect = Callable[..., AbstractAsyncContextManager[Client]]

# "client, transport, protocol". The client in Node is @microsoft/signalr.
CLIENTS: dict[str, Connect] = {
    "node, WebSockets, json": partial(javascript, transport="WebSockets"),
    "node, WebSockets, messagepack": partial(javascript, transport="WebSockets", protocol="messagepack"),
    "node, ServerSentEvents, json": partial(javascript, transport="ServerSentEvents"),
    "node, LongPolling, json": partial(javascript, transport="LongPolling"),
    "node, LongPolling, messagepack": partial(javascript, transport="LongPolling", protocol="messagepack"),
    "pysignalr, WebSockets, json": pysignalr,
    "signalrcore, WebSockets, json": partial(signalrcore, transport="WebSockets"),
    "signalrcore, WebSockets, messagepack": partial(signalrcore, transport="WebSockets", protocol="messagepack"),
    "signalrcore, ServerSentEvents, json": partial(signalrcore, transport="ServerSentEvents"),
}
# In a browser. The page of the C# sample uses @aspnet/signalr 1.0.
PAGES = [
    f"{library}, {transport}, json"
    for library in ("@microsoft/signalr", "@aspnet/signalr")
    for transport in ("WebSockets", "ServerSentEvents", "LongPolling")
]
EVERY_CLIENT = pytest.mark.parametrize("name", [*CLIENTS, *PAGES])


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An emulator with a ping every 0.1 s: signalrcore waits for one before it stops."""
    async with conftest.running(Intervals(ping=0.1)) as emulator:
        yield emulator


@pytest.fixture
async def app(emulator: Emulator) -> AsyncIterator[App]:
    async with apps.running(emulator) as app:
        yield app


@pytest.fixture(scope="module")
def browser() -> Iterator[BrowserThread]:
    with browser_thread() as browser:
        yield browser


@pytest.fixture
def connect(name: str, app: App, request: pytest.FixtureRequest) -> Connect:
    """The function that connects the client with this name."""
    if name in CLIENTS:
        return CLIENTS[name]
    library, transport, _ = name.split(", ")
    browser = request.getfixturevalue("browser")
    return partial(in_browser, browser, f"{app.url}/page/{library}", transport=transport)


async def broadcast(emulator: Emulator) -> None:
    await emulator.send(*STATISTICS, target="updateSignInStats", hub="signinsamplehub")


@EVERY_CLIENT
async def test_client_connects_and_receives(emulator: Emulator, connect: Connect) -> None:
    async with connect(emulator.url + HUB_URL, emulator.token(HUB_URL)) as client:
        assert await client.event() == ["connected", None]
        for _ in range(2):
            await broadcast(emulator)
            assert await client.event() == ["updateSignInStats", STATISTICS]


@EVERY_CLIENT
async def test_client_with_token_for_other_hub_is_refused(
    emulator: Emulator, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(emulator.url + HUB_URL, emulator.token("/client/?hub=other")) as client:
        event, _ = await client.event()
        assert event == "failed"
        assert "401 POST /client/negotiate: The audience is invalid" in caplog.text


@EVERY_CLIENT
async def test_client_that_calls_hub_method_is_closed(emulator: Emulator, connect: Connect, name: str) -> None:
    async with connect(emulator.url + HUB_URL, emulator.token(HUB_URL)) as client:
        assert await client.event() == ["connected", None]
        await client.invoke()
        event, message = await client.event()
        assert event == "closed"
        if not name.startswith("signalrcore"):  # it does not report the reason
            assert "serverless" in message


# @aspnet/signalr and signalrcore do not reconnect by themselves.
@pytest.mark.parametrize(
    "name", [name for name in (*CLIENTS, *PAGES) if not name.startswith(("@aspnet", "signalrcore"))]
)
async def test_client_reconnects_through_app(emulator: Emulator, app: App, connect: Connect, name: str) -> None:
    async with connect(app.url) as client:
        assert await client.event() == ["connected", None]
        emulator.hubs.close()
        assert await client.event() == ["reconnecting", None]
        assert await client.event() == ["reconnected", None]
        # pysignalr reconnects to the service with its old token.
        assert app.negotiations == (1 if name.startswith("pysignalr") else 2)
        await broadcast(emulator)
        assert await client.event() == ["updateSignInStats", STATISTICS]


def test_clients_cover_all_transports_and_protocols() -> None:
    tried = {tuple(name.split(", ")[1:]) for name in (*CLIENTS, *PAGES)}
    assert tried == {
        (transport.name, protocol.name)
        for transport in TRANSPORTS
        for protocol in PROTOCOLS.values()
        if protocol.transfer_format in transport.formats
    }
