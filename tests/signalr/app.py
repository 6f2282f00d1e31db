"""An app for SignalR clients: /negotiate redirects them to the service, and a page loads a client's library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from local.node import NODE_MODULES
from tests.support.signalr_clients import SCRIPTS

from .conftest import Emulator

HUB_URL = "/client/?hub=signinsamplehub"


class App:
    """`negotiations` counts the calls of /negotiate; `url` has no trailing slash."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.negotiations = 0
        self.url = ""

    async def negotiate(self, request: web.Request) -> web.Response:
        self.negotiations += 1
        return web.json_response({"url": self._emulator.url + HUB_URL, "accessToken": self._emulator.token(HUB_URL)})

    async def page(self, request: web.Request) -> web.Response:
        script = f"/modules/{request.match_info['library']}/dist/browser/signalr.min.js"
        return web.Response(text=f"<!doctype html><script src={script}></script>", content_type="text/html")


@asynccontextmanager
async def running(emulator: Emulator) -> AsyncIterator[App]:
    """An app at a free port; the page for an npm package is /page/<name of the package>."""
    app = App(emulator)
    server = web.Application()
    server.router.add_post("/negotiate", app.negotiate)
    server.router.add_get("/page/{library:.+}", app.page)
    server.router.add_static("/modules", NODE_MODULES)
    server.router.add_static("/scripts", SCRIPTS)
    runner = web.AppRunner(server)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        app.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield app
    finally:
        await runner.cleanup()
