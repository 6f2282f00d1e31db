"""One client's WebSocket, from the handshake to the close."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from local.signalr import protocol
from local.signalr.hubs import Connection, Hubs
from local.signalr.protocol import MessageType, ProtocolError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intervals:
    """How long things take, in seconds: what ASP.NET Core's SignalR and Azure have."""

    connect: float = 5.0  # at most, from the negotiation to the WebSocket
    handshake: float = 15.0  # at most, from the WebSocket to the end of the handshake
    ping: float = 15.0  # of silence before the client is sent a ping; it hangs up after twice as much


INTERVALS = web.AppKey("intervals", Intervals)


async def converse(connection: Connection, socket: web.WebSocketResponse, hubs: Hubs, intervals: Intervals) -> None:
    """Do the handshake, make the connection a member of its hub, and hold it until either side ends it."""
    async with aclosing(_frames(socket)) as frames:
        try:
            await _handshake(frames, intervals.handshake)
        except ProtocolError as error:
            logger.warning("%s: handshake failed: %r", connection, str(error))
            await _send(socket, protocol.handshake_refused(str(error)))
            return
        # In this order: a client that has the answer misses no broadcast from then on.
        hubs.join(connection)
        await _send(socket, protocol.HANDSHAKE_ACCEPTED)
        logger.info("%s: connected", connection)
        writing = asyncio.create_task(_write(connection, socket, intervals.ping))
        try:
            await _listen(frames)
            logger.info("%s: disconnected", connection)
        except ProtocolError as error:
            logger.warning("%s: closed: %r", connection, str(error))
            await _send(socket, protocol.close(str(error)))
        finally:
            writing.cancel()
            await asyncio.wait({writing})


async def _frames(socket: web.WebSocketResponse) -> AsyncGenerator[bytes, None]:
    buffer = protocol.FrameBuffer()
    async for message in socket:
        if message.type is WSMsgType.ERROR:
            raise ProtocolError(f"The WebSocket failed: {message.data}")
        # ASP.NET Core looks at the bytes only, and some clients do send their JSON as binary.
        data = message.data if isinstance(message.data, bytes) else message.data.encode()
        for frame in buffer.feed(data):
            yield frame
    buffer.end()


async def _handshake(frames: AsyncGenerator[bytes, None], within: float) -> None:
    try:
        async with asyncio.timeout(within):
            protocol.check_handshake(await anext(frames))
    except TimeoutError as error:
        raise ProtocolError("Handshake was canceled.") from error
    except StopAsyncIteration as error:
        raise ProtocolError("The connection ended before the handshake.") from error


async def _listen(frames: AsyncGenerator[bytes, None]) -> None:
    async for frame in frames:
        kind = protocol.message_type(frame)
        if kind == MessageType.CLOSE:
            return
        if MessageType.INVOCATION <= kind <= MessageType.CANCEL_INVOCATION:
            raise ProtocolError("In serverless mode clients only listen: they cannot call hub methods.")


async def _write(connection: Connection, socket: web.WebSocketResponse, ping_interval: float) -> None:
    # Where the connection is lost, the reader notices too and ends the conversation.
    with suppress(ConnectionResetError):
        while True:
            try:
                async with asyncio.timeout(ping_interval):
                    frame = await connection.outgoing.get()
            except TimeoutError:
                frame = protocol.PING
            await socket.send_str(frame)


async def _send(socket: web.WebSocketResponse, frame: str) -> None:
    with suppress(ConnectionResetError):
        await socket.send_str(frame)
