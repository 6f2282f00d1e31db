"""Server-sent events: one response that stays open, and POSTs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from local.emulators.signalr import outbox
from local.emulators.signalr.connection import Intervals

from .conftest import HANDSHAKE, Emulator, running

RESOURCE = "/client/?hub=chat"


class Stream:
    """A client with an open stream that sends nothing by itself."""

    def __init__(self, emulator: Emulator, url: str, response: aiohttp.ClientResponse) -> None:
        self._emulator = emulator
        self.url = url
        self.response = response

    async def send(self, frames: str) -> None:
        headers = self._emulator.authorization(RESOURCE)
        async with self._emulator.http.post(self.url, data=frames, headers=headers) as response:
            assert response.status == 200

    async def receive(self) -> Any:
        """The message of the next event."""
        async with asyncio.timeout(10):
            line, end = await self.response.content.readline(), await self.response.content.readline()
        assert line.startswith(b"data: ")
        assert line.endswith(b"\x1e\r\n")
        assert end == b"\r\n"
        return json.loads(line[len("data: ") : -len("\x1e\r\n")])

    async def ended(self) -> bool:
        async with asyncio.timeout(10):
            return await self.response.content.read() == b""


@asynccontextmanager
async def opened(emulator: Emulator) -> AsyncIterator[Stream]:
    """A stream before its handshake."""
    url = f"{emulator.url}{RESOURCE}&id={(await emulator.negotiate())['connectionToken']}"
    headers = emulator.authorization(RESOURCE) | {"Accept": "text/event-stream"}
    async with emulator.http.get(url, headers=headers) as response:
        assert response.status == 200
        async with asyncio.timeout(10):
            assert await response.content.readline() == b":\r\n"  # at once, so that the stream is open in Firefox too
        yield Stream(emulator, url, response)


@asynccontextmanager
async def connected(emulator: Emulator) -> AsyncIterator[Stream]:
    """A stream after its handshake."""
    async with opened(emulator) as stream:
        await stream.send(HANDSHAKE)
        assert await stream.receive() == {}
        yield stream


async def test_message_is_sent_as_event(emulator: Emulator) -> None:
    async with connected(emulator) as stream:
        assert stream.response.content_type == "text/event-stream"
        assert "no-store" in stream.response.headers["Cache-Control"]
        for arguments in ([1], ["two\nlines", "€"]):
            await emulator.send(*arguments)
            assert (await stream.receive())["arguments"] == arguments


async def test_quiet_client_is_pinged() -> None:
    async with running(Intervals(ping=0.01)) as emulator, connected(emulator) as stream:
        assert [await stream.receive() for _ in range(3)] == [{"type": 6}] * 3


async def test_hub_method_call_closes_with_reason(emulator: Emulator) -> None:
    async with connected(emulator) as stream:
        await stream.send('{"type":1,"target":"x","arguments":[]}\x1e')
        assert "serverless" in (await stream.receive())["error"]
        assert await stream.ended()


async def test_shutdown_asks_clients_to_reconnect(emulator: Emulator) -> None:
    async with connected(emulator) as stream:
        emulator.hubs.close()
        assert await stream.receive() == {"type": 7, "allowReconnect": True}
        assert await stream.ended()


async def test_binary_protocol_is_refused(emulator: Emulator) -> None:
    async with opened(emulator) as stream:
        await stream.send('{"protocol":"messagepack","version":1}\x1e')
        error = (await stream.receive())["error"]
        assert error.startswith("Cannot use the 'messagepack' protocol on the current transport.")
        assert await stream.ended()


async def test_hanging_up_ends_connection_at_once(emulator: Emulator) -> None:
    async with connected(emulator):
        assert await emulator.connections() == 1
    async with asyncio.timeout(5):  # the next ping, after 15 s, would detect it too
        while await emulator.connections():
            pass


async def test_connection_has_only_one_stream(emulator: Emulator) -> None:
    async with connected(emulator) as stream:
        headers = emulator.authorization(RESOURCE)
        cases = [
            ("GET", {"Accept": "text/event-stream"}, 409, "The connection is already active."),
            ("GET", {}, 400, "Cannot change transports mid-connection."),
            ("DELETE", {}, 400, "Cannot terminate this connection using the DELETE endpoint."),
        ]
        for method, more, status, text in cases:
            async with emulator.http.request(method, stream.url, headers=headers | more) as response:
                assert (response.status, await response.text()) == (status, text)
        await emulator.send("still there")
        assert (await stream.receive())["arguments"] == ["still there"]


@pytest.mark.parametrize(("query", "status"), [("", 400), ("&id=unknown", 404)])
async def test_stream_requires_negotiation(emulator: Emulator, query: str, status: int) -> None:
    headers = emulator.authorization(RESOURCE) | {"Accept": "text/event-stream"}
    async with emulator.http.get(emulator.url + RESOURCE + query, headers=headers) as response:
        assert response.status == status


async def test_client_that_does_not_read_is_cut_off(emulator: Emulator) -> None:
    arguments = ["x" * 250_000]
    async with emulator.client() as reading, connected(emulator) as not_reading:
        receivers, sent = 2, 0
        while receivers == 2:
            receivers = emulator.hubs.broadcast("chat", "greet", arguments)
            sent += 1
            assert (await reading.receive())["target"] == "greet"
            assert sent < 10 * outbox.LIMIT
        with pytest.raises(aiohttp.ClientError):
            await not_reading.response.read()
