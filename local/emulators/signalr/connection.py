"""One client's connection, from its negotiation to its end, whatever its transport and its protocol."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.emulators.signalr import outbox
from local.emulators.signalr.outbox import Outbox
from local.emulators.signalr.protocols import handshake
from local.emulators.signalr.protocols.hub_protocol import HubProtocol, MessageType, ProtocolError, TransferFormat

if TYPE_CHECKING:
    from local.emulators.signalr.hubs import Hubs
    from local.emulators.signalr.transports.transport import Transport

# Serverless clients only listen: they send a handshake, pings and perhaps a close. ASP.NET Core's own limit is ample.
MAX_FRAME_BYTES = 32 * 1024

CALLS = range(MessageType.INVOCATION, MessageType.CANCEL_INVOCATION + 1)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intervals:
    """How long things take, in seconds: what ASP.NET Core's SignalR and Azure have."""

    connect: float = 5.0  # at most, from the negotiation to the first request of a transport
    handshake: float = 15.0  # at most, from there to the end of the handshake
    ping: float = 15.0  # of silence before the client is sent a ping; it hangs up after twice as much
    poll: float = 15.0  # at most, from the end of a long poll to the next


class Connection:
    """Understands what a client sends, and has an outbox for what it is to be sent.

    `id` is public: the REST API names the connection by it. `token` is the secret that the client connects with.
    """

    def __init__(self, hub: str, connection_id: str, token: str, hubs: Hubs, intervals: Intervals) -> None:
        self.hub = hub
        self.id = connection_id
        self.token = token
        self.intervals = intervals
        self.transport: Transport | None = None  # until the client comes
        self.protocol: HubProtocol | None = None  # until the handshake
        self._hubs = hubs
        self._outbox = Outbox()
        self._arrived = b""

    def __str__(self) -> str:
        return f"{self.hub}/{self.id}"

    @property
    def format(self) -> TransferFormat:
        """What the frames are made of that go to the client."""
        return self.protocol.transfer_format if self.protocol else TransferFormat.TEXT

    def open(self, transport: Transport) -> None:
        """The client has come, and is to do its handshake in time."""
        self.transport = transport
        asyncio.get_running_loop().call_later(self.intervals.handshake, self._require_handshake)
        self._read()

    def _require_handshake(self) -> None:
        if self.protocol is None:
            self.fail("Handshake was canceled.")

    def receive(self, data: bytes) -> None:
        """Take what the client has sent: a part of a frame, or several."""
        if not self._outbox.ended:
            self._arrived += data
            self._read()

    def _read(self) -> None:
        try:
            if self.protocol is None and self.transport:  # some clients POST their handshake before their first GET
                self._shake_hands(self.transport)
            if self.protocol is not None:
                self._listen(self.protocol)
            if len(self._arrived) > MAX_FRAME_BYTES:
                raise ProtocolError(f"The message is longer than {MAX_FRAME_BYTES} bytes.")
        except ProtocolError as error:
            self.fail(str(error))

    def _shake_hands(self, transport: Transport) -> None:
        request = handshake.read(self._arrived)
        if request is None:
            return
        protocol, rest = request
        if protocol.transfer_format not in transport.formats:
            raise ProtocolError(
                f"Cannot use the '{protocol.name}' protocol on the current transport. "
                f"The transport does not support '{protocol.transfer_format}' transfer format."
            )
        self.protocol, self._arrived = protocol, rest
        self._outbox.put(handshake.ACCEPTED)
        self._hubs.join(self)
        logger.info("%s: connected", self)

    def _listen(self, protocol: HubProtocol) -> None:
        bodies, self._arrived = protocol.split(self._arrived)
        for kind in map(protocol.message_type, bodies):
            if kind == MessageType.CLOSE:
                self._end()
                return
            if kind in CALLS:
                raise ProtocolError("In serverless mode clients only listen: they cannot call hub methods.")

    def send(self, frame: bytes) -> bool:
        """Have the frame sent in its turn; False if the client has fallen too far behind, and is dropped."""
        if self._outbox.put(frame):
            return True
        logger.warning("%s: dropped, %d messages behind", self, outbox.LIMIT)
        self.lost()
        if self.transport:
            self.transport.abort()
        return False

    async def outgoing(self) -> list[bytes]:
        """The frames to send next, as soon as there are any; a ping after a long silence; none at the end."""
        if self.protocol is None:
            return await self._outbox.take()
        try:
            async with asyncio.timeout(self.intervals.ping):
                return await self._outbox.take()
        except TimeoutError:
            return [self.protocol.ping]

    def close(self) -> None:
        """Ask the client to come back, and end the connection in order."""
        if self.protocol is None:
            self._end()
        else:
            self._end(self.protocol.close(None, allow_reconnect=True))

    def fail(self, error: str) -> None:
        """Tell the client what is wrong, and end the connection for good."""
        if self.protocol is None:
            self._end(handshake.refused(error), error=error)
        else:
            self._end(self.protocol.close(error, allow_reconnect=False), error=error)

    def lost(self) -> None:
        """The client is gone, and with it what was still to be sent."""
        self._end()
        self._outbox.discard()
        self._hubs.forget(self)

    def _end(self, *last_frames: bytes, error: str = "") -> None:
        if self._outbox.ended:
            return
        self._outbox.end(*last_frames)
        self._hubs.leave(self)
        if self.protocol is None:
            logger.warning("%s: handshake failed: %r", self, error or "The connection ended before the handshake.")
        elif error:
            logger.warning("%s: closed: %r", self, error)
        else:
            logger.info("%s: disconnected", self)
