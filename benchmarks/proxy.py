"""What stands between a process and a storage service: a proxy that counts requests, and a network that forgets.

The proxy counts on the wire, including retries of the SDK.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

# The status of a transaction is always 202; its outcome is in the body.
_CONFLICT = re.compile(rb"^HTTP/1\.1 (409|412) ", re.MULTILINE)
_HOP_BY_HOP = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})


@dataclass(slots=True)
class Tally:
    """The number of requests; of transactions among them; of those with the outcome 409 or 412."""

    requests: int = 0
    commits: int = 0
    conflicts: int = 0


class CountingProxy:
    """Counts by storage account. Signatures stay valid behind it, since they do not cover the host."""

    def __init__(self, upstream: str) -> None:
        self.url = ""  # set once it serves
        self._upstream = f"http://{urlsplit(upstream).netloc}"
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self._lock = threading.Lock()

    def take(self, account: str) -> Tally:
        """The tally of a storage account since the last call for it."""
        with self._lock:
            return self._tallies.pop(account, Tally())

    async def serve(self, started: threading.Event, stopped: asyncio.Event) -> None:
        """Serve on a free port until `stopped`."""
        # The service may close a kept-alive connection at the moment of its next use.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

            async def respond(request: web.Request) -> web.Response:
                return await self._forward(request, session)

            application = web.Application(client_max_size=0)
            application.router.add_route("*", "/{target:.*}", respond)
            runner = web.AppRunner(application, access_log=None, auto_decompress=False)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            started.set()
            await stopped.wait()
            await runner.cleanup()

    async def _forward(self, request: web.Request, session: aiohttp.ClientSession) -> web.Response:
        async with session.request(
            request.method,
            f"{self._upstream}{request.raw_path}",
            headers={name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP},
            data=await request.read() or None,
            allow_redirects=False,
        ) as response:
            body = await response.read()
        self._count(request.raw_path, body)
        headers = {name: value for name, value in response.headers.items() if name.lower() not in _HOP_BY_HOP}
        return web.Response(status=response.status, headers=headers, body=body)

    def _count(self, path: str, body: bytes) -> None:
        account = path.split("/")[1]
        is_commit = path.endswith("/$batch")
        with self._lock:
            tally = self._tallies[account]
            tally.requests += 1
            tally.commits += is_commit
            tally.conflicts += is_commit and _CONFLICT.search(body) is not None


@contextmanager
def counting_proxy(upstream: str) -> Iterator[CountingProxy]:
    """Run a proxy to the host and port of `upstream` while the context lasts."""
    proxy = CountingProxy(upstream)
    with _serving(proxy.serve):
        yield proxy


@contextmanager
def forgetful_network(upstream: str, seconds: float) -> Iterator[str]:
    """A url that leads to the host and port of `upstream` while the context lasts, with the same path.

    The network forgets a connection that was idle for longer than `seconds`. What is then sent on it is lost, and
    neither end is informed.
    """
    parts = urlsplit(upstream)
    addresses: list[str] = []

    async def serve(started: threading.Event, stopped: asyncio.Event) -> None:
        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _relay(reader, writer, *await asyncio.open_connection(parts.hostname, parts.port), seconds)

        async with await asyncio.start_server(relay, "127.0.0.1", 0) as server:
            addresses.append(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
            started.set()
            await stopped.wait()

    with _serving(serve):
        yield parts._replace(netloc=addresses[0]).geturl()


async def _relay(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    upstream_reader: asyncio.StreamReader,
    upstream_writer: asyncio.StreamWriter,
    seconds: float,
) -> None:
    """Pass on what either end sends until the other has ended, or until the connection is forgotten."""
    used_at = time.monotonic()

    async def pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        nonlocal used_at
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if time.monotonic() - used_at > seconds:
                    return
                used_at = time.monotonic()
                target.write(data)
                await target.drain()
            target.close()

    try:
        await asyncio.gather(pass_on(reader, upstream_writer), pass_on(upstream_reader, writer))
    finally:
        for end in (writer, upstream_writer):
            end.close()
            with suppress(ConnectionError):
                await end.wait_closed()


@contextmanager
def _serving(serve: Callable[[threading.Event, asyncio.Event], Coroutine[Any, Any, None]]) -> Iterator[None]:
    """Run a server on an event loop of its own: it sets the first event, and ends once the second is set."""
    loop = asyncio.new_event_loop()
    started, stopped = threading.Event(), asyncio.Event()

    async def run() -> None:
        await serve(started, stopped)
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), name="proxy")
    thread.start()
    try:
        started.wait()
        yield
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()
