"""Long polling: a connection over many requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgpack
import pytest

from local.emulators.signalr import outbox
from local.emulators.signalr.connection import Intervals
from local.emulators.signalr.protocols import MESSAGEPACK

from .conftest import HANDSHAKE, Emulator, running

RESOURCE = "/client/?hub=chat"


class Poller:
    """A long polling client that sends nothing by itself."""

    def __init__(self, emulator: Emulator, connection_token: str, **claims: Any) -> None:
        self._emulator = emulator
        self.url = f"{emulator.url}{RESOURCE}&id={connection_token}"
        self.headers = emulator.authorization(RESOURCE, **claims)

    async def request(self, method: str, data: bytes | str = b"") -> tuple[int, bytes]:
        """Status and body."""
        async with self._emulator.http.request(method, self.url, data=data, headers=self.headers) as response:
            return response.status, await response.read()

    async def poll(self) -> tuple[int, bytes]:
        return await self.request("GET")

    async def send(self, frames: bytes | str) -> None:
        assert (await self.request("POST", frames))[0] == 200

    async def receive(self) -> list[Any]:
        """The JSON messages of one poll."""
        status, body = await self.poll()
        assert status == 200
        return [json.loads(frame) for frame in body.split(b"\x1e")[:-1]]


@asynccontextmanager
async def new_poller(emulator: Emulator, **claims: Any) -> AsyncIterator[Poller]:
    """A poller after its negotiation; it disconnects at the end."""
    poller = Poller(emulator, (await emulator.negotiate())["connectionToken"], **claims)
    yield poller
    poller.headers = emulator.authorization(RESOURCE)
    await poller.request("DELETE")


@asynccontextmanager
async def connected(emulator: Emulator, **claims: Any) -> AsyncIterator[Poller]:
    """A poller after its handshake."""
    async with new_poller(emulator, **claims) as poller:
        assert await poller.poll() == (200, b"")
        await poller.send(HANDSHAKE)
        assert await poller.receive() == [{}]
        yield poller


async def waiting(poller: Poller) -> asyncio.Task[tuple[int, bytes]]:
    """A poll that has arrived at the emulator: it has replaced an earlier one, which has got its response."""
    polls = {asyncio.create_task(poller.poll()) for _ in range(2)}
    (replaced,), (poll,) = await asyncio.wait(polls, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    assert replaced.result() == (204, b"")
    return poll


async def test_first_poll_returns_at_once(emulator: Emulator) -> None:
    async with new_poller(emulator) as poller:
        assert await poller.poll() == (200, b"")
        await poller.send(HANDSHAKE)
        assert await poller.poll() == (200, b"{}\x1e")
        await emulator.send(1)
        assert (await poller.receive())[0]["arguments"] == [1]


async def test_poll_waits_for_message(emulator: Emulator) -> None:
    async with connected(emulator) as poller:
        poll = await waiting(poller)
        await emulator.send("news")
        status, body = await poll
        assert (status, json.loads(body[:-1])["arguments"]) == (200, ["news"])


async def test_messages_between_polls_arrive_in_order(emulator: Emulator) -> None:
    async with connected(emulator) as poller:
        for number in range(3):
            await emulator.send(number)
        assert [message["arguments"] for message in await poller.receive()] == [[0], [1], [2]]


async def test_client_continues_after_broken_poll(emulator: Emulator) -> None:
    async with connected(emulator) as poller:
        broken = await waiting(poller)
        broken.cancel()
        poll = await waiting(poller)
        await emulator.send("still there")
        assert json.loads((await poll)[1][:-1])["arguments"] == ["still there"]


async def test_quiet_client_is_pinged() -> None:
    async with running(Intervals(ping=0.01)) as emulator, connected(emulator) as poller:
        assert [await poller.receive() for _ in range(2)] == [[{"type": 6}]] * 2


async def test_long_polling_carries_messagepack(emulator: Emulator) -> None:
    async with new_poller(emulator) as poller:
        await poller.poll()
        await poller.send(b'{"protocol":"messagepack","version":1}\x1e' + MESSAGEPACK.ping)
        assert await poller.poll() == (200, b"{}\x1e")
        await emulator.send("€", {"a": None})
        status, body = await poller.poll()
        (message,), _ = MESSAGEPACK.split(body)
        assert (status, msgpack.unpackb(message)) == (200, [1, {}, None, "greet", ["€", {"a": None}], []])


async def test_handshake_may_precede_first_poll(emulator: Emulator) -> None:
    async with new_poller(emulator) as poller:
        await poller.send(HANDSHAKE)
        assert await poller.poll() == (200, b"")
        assert await poller.poll() == (200, b"{}\x1e")


# --- the end


async def test_delete_ends_connection(emulator: Emulator) -> None:
    async with connected(emulator) as poller:
        poll = await waiting(poller)
        assert await poller.request("DELETE") == (202, b"")
        assert await poll == (204, b"")
        for method in ("GET", "POST", "DELETE"):
            assert await poller.request(method) == (404, b"No Connection with that ID")


async def test_hub_method_call_closes_with_reason(emulator: Emulator) -> None:
    async with connected(emulator) as poller:
        await poller.send('{"type":1,"target":"x","arguments":[]}\x1e')
        error = "In serverless mode clients only listen: they cannot call hub methods."
        assert await poller.receive() == [{"type": 7, "error": error}]
        assert await poller.poll() == (204, b"")


async def test_shutdown_asks_clients_to_reconnect(emulator: Emulator) -> None:
    async with connected(emulator) as poller:
        poll = await waiting(poller)
        emulator.hubs.close()
        assert await poll == (200, b'{"type":7,"allowReconnect":true}\x1e')
        assert await poller.poll() == (204, b"")


async def test_client_without_polls_is_lost() -> None:
    async with running(Intervals(poll=0.01)) as emulator, new_poller(emulator) as poller:
        assert await poller.poll() == (200, b"")
        async with asyncio.timeout(10):
            while (await poller.request("POST"))[0] == 200:
                pass
        assert await poller.poll() == (404, b"No Connection with that ID")


async def test_client_that_falls_behind_is_dropped(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(emulator) as poller:
        for number in range(outbox.LIMIT):
            assert emulator.hubs.broadcast("chat", "greet", [number]) == 1
        assert emulator.hubs.broadcast("chat", "greet", ["one too many"]) == 0
        assert f"dropped, {outbox.LIMIT} messages behind" in caplog.text
        assert await poller.poll() == (404, b"No Connection with that ID")


async def test_expired_token_refuses_polls_not_open_websockets(emulator: Emulator) -> None:
    expiry = int(time.time()) + 3
    token = emulator.token(RESOURCE, exp=expiry)
    async with (
        connected(emulator) as poller,
        emulator.http.ws_connect(f"{emulator.url}{RESOURCE}&access_token={token}") as socket,
    ):
        await socket.send_str(HANDSHAKE)
        assert await socket.receive_str() == "{}\x1e"
        poller.headers = {"Authorization": f"Bearer {token}"}
        await emulator.send("before")
        assert (await poller.receive())[0]["arguments"] == ["before"]
        await asyncio.sleep(expiry - time.time())
        assert await poller.poll() == (401, b"The token is expired.")
        await emulator.send("after")
        assert "before" in await socket.receive_str()
        assert "after" in await socket.receive_str()


# --- refused requests


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_request_needs_negotiated_id_and_token(emulator: Emulator, method: str) -> None:
    headers = emulator.authorization(RESOURCE)
    cases: list[tuple[str, dict[str, str], int, str]] = [
        ("", headers, 400, "Connection ID required"),
        ("&id=", headers, 400, "Connection ID required"),
        ("&id=unknown", headers, 404, "No Connection with that ID"),
        ("&id=unknown", {}, 401, "The token is missing."),
    ]
    for query, given, status, text in cases:
        url = emulator.url + RESOURCE + query
        async with emulator.http.request(method, url, headers=given) as response:
            assert (response.status, await response.text()) == (status, text)


async def test_connection_keeps_its_transport(emulator: Emulator) -> None:
    async with connected(emulator) as poller:
        headers = poller.headers | {"Accept": "text/event-stream"}
        async with emulator.http.get(poller.url, headers=headers) as response:
            assert (response.status, await response.text()) == (400, "Cannot change transports mid-connection.")
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await emulator.http.ws_connect(poller.url, headers=poller.headers)
        assert refusal.value.status == 400


async def test_websocket_refuses_post_and_delete(emulator: Emulator) -> None:
    poller = Poller(emulator, token := (await emulator.negotiate())["connectionToken"])
    async with emulator.client(connection_token=token):
        post = await poller.request("POST", '{"type":6}\x1e')
        assert post == (405, b"POST requests are not allowed for WebSocket connections.")
        delete = await poller.request("DELETE")
        assert delete == (400, b"Cannot terminate this connection using the DELETE endpoint.")
