"""An emulator at a free port, with tokens for it and a client that sends and receives frames."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web

from local.emulators.signalr.connection import Intervals
from local.emulators.signalr.hubs import HUBS
from local.emulators.signalr.server import create_app, listening
from local.emulators.signalr.tokens import DEVELOPMENT_KEY

HANDSHAKE = '{"protocol":"json","version":1}\x1e'


class Client:
    """A WebSocket for frames, which sends nothing by itself."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._frames: list[str] = []

    async def send(self, frames: str) -> None:
        await self.socket.send_str(frames)

    async def receive(self) -> Any:
        """The next frame, decoded."""
        if not self._frames:
            text = await self.socket.receive_str(timeout=10)
            *self._frames, rest = text.split("\x1e")
            assert rest == "", f"the frame has no end: {text!r}"
        return json.loads(self._frames.pop(0))

    async def ended(self) -> bool:
        """Wait for the close of the WebSocket; false if another message arrives before it."""
        message = await self.socket.receive(timeout=10)
        return message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


class Service:
    """A running emulator as its callers see it."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.http = http

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def token(self, resource: str, key: str = DEVELOPMENT_KEY, **claims: Any) -> str:
        """A token for a resource, a path with or without a query; claims that are None are left out."""
        everything = {"aud": self.url + resource, "exp": int(time.time()) + 60} | claims
        return jwt.encode({name: value for name, value in everything.items() if value is not None}, key, "HS256")

    def authorization(self, resource: str, **claims: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(resource, **claims)}"}

    async def send(self, *arguments: Any, target: str = "greet", hub: str = "chat", excluded: str = "") -> None:
        """Broadcast through the REST API."""
        path = f"/api/v1/hubs/{hub}"
        query = {"excluded": excluded} if excluded else {}
        async with self.http.post(
            self.url + path,
            params=query,
            json={"target": target, "arguments": arguments},
            headers=self.authorization(path),
        ) as response:
            assert response.status == 202, await response.text()

    async def counters(self) -> dict[str, int]:
        """The emulator's counters."""
        async with self.http.get(f"{self.url}/emulator/counters") as response:
            assert response.status == 200
            counters: dict[str, int] = await response.json()
            return counters

    async def connections(self) -> int:
        """The number of clients that are connected now."""
        return (await self.counters())["connections"]

    async def negotiate(self, hub: str = "chat", version: int = 1) -> Any:
        """Negotiate a connection and return the response."""
        async with self.http.post(
            f"{self.url}/client/negotiate?hub={hub}&negotiateVersion={version}",
            headers=self.authorization(f"/client/?hub={hub}"),
        ) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    @asynccontextmanager
    async def websocket(self, hub: str = "chat", connection_token: str | None = None) -> AsyncIterator[Client]:
        """A client with an open WebSocket, before its handshake."""
        query = {"hub": hub} | ({"id": connection_token} if connection_token else {})
        authorization = self.authorization(f"/client/?hub={hub}")
        async with self.http.ws_connect(
            f"{self.url}/client/", params=query, headers=authorization, max_msg_size=0
        ) as socket:
            yield Client(socket)

    @asynccontextmanager
    async def client(self, hub: str = "chat", connection_token: str | None = None) -> AsyncIterator[Client]:
        """A client after its handshake."""
        async with self.websocket(hub, connection_token) as client:
            await client.send(HANDSHAKE)
            assert await client.receive() == {}
            yield client


class Emulator(Service):
    """An emulator in this process, with access to its hubs."""

    def __init__(self, url: str, http: aiohttp.ClientSession, app: web.Application) -> None:
        super().__init__(url, http)
        self.hubs = app[HUBS]


@asynccontextmanager
async def running(
    intervals: Intervals | None = None,
    trusted_identity_tokens: Collection[str] = (),
    allowed_origins: Collection[str] = ("*",),
) -> AsyncIterator[Emulator]:
    """An emulator at a free port."""
    app = create_app(
        trusted_identity_tokens=trusted_identity_tokens, intervals=intervals, allowed_origins=allowed_origins
    )
    async with listening(app, 0) as url, aiohttp.ClientSession() as http:
        yield Emulator(url, http, app)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with running() as emulator:
        yield emulator
