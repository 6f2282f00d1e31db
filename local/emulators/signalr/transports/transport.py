"""The base class of the transports."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import ClassVar

from aiohttp import web

from local.emulators.signalr.connection import Connection
from local.emulators.signalr.protocols.hub_protocol import TransferFormat


class HttpTransport(ABC):
    """Carries the frames of one connection. It begins with a GET; a client that cannot send on it adds POSTs."""

    name: ClassVar[str]
    formats: ClassVar[tuple[TransferFormat, ...]]

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tcp: asyncio.Transport | None = None  # of the GET, for the transports that have only one

    @abstractmethod
    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a GET of the client."""

    def abort(self) -> None:
        """Cut off a client that does not read."""
        if self._tcp:
            self._tcp.abort()
