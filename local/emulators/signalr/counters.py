"""The number of connections, broadcasts and billed messages, for tests and measurements.

The path is the emulator's own: Azure SignalR Service has nothing under `/emulator`, and reports these numbers in its
metrics only.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

# The service bills one message for each 2 KB that it begins.
BILLED_BYTES = 2048

routes = web.RouteTableDef()


@dataclass
class Counters:
    """Numbers of all hubs, since the emulator started."""

    connections: int = 0  # now, with a completed handshake
    connections_ever: int = 0
    broadcasts: int = 0  # accepted by the REST API
    messages: int = 0  # billed: outbound invocations, but no pings and no handshakes

    def count_sent(self, frame: bytes) -> None:
        """Count an invocation that is sent to one client."""
        self.messages += -(-len(frame) // BILLED_BYTES)


COUNTERS = web.AppKey("counters", Counters)


@routes.get("/emulator/counters")
async def counters(request: web.Request) -> web.Response:
    """{"connections", "connectionsEver", "broadcasts", "messages"}; needs no token."""
    now = request.app[COUNTERS]
    return web.json_response(
        {
            "connections": now.connections,
            "connectionsEver": now.connections_ever,
            "broadcasts": now.broadcasts,
            "messages": now.messages,
        }
    )
