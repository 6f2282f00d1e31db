"""What the emulator has done, and what that would have cost: for tests and measurements.

The path is the emulator's own: Azure SignalR Service has nothing under `/emulator`, and tells these numbers in its
metrics only.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

# The service bills a message for each of these that it begins.
BILLED_BYTES = 2048

routes = web.RouteTableDef()


@dataclass
class Counters:
    """Numbers since the emulator was started, of all hubs."""

    connections: int = 0  # now: those whose handshake is done
    connections_ever: int = 0
    broadcasts: int = 0  # that the REST API has accepted
    messages: int = 0  # that would be billed: outbound ones only, and neither pings nor handshakes

    def count_sent(self, frame: bytes) -> None:
        """An invocation goes to one client."""
        self.messages += -(-len(frame) // BILLED_BYTES)


COUNTERS = web.AppKey("counters", Counters)


@routes.get("/emulator/counters")
async def counters(request: web.Request) -> web.Response:
    """The counters, to anybody: {"connections", "connectionsEver", "broadcasts", "messages"}."""
    now = request.app[COUNTERS]
    return web.json_response(
        {
            "connections": now.connections,
            "connectionsEver": now.connections_ever,
            "broadcasts": now.broadcasts,
            "messages": now.messages,
        }
    )
