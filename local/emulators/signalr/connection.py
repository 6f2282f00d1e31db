"""The connection of one client, from its negotiation to its end, for every transport and protocol."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import ClassVar, Protocol

from local.emulators.signalr import outbox
from local.emulators.signalr.outbox import Outbox
from local.emulators.signalr.protocols import handshake
from local.emulators.signalr.protocols.hub_protocol import HubProtocol, MessageType, ProtocolError, TransferFormat

# ASP.NET Core's limit. It is ample here: clients only listen, and send a handshake, pings and perhaps a close.
MAX_FRAME_BYTES = 32 * 1024

CALLS = range(MessageType.INVOCATION, MessageType.CANCEL_INVOCATION + 1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intervals:
    """Time limits in seconds; the defaults are those of ASP.NET Core SignalR and Azure."""

    connect: float = 5.0  # from the negotiation to the first request of a transport
    handshake: float = 15.0  # from that request to the end of the handshake
    ping: float = 15.0  # of silence before the server pings the client, which disconnects after 30 s of silence
    poll: float = 15.0  # from the end of a long poll to the next


class Transport(Protocol):
    """The part of a transport that its connection uses."""

    formats: ClassVar[tuple[TransferFormat, ...]]

    def abort(self) -> None:
        """Cut off a client that does not read."""


class Registry(Protocol):
    """Keeps the connections of all hubs. A connection calls it when its state changes."""

    def join(self, connection: Connection) -> None:
        """The handshake is done: the connection receives broadcasts from now on."""

    def leave(self, connection: Connection) -> None:
        """The connection, joined or not, receives no more broadcasts."""

    def forget(self, connection: Connection) -> None:
        """The token of the connection is no longer valid."""


class Connection:
    """Reads the frames that a client sends, and queues those that it receives.

    `id` is public: the REST API names the connection by it. `token` is the secret that the client connects with.
    """

    def __init__(self, hub: str, connection_id: str, token: str, registry: Registry, intervals: Intervals) -> None:
        self.hub = hub
        self.id = connection_id
        self.token = token
        self.intervals = intervals
        self.transport: Transport | None = None  # until the client connects
        self.protocol: HubProtocol | None = None  # until the handshake
        self._registry = registry
        self._outbox = Outbox()
        self._unread = b""

    def __str__(self) -> str:
        return f"{self.hub}/{self.id}"

    @property
    def format(self) -> TransferFormat:
        """The format of the frames for the client."""
        return self.protocol.transfer_format if self.protocol else TransferFormat.TEXT

    def open(self, transport: Transport) -> None:
        """The client has connected. The handshake must follow within its time limit."""
        self.transport = transport
        asyncio.get_running_loop().call_later(self.intervals.handshake, self._require_handshake)
        self._read()

    def _require_handshake(self) -> None:
        if self.protocol is None:
            self.fail("Handshake was canceled.")

    def receive(self, data: bytes) -> None:
        """Read bytes from the client: a part of a frame, or several frames."""
        if not self._outbox.ended:
            self._unread += data
            self._read()

    def _read(self) -> None:
        try:
            if self.protocol is None and self.transport:  # some clients POST their handshake before their first GET
                self._shake_hands(self.transport)
            if self.protocol is not None:
                self._listen(self.protocol)
            if len(self._unread) > MAX_FRAME_BYTES:
                raise ProtocolError(f"The message is longer than {MAX_FRAME_BYTES} bytes.")
        except ProtocolError as error:
            self.fail(str(error))

    def _shake_hands(self, transport: Transport) -> None:
        request = handshake.read(self._unread)
        if request is None:
            return
        protocol, rest = request
        if protocol.transfer_format not in transport.formats:
            raise ProtocolError(
                f"Cannot use the '{protocol.name}' protocol on the current transport. "
                f"The transport does not support '{protocol.transfer_format}' transfer format."
            )
        self.protocol, self._unread = protocol, rest
        self._outbox.put(handshake.ACCEPTED)
        self._registry.join(self)
        logger.info("%s: connected", self)

    def _listen(self, protocol: HubProtocol) -> None:
        bodies, self._unread = protocol.split(self._unread)
        for kind in map(protocol.message_type, bodies):
            if kind == MessageType.CLOSE:
                self._end()
                return
            if kind in CALLS:
                raise ProtocolError("In serverless mode clients only listen: they cannot call hub methods.")

    def send(self, frame: bytes) -> bool:
        """Queue a frame for the client. Returns False if the queue is full; the connection is then dropped."""
        if self._outbox.put(frame):
            return True
        logger.warning("%s: dropped, %d messages behind", self, outbox.LIMIT)
        self.lost()
        if self.transport:
            self.transport.abort()
        return False

    async def outgoing(self) -> list[bytes]:
        """Wait for frames to send and return them: a ping after a long silence, an empty list at the end."""
        if self.protocol is None:
            return await self._outbox.take()
        try:
            async with asyncio.timeout(self.intervals.ping):
                return await self._outbox.take()
        except TimeoutError:
            return [self.protocol.ping]

    def close(self) -> None:
        """End the connection in good order, and ask the client to reconnect."""
        if self.protocol is None:
            self._end()
        else:
            self._end(self.protocol.close(None, allow_reconnect=True))

    def fail(self, error: str) -> None:
        """Send the client an error, and end the connection for good."""
        if self.protocol is None:
            self._end(handshake.refused(error), error=error)
        else:
            self._end(self.protocol.close(error, allow_reconnect=False), error=error)

    def lost(self) -> None:
        """The client is gone: discard the frames that wait for it."""
        self._end()
        self._outbox.discard()
        self._registry.forget(self)

    def _end(self, *last_frames: bytes, error: str = "") -> None:
        if self._outbox.ended:
            return
        self._outbox.end(*last_frames)
        self._registry.leave(self)
        if self.protocol is None:
            logger.warning("%s: handshake failed: %r", self, error or "The connection ended before the handshake.")
        elif error:
            logger.warning("%s: closed: %r", self, error)
        else:
            logger.info("%s: disconnected", self)
