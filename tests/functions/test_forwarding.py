"""The host's response when a worker does not respond. It never repeats a request: its visit could count twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from local.emulators.functions.host import Forwarder, worker_session

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class ScriptedWorker:
    """Sends the given responses to the first requests, then none; closes the connection after an incomplete one."""

    def __init__(self, *answers: bytes) -> None:
        self.requests = 0
        self._answers = list(answers)
        self._port: int | None = None

    def next_port(self) -> int | None:
        return self._port

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.requests += 1
                answer = self._answers.pop(0) if self._answers else b""
                writer.write(answer)
                if answer != ANSWER:
                    break
        except asyncio.IncompleteReadError:
            pass  # the host has closed the connection
        finally:
            writer.close()


@asynccontextmanager
async def host_of(worker: ScriptedWorker) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with worker_session() as session:
        app = web.Application()
        app.router.add_route("*", "/{target:.*}", Forwarder(worker, session).forward)
        async with TestClient(TestServer(app)) as client:
            yield client


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST"])
async def test_broken_connection_is_502_without_retry(method: str) -> None:
    worker = ScriptedWorker(ANSWER)
    async with worker.listening(), host_of(worker) as client:
        assert (await client.get("/")).status == 200  # the connection stays open
        answer = await client.request(method, "/")
        assert (answer.status, await answer.read()) == (502, b"")
    assert worker.requests == 2


async def test_truncated_response_is_502() -> None:
    worker = ScriptedWorker(ANSWER[:-1])
    async with worker.listening(), host_of(worker) as client:
        answer = await client.get("/")
        assert (answer.status, await answer.read()) == (502, b"")
    assert worker.requests == 1


async def test_ended_worker_is_502() -> None:
    worker = ScriptedWorker()
    async with worker.listening():
        pass
    async with host_of(worker) as client:
        assert (await client.get("/")).status == 502


async def test_no_running_worker_is_503_with_retry_after() -> None:
    async with host_of(ScriptedWorker()) as client:
        answer = await client.get("/")
        assert (answer.status, answer.headers["Retry-After"], await answer.read()) == (503, "1", b"")
