"""Hubs: who is connected where, and what is sent to all of them."""

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
    """A hub's name as it is used in here: lower case. Raises `HTTPBadRequest` for what cannot be one."""
    if not HUB_NAME.fullmatch(text):
        raise web.HTTPBadRequest(text="A hub name is a letter, then at most 127 letters, digits or _`,.[] characters.")
    return text.lower()


class Hubs:
    """All hubs of the emulator. A hub exists by being named; it has the connections whose handshake is done."""

    def __init__(self, intervals: Intervals, counters: Counters) -> None:
        self._intervals = intervals
        self._counters = counters
        self._by_token: dict[str, Connection] = {}
        self._members: defaultdict[str, dict[str, Connection]] = defaultdict(dict)

    def negotiate(self, hub: str, version: int) -> Connection:
        """A new connection, for a client that comes in time. Before version 1 the id was the secret as well."""
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
        """The connection that was negotiated for this hub and token, until its client is gone."""
        connection = self._by_token.get(token)
        return connection if connection and connection.hub == hub else None

    def forget(self, connection: Connection) -> None:
        """The token of this connection, which need not be known, is good for nothing any more."""
        self._by_token.pop(connection.token, None)

    def join(self, connection: Connection) -> None:
        """From now on the connection gets what is sent to its hub."""
        self._members[connection.hub][connection.id] = connection
        self._counters.connections += 1
        self._counters.connections_ever += 1

    def leave(self, connection: Connection) -> None:
        """The connection, which need not have joined, gets nothing any more."""
        if self._members[connection.hub].pop(connection.id, None):
            self._counters.connections -= 1

    def has(self, hub: str, connection_id: str) -> bool:
        """Whether a connection of the hub has this id."""
        return connection_id in self._members[hub]

    def broadcast(self, hub: str, target: str, arguments: list[Any], excluded: Collection[str] = ()) -> int:
        """Call `target` on the clients of a hub, apart from the excluded ids; returns on how many.

        Each protocol encodes the call once, and nobody is waited for. Raises `ValueError`, `OverflowError` or
        `RecursionError` for a call that not every client can be sent, whoever is connected.
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
        """Ask every client to come back, and close."""
        for connection in list(self._by_token.values()):
            if connection.transport:
                connection.close()


HUBS = web.AppKey("hubs", Hubs)
