"""The transport of server-sent events: one response that stays open, text only; the client sends POSTs."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import hdrs, web

from local.emulators.signalr.protocols.hub_protocol import TransferFormat
from local.emulators.signalr.transports.transport import HttpTransport


class ServerSentEvents(HttpTransport):
    """A stream of events that lasts as long as the connection."""

    name = "ServerSentEvents"
    formats = (TransferFormat.TEXT,)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Send an event for each frame until either side ends the stream. No frame contains a line break."""
        self._tcp = request.transport
        response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-cache, no-store"}
        )
        try:
            await response.prepare(request)
            with suppress(ConnectionResetError):
                # A comment, as ASP.NET Core sends: Firefox opens an EventSource only when it has received some data.
                await response.write(b":\r\n")
                while frames := await self._connection.outgoing():
                    await response.write(b"".join(b"data: %b\r\n\r\n" % frame for frame in frames))
        finally:
            self._connection.lost()
        return response
