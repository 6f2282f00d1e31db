"""SignalR clients that nobody here wrote: @microsoft/signalr in Node, and pysignalr."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from pysignalr.client import SignalRClient

from local.node import NODE

LISTENER = Path(__file__).with_name("listener.mjs")


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
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(NODE, str(LISTENER), *arguments, stdin=pipe, stdout=pipe)
    try:
        yield Listener(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()


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
        others = asyncio.all_tasks() - {running_client}
        running_client.cancel()
        # It leaves tasks behind that close its WebSocket.
        await asyncio.wait({running_client})
        if closing := asyncio.all_tasks() - others:
            await asyncio.wait(closing, timeout=10)
