"""The public port: passes each request to a worker and its answer back, and changes nothing in either.

The target of a request goes through exactly as it was sent: whatever the app does about `..`, `//` or `%2F` is
then put to the test here as well. A request is sent to a worker once and never again, because the visit in it may
have been counted even if no answer came back.
"""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Iterator
from typing import Protocol

import aiohttp
from aiohttp import web
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from local.emulators.functions.pool import StartError, WorkerPool
from local.processes.lifetime import until_stopped

log = logging.getLogger(__name__)

MAX_BODY = 100 * 1024 * 1024  # bytes: the limit of the Functions host
REQUEST_SECONDS = 5  # how long requests in flight may take once the host has been told to stop

# RFC 9110, 7.6.1: these speak of one connection, not of the message.
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"})
_HOP_BY_HOP |= {"te", "trailer", "transfer-encoding", "upgrade"}
_REMADE = frozenset({"content-length", "expect"})  # settled with the client here, and with the worker anew


class Workers(Protocol):
    """What hands out the workers."""

    def next_port(self) -> int | None:
        """Return the port of the worker whose turn it is, or None while there is none."""


class WorkerLostError(Exception):
    """The connection to a worker broke before its answer was complete."""


async def send_once(request: aiohttp.ClientRequest, send: ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a GET again over a new connection, as it does when a kept-alive one breaks."""
    try:
        return await send(request)
    except aiohttp.ClientConnectionError as error:
        raise WorkerLostError(str(error) or type(error).__name__) from error


def worker_session() -> aiohttp.ClientSession:
    """Make the client side of the host: no limit on connections, nothing added, remembered or tried again."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        auto_decompress=False,
        middlewares=(send_once,),
    )


class Forwarder:
    """Passes requests to workers in turn."""

    def __init__(self, workers: Workers, session: aiohttp.ClientSession) -> None:
        self._workers = workers
        self._session = session

    async def forward(self, request: web.Request) -> web.Response:
        """Answer as a worker does, or with 400 (no path, or not text), 502 (worker lost) or 503 (no worker up)."""
        if not _is_well_formed(request):
            return web.Response(status=400)
        body = await request.read()
        port = self._workers.next_port()
        if port is None:
            return web.Response(status=503, headers={"Retry-After": "1"})
        try:
            async with self._session.request(
                request.method,
                # The query rides along in `path`: taken apart, an empty one would be lost.
                URL.build(scheme="http", host="127.0.0.1", port=port, path=request.raw_path, encoded=True),
                # In one spelling: of two spellings of one name, aiohttp's client would send only the last.
                headers=[(name.lower(), value) for name, value in _end_to_end(request.headers, without=_REMADE)],
                data=io.BytesIO(body) if body else None,
                allow_redirects=False,
            ) as answer:
                return web.Response(
                    status=answer.status,
                    reason=answer.reason,
                    headers=CIMultiDict(_end_to_end(answer.headers)),
                    body=await answer.read(),
                )
        except (WorkerLostError, aiohttp.ClientError) as error:
            log.warning("%s %s: the worker did not answer (%s)", request.method, request.raw_path, error)
            return web.Response(status=502)


def _is_well_formed(request: web.Request) -> bool:
    """Tell whether the target is a path, and it and the headers are text: Kestrel refuses the rest with 400 too."""
    if not request.raw_path.startswith("/") or not request.raw_path.isascii():
        return False
    # aiohttp decodes what is not UTF-8 to lone surrogates, which cannot be sent on.
    return not any("\ud800" <= character <= "\udfff" for value in request.headers.values() for character in value)


def _end_to_end(headers: CIMultiDictProxy[str], without: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    named = {name.strip().lower() for line in headers.getall("Connection", ()) for name in line.split(",")}
    dropped = _HOP_BY_HOP | named | without
    return ((name, value) for name, value in headers.items() if name.lower() not in dropped)


def _is_our_concern(record: logging.LogRecord) -> bool:
    """Drop aiohttp's tracebacks of requests that are malformed (answered 400) or broken off by the client."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | ConnectionResetError))


async def serve(port: int, workers: int, *, verbose: bool = False) -> None:
    """Run the app in the current directory on 127.0.0.1:`port` (0: a free one) until told to stop.

    Prints one line to standard output once all workers are up. Raises StartError if they cannot start or if the
    port cannot be had.
    """
    server_log = logging.getLogger("aiohttp.server")
    server_log.addFilter(_is_our_concern)
    access_log = logging.getLogger("local.emulators.functions.access") if verbose else None
    pool = WorkerPool(workers)
    async with worker_session() as session:
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{target:.*}", Forwarder(pool, session).forward)
        runner = web.AppRunner(
            app,
            access_log=access_log,
            access_log_format='"%r" %s %b bytes %Tf s',
            auto_decompress=False,
            shutdown_timeout=REQUEST_SECONDS,
        )
        await runner.setup()
        try:
            await _listen(runner, port)  # first: a port in use is known at once
            async with pool:
                print(f"Functions host is listening at http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
                await until_stopped()
                log.info("Stopping: requests in flight have %d s", REQUEST_SECONDS)
                await runner.cleanup()  # while the workers are there to answer the requests in flight
        finally:
            await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise StartError(f"Cannot listen on 127.0.0.1:{port} ({reason}): choose another port with --port.") from error
