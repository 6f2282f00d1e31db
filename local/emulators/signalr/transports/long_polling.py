"""The long polling transport: each response waits for frames, and the client polls again; it sends by POST."""

from __future__ import annotations

import asyncio

from aiohttp import hdrs, web

from local.emulators.signalr.connection import Connection
from local.emulators.signalr.protocols.hub_protocol import TransferFormat
from local.emulators.signalr.transports.transport import HttpTransport

NOT_CACHED = {hdrs.CACHE_CONTROL: "no-cache, no-store"}


class LongPolling(HttpTransport):
    """One poll at a time. The connection is lost if the client does not poll for too long."""

    name = "LongPolling"
    formats = (TransferFormat.TEXT, TransferFormat.BINARY)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._connected = False
        self._poll: asyncio.Task[list[bytes]] | None = None
        self._absence: asyncio.TimerHandle | None = None

    async def serve(self, request: web.Request) -> web.Response:
        """Answer a poll: 200 with the frames to send; 204 at the end, and to a poll that a later poll replaces.

        The first poll gets an empty response at once, which completes the connection for the client.
        """
        if not self._connected:
            self._connected = True
            self._expect_poll()
            return web.Response(headers=NOT_CACHED)
        if self._absence:
            self._absence.cancel()
        if self._poll:
            self._poll.cancel()
        poll = self._poll = asyncio.create_task(self._connection.outgoing())
        try:
            frames = await poll
        except asyncio.CancelledError:
            if self._poll is poll:  # not replaced by a later poll: the client has hung up
                raise
            frames = []
        finally:
            if self._poll is poll:
                self._poll = None
                self._expect_poll()
        if not frames:
            return web.Response(status=204, headers=NOT_CACHED)
        return web.Response(body=b"".join(frames), content_type="application/octet-stream", headers=NOT_CACHED)

    def _expect_poll(self) -> None:
        loop = asyncio.get_running_loop()
        self._absence = loop.call_later(self._connection.intervals.poll, self._connection.lost)
