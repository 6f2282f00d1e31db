"""A TCP proxy before the SignalR service that cuts connections, and holds new ones."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class CuttingProxy:
    """`url` replaces the service's url. Requests of the app to the service are never held."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = parts.hostname, parts.port
        self._connections: set[asyncio.Task[None]] = set()
        self._is_open = asyncio.Event()
        self._has_news = asyncio.Event()
        self._held = 0
        self._chance = random.Random(20261123)
        self.url = ""
        self._is_open.set()

    def cut(self, share: float) -> int:
        """Cut this share of all connections, at random; their number."""
        victims = [connection for connection in self._connections if self._chance.random() < share]
        for connection in victims:
            connection.cancel()
        return len(victims)

    def hold(self) -> None:
        """Hold what pages send on new connections."""
        self._is_open.clear()

    def release(self) -> None:
        """Forward what is held."""
        self._is_open.set()

    async def until_held(self, connections: int) -> None:
        """Return when so many connections are held."""
        while self._held < connections:
            self._has_news.clear()
            await self._has_news.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection
        self._connections.add(connection)
        with suppress(asyncio.CancelledError, OSError):
            await self._forward_both(reader, writer)
        self._connections.remove(connection)
        writer.transport.abort()

    async def _forward_both(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(65536)
        if b" /client/" in first[:32]:
            self._held += 1
            self._has_news.set()
            await self._is_open.wait()
            self._held -= 1
        up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        try:
            up_writer.write(first)
            async with asyncio.TaskGroup() as directions:
                directions.create_task(_forward(reader, up_writer))
                directions.create_task(_forward(up_reader, writer))
        finally:
            up_writer.transport.abort()


async def _forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    raise ConnectionResetError  # ends the other direction, too


@asynccontextmanager
async def cutting_proxy(upstream: str) -> AsyncIterator[CuttingProxy]:
    """A proxy at a free port for as long as the context lasts."""
    proxy = CuttingProxy(upstream)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut(1.0)
        await server.wait_closed()
