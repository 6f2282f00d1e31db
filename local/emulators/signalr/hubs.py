"""Hubs: the connections of each, and broadcasts to all of them."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import defaultdict
from collections.abc import Collection
from typing import Any

from aiohttp import web

from local.emulators.signalr.connection import Connection, Intervals
from local.emulators.signalr.counters import Counters
from local.emulators.signalr.protocols import PROTOCOLS

# From the swagger of the service's REST API.
HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")


def hub_name(text: str) -> str:
    """Normalize a hub name to lower case. Raises `HTTPBadRequest` if it is not a valid name."""
    if not HUB_NAME.fullmatch(text):
        raise web.HTTPBadRequest(text="A hub name is a letter, then at most 127 letters, digits or _`,.[] characters.")
    return text.lower()


class Hubs:
    """All hubs of the emulator. Any valid name is a hub; its members are the connections with a completed handshake."""

    def __init__(self, intervals: Intervals, counters: Counters) -> None:
        self._intervals = intervals
        self._counters = counters
        self._by_token: dict[str, Connection] = {}
        self._members: defaultdict[str, dict[str, Connection]] = defaultdict(dict)

    def negotiate(self, hub: str, version: int) -> Connection:
        """Create a connection, which expires if no client connects in time.

        Before version 1 of the negotiate protocol the id was the secret as well.
        """
        connection_id = secrets.token_urlsafe(16)
        token = secrets.token_urlsafe(16) if version else connection_id
        connection = Connection(hub, connection_id, token, self, self._intervals)
        self._by_token[token] = connection
        asyncio.get_running_loop().call_later(self._intervals.connect, self._expire, connection)
        return connection

    def _expire(self, connection: Connection) -> None:
        if connection.transport is None:
            self.forget(connection)

    def negotiated(self, hub: str, token: str) -> Connection | None:
        """The connection with this token, if it was negotiated for this hub and its client is not gone."""
        connection = self._by_token.get(token)
        return connection if connection and connection.hub == hub else None

    def forget(self, connection: Connection) -> None:
        """Invalidate the token of a connection, if it is still valid."""
        self._by_token.pop(connection.token, None)

    def join(self, connection: Connection) -> None:
        """Add a connection to the members of its hub."""
        self._members[connection.hub][connection.id] = connection
        self._counters.connections += 1
        self._counters.connections_ever += 1

    def leave(self, connection: Connection) -> None:
        """Remove a connection from the members of its hub, if it is one of them."""
        if self._members[connection.hub].pop(connection.id, None):
            self._counters.connections -= 1

    def has(self, hub: str, connection_id: str) -> bool:
        """Return whether a member of the hub has this id."""
        return connection_id in self._members[hub]

    def broadcast(self, hub: str, target: str, arguments: list[Any], excluded: Collection[str] = ()) -> int:
        """Call `target` on all clients of a hub, except the excluded ids. Returns the number of clients.

        Each protocol encodes the call once, and the frames are queued without waiting for a client. Raises
        `ValueError`, `OverflowError` or `RecursionError` if one of the protocols cannot encode the call, even if no
        client uses that protocol.
        """
        frames = {protocol: protocol.invocation(target, arguments) for protocol in PROTOCOLS.values()}
        self._counters.broadcasts += 1
        receivers = 0
        for connection in list(self._members[hub].values()):
            if connection.protocol and connection.id not in excluded:
                frame = frames[connection.protocol]
                if connection.send(frame):
                    self._counters.count_sent(frame)
                    receivers += 1
        return receivers

    def close(self) -> None:
        """Close every connection, and ask the clients to reconnect."""
        for connection in list(self._by_token.values()):
            if connection.transport:
                connection.close()


HUBS = web.AppKey("hubs", Hubs)
