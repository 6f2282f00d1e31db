"""The emulator as one aiohttp application, and its port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from aiohttp import web

from local.emulators.signalr import client, counters, rest, tokens
from local.emulators.signalr.connection import Intervals
from local.emulators.signalr.counters import COUNTERS, Counters
from local.emulators.signalr.hubs import HUBS, Hubs
from local.emulators.signalr.transports.web_socket import CLOSE_TIMEOUT
from local.processes.listening import LOOPBACK, listen

# The service's limit for headers; a token has up to 4,096 characters, in a header or in the query.
MAX_HEADER_BYTES = 16 * 1024


def create_app(
    access_key: str = tokens.DEVELOPMENT_KEY,
    trusted_identity_tokens: Collection[str] = (),
    intervals: Intervals | None = None,
    allowed_origins: Collection[str] = (client.ANY_ORIGIN,),
) -> web.Application:
    """Create the emulator. On shutdown it closes its connections and asks their clients to reconnect.

    `allowed_origins` are the service's CORS settings, which it compares as text.
    REST calls may carry one of `trusted_identity_tokens` in place of a token that the access key has signed. They stand
    for the access tokens of a managed identity, which the emulator cannot verify.
    """
    app = web.Application(client_max_size=rest.MAX_BODY_BYTES)
    app[tokens.ACCESS_KEY] = access_key
    app[tokens.TRUSTED_IDENTITY_TOKENS] = frozenset(trusted_identity_tokens)
    app[client.ALLOWED_ORIGINS] = frozenset(allowed_origins)
    app[COUNTERS] = Counters()
    app[HUBS] = Hubs(intervals or Intervals(), app[COUNTERS])
    app.add_routes(client.routes)
    app.add_routes(rest.routes)
    app.add_routes(counters.routes)
    app.on_response_prepare.append(client.allow_origin)
    app.on_shutdown.append(_close_connections)
    return app


@asynccontextmanager
async def listening(app: web.Application, port: int, lan: str = "") -> AsyncIterator[str]:
    """Serve the app at a port of this machine, 0 for a free one; yields the URL. Raises `OSError` if it is in use.

    `lan` is an address of this machine at which other machines reach it too.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,  # detects a client that hangs up at once, rather than at the next write
        shutdown_timeout=CLOSE_TIMEOUT,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )
    await runner.setup()
    try:
        yield f"http://{LOOPBACK}:{await listen(runner, port, lan)}"
    finally:
        await runner.cleanup()


async def _close_connections(app: web.Application) -> None:
    app[HUBS].close()
