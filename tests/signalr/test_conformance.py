"""Clients that others wrote get on with the emulator: @microsoft/signalr in Node, and pysignalr."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from .clients import javascript, python_client
from .conftest import Emulator

STATISTICS = [3, {"Windows": 2, "Other": 1}, {"Edge": 3}]
HUB_URL = "/client/?hub=signinsamplehub"


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
        emulator.hubs.close()
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


async def test_pysignalr_connects_with_url_and_token_and_receives(emulator: Emulator) -> None:
    async with python_client(emulator.url + HUB_URL, emulator.authorization(HUB_URL)) as received:
        await broadcast(emulator)
        assert await asyncio.wait_for(received.get(), 20) == STATISTICS


async def test_pysignalr_is_sent_here_by_an_app_and_receives(emulator: Emulator) -> None:
    async with App(emulator).listening() as url, python_client(url, {}) as received:
        await broadcast(emulator)
        assert await asyncio.wait_for(received.get(), 20) == STATISTICS
