"""The emulator as one aiohttp application, and the port it listens at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiohttp import web

from local.emulators.signalr import client, counters, rest, tokens
from local.emulators.signalr.connection import Intervals
from local.emulators.signalr.counters import COUNTERS, Counters
from local.emulators.signalr.hubs import HUBS, Hubs
from local.emulators.signalr.transports.web_socket import CLOSE_TIMEOUT

HOST = "127.0.0.1"

# The service's limit for headers; a token may have 4096 characters and comes in a header or in the query.
MAX_HEADER_BYTES = 16 * 1024


def create_app(
    access_key: str = tokens.DEVELOPMENT_KEY,
    trusted_identity_tokens: Collection[str] = (),
    intervals: Intervals | None = None,
) -> web.Application:
    """The emulator. On shutdown it closes its connections and asks their clients to connect again.

    `trusted_identity_tokens` are taken on REST calls in place of one that the key has signed: the access tokens, opaque
    to the emulator, of an identity that Azure would let in without the key.
    """
    app = web.Application(client_max_size=rest.MAX_BODY_BYTES)
    app[tokens.ACCESS_KEY] = access_key
    app[tokens.TRUSTED_IDENTITY_TOKENS] = frozenset(trusted_identity_tokens)
    app[COUNTERS] = Counters()
    app[HUBS] = Hubs(intervals or Intervals(), app[COUNTERS])
    app.add_routes(client.routes)
    app.add_routes(rest.routes)
    app.add_routes(counters.routes)
    app.on_response_prepare.append(client.allow_origin)
    app.on_shutdown.append(_close_connections)
    return app


@asynccontextmanager
async def listening(app: web.Application, port: int) -> AsyncIterator[str]:
    """Serve the app at a port of this machine, 0 for a free one; yields the URL. Raises `OSError` if it is taken."""
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,  # a client that hangs up is noticed at once, and not when it is next sent something
        shutdown_timeout=CLOSE_TIMEOUT,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _close_connections(app: web.Application) -> None:
    app[HUBS].close()
