"""The addresses at which a server of the local environment listens."""

from __future__ import annotations

from aiohttp import web

LOOPBACK = "127.0.0.1"


async def listen(runner: web.AppRunner, port: int, lan: str = "") -> int:
    """Listen at a port, 0 for a free one, and return it. Raises OSError if it is in use.

    Other machines reach the server only at `lan`, an address of this machine in its network.
    """
    await web.TCPSite(runner, LOOPBACK, port).start()
    port = int(runner.addresses[0][1])
    if lan:
        await web.TCPSite(runner, lan, port).start()
    return port
