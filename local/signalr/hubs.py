"""Hubs and connections: who is connected where, and what is sent to them."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
from collections import defaultdict
from collections.abc import Collection

from aiohttp import web

from local.signalr import protocol

# Frames that may wait for a client that reads too slowly before it is dropped.
OUTGOING_LIMIT = 100

# How long a client may take to answer the close of its WebSocket, in seconds.
CLOSE_TIMEOUT = 1.0

# From the swagger of the service's REST API.
HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")

logger = logging.getLogger(__name__)


def hub_name(text: str) -> str:
    """A hub's name as it is used in here: lower case. Raises `HTTPBadRequest` for what cannot be one."""
    if not HUB_NAME.fullmatch(text):
        raise web.HTTPBadRequest(text="A hub name is a letter, then at most 127 letters, digits or _`,.[] characters.")
    return text.lower()


class Connection:
    """One client's connection, from its negotiation on.

    `id` is public: the REST API names the connection by it. `token` is the secret that the client connects with.
    """

    def __init__(self, hub: str, connection_id: str, token: str) -> None:
        self.hub = hub
        self.id = connection_id
        self.token = token
        self.outgoing: asyncio.Queue[str] = asyncio.Queue(OUTGOING_LIMIT)
        self._socket: web.WebSocketResponse | None = None
        self._transport: asyncio.Transport | None = None

    def __str__(self) -> str:
        return f"{self.hub}/{self.id}"

    @property
    def active(self) -> bool:
        """Whether the client has come with its WebSocket."""
        return self._socket is not None

    def attach(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        """Make this the connection of a WebSocket and of the transport below it."""
        self._socket, self._transport = socket, transport

    async def close(self) -> None:
        """Ask the client to connect again and close; one that does not answer is cut off."""
        if self._socket is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._socket.send_str(protocol.CLOSE_AND_RECONNECT)
                await self._socket.close()
        except (TimeoutError, ConnectionResetError):
            self.abort()

    def abort(self) -> None:
        """Cut the client off, whatever is still to be sent."""
        if self._transport is not None:
            self._transport.abort()


class Hubs:
    """All hubs of the emulator. A hub exists by being named; it has the connections whose handshake is done."""

    def __init__(self, connect_within: float) -> None:
        """`connect_within`: seconds a client has between negotiating and connecting."""
        self._connect_within = connect_within
        self._by_token: dict[str, Connection] = {}
        self._members: defaultdict[str, dict[str, Connection]] = defaultdict(dict)

    def negotiate(self, hub: str, version: int) -> Connection:
        """A new connection, for a client that connects in time. Before version 1 the id was the secret as well."""
        connection_id = secrets.token_urlsafe(16)
        connection = Connection(hub, connection_id, secrets.token_urlsafe(16) if version else connection_id)
        self._by_token[connection.token] = connection
        asyncio.get_running_loop().call_later(self._connect_within, self._expire, connection)
        return connection

    def _expire(self, connection: Connection) -> None:
        if not connection.active:
            self.remove(connection)

    def negotiated(self, hub: str, token: str) -> Connection | None:
        """The connection that was negotiated for this hub and token, active or not; None if there is none."""
        connection = self._by_token.get(token)
        return connection if connection and connection.hub == hub else None

    def join(self, connection: Connection) -> None:
        """From now on the connection gets what is sent to its hub."""
        self._members[connection.hub][connection.id] = connection

    def remove(self, connection: Connection) -> None:
        """Forget the connection, which need not be known."""
        self._by_token.pop(connection.token, None)
        self._members[connection.hub].pop(connection.id, None)

    def has(self, hub: str, connection_id: str) -> bool:
        """Whether a connection of the hub has this id."""
        return connection_id in self._members[hub]

    def broadcast(self, hub: str, frame: str, excluded: Collection[str]) -> int:
        """Send a frame to the connections of a hub, apart from the excluded ids; returns to how many.

        Nobody is waited for: every connection has a queue, and one whose queue is full is dropped.
        """
        receivers = [member for member in self._members[hub].values() if member.id not in excluded]
        for connection in receivers:
            try:
                connection.outgoing.put_nowait(frame)
            except asyncio.QueueFull:
                logger.warning("%s: dropped, %d messages behind", connection, OUTGOING_LIMIT)
                self.remove(connection)
                connection.abort()
        return len(receivers)

    async def close(self) -> None:
        """Close every connection, and ask its client to connect again."""
        await asyncio.gather(*(connection.close() for connection in self._by_token.values()))


HUBS = web.AppKey("hubs", Hubs)
