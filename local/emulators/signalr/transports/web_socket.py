"""The WebSocket transport: one for each connection, both ways, text or binary."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from aiohttp import WSMsgType, web

from local.emulators.signalr.connection import MAX_FRAME_BYTES, Connection
from local.emulators.signalr.protocols.hub_protocol import TransferFormat
from local.emulators.signalr.transports.transport import HttpTransport

CLOSE_TIMEOUT = 1.0  # seconds that a client has to answer the close of its WebSocket

OPCODES = {TransferFormat.TEXT: WSMsgType.TEXT, TransferFormat.BINARY: WSMsgType.BINARY}


class WebSocket(HttpTransport):
    """A WebSocket that lasts as long as the connection."""

    name = "WebSockets"
    formats = (TransferFormat.TEXT, TransferFormat.BINARY)

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._socket = web.WebSocketResponse(timeout=CLOSE_TIMEOUT, compress=False, max_msg_size=MAX_FRAME_BYTES)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Serve the WebSocket until either side ends it."""
        self._tcp = request.transport
        try:
            await self._upgrade(request)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive())
                await self._send()
        finally:
            self._connection.lost()
        return self._socket

    async def _upgrade(self, request: web.Request) -> None:
        try:
            await self._socket.prepare(request)
        except ValueError as error:  # aiohttp does not catch it if header values are not ASCII
            raise web.HTTPBadRequest(text="The WebSocket headers are malformed.") from error

    async def _receive(self) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.ERROR:
                self._connection.fail(f"The WebSocket failed: {message.data}")
            else:  # ASP.NET Core reads the bytes of both frame types, and some clients send their JSON as binary
                self._connection.receive(message.data if isinstance(message.data, bytes) else message.data.encode())
        self._connection.lost()

    async def _send(self) -> None:
        with suppress(ConnectionResetError):  # the receiving task ends as well, and handles the loss
            while frames := await self._connection.outgoing():
                for frame in frames:
                    await self._socket.send_frame(frame, OPCODES[self._connection.format])
        await self._socket.close()
