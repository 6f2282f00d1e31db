"""The public port: passes each request to a worker and returns its response, both unchanged.

The target of a request is passed on exactly as it was sent, so that the app's handling of `..`, `//` and `%2F` is
tested here as in Azure. A request is sent to a worker only once, because its visit may have been counted even if
no response came back.
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
from local.processes.listening import LOOPBACK, listen

log = logging.getLogger(__name__)

MAX_BODY = 100 * 1024 * 1024  # bytes: the limit of the Functions host
REQUEST_SECONDS = 5  # for requests in flight, after the host has been asked to stop

# RFC 9110, 7.6.1: these describe one connection, not the message.
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"})
_HOP_BY_HOP |= {"te", "trailer", "transfer-encoding", "upgrade"}
_PER_CONNECTION = frozenset({"content-length", "expect"})  # handled with the client, and again with the worker


class Workers(Protocol):
    """Selects the worker for each request."""

    def next_port(self) -> int | None:
        """Return the port of the next worker, or None if none is running."""


class WorkerLostError(Exception):
    """The connection to a worker broke before its response was complete."""


async def send_once(request: aiohttp.ClientRequest, send: ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a GET again when a kept-alive connection breaks, which it does by default."""
    try:
        return await send(request)
    except aiohttp.ClientConnectionError as error:
        raise WorkerLostError(str(error) or type(error).__name__) from error


def worker_session() -> aiohttp.ClientSession:
    """Create the client for requests to workers: no limit on connections, no added headers, no cookies, no retries."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        auto_decompress=False,
        middlewares=(send_once,),
    )


class Forwarder:
    """Passes requests to the workers, one after the other."""

    def __init__(self, workers: Workers, session: aiohttp.ClientSession) -> None:
        self._workers = workers
        self._session = session

    async def forward(self, request: web.Request) -> web.Response:
        """Return a worker's response; or 400 (malformed request), 502 (worker lost) or 503 (no worker is running)."""
        if not _is_well_formed(request):
            return web.Response(status=400)
        body = await request.read()
        port = self._workers.next_port()
        if port is None:
            return web.Response(status=503, headers={"Retry-After": "1"})
        try:
            async with self._session.request(
                request.method,
                # `path` includes the query: yarl would drop an empty one.
                URL.build(scheme="http", host=LOOPBACK, port=port, path=request.raw_path, encoded=True),
                # In lower case: if one name is spelled in two ways, aiohttp's client sends only the last.
                headers=[(name.lower(), value) for name, value in _end_to_end(request.headers, _PER_CONNECTION)],
                data=io.BytesIO(body) if body else None,
                allow_redirects=False,
            ) as response:
                return web.Response(
                    status=response.status,
                    reason=response.reason,
                    headers=CIMultiDict(_end_to_end(response.headers)),
                    body=await response.read(),
                )
        except (WorkerLostError, aiohttp.ClientError) as error:
            log.warning("%s %s: the worker did not respond (%s)", request.method, request.raw_path, error)
            return web.Response(status=502)


def _is_well_formed(request: web.Request) -> bool:
    """Return whether the target is an ASCII path and the headers are UTF-8; Kestrel rejects others with 400 too."""
    if not request.raw_path.startswith("/") or not request.raw_path.isascii():
        return False
    # aiohttp decodes bytes that are not UTF-8 to lone surrogates, which it cannot encode again.
    return not any("\ud800" <= character <= "\udfff" for value in request.headers.values() for character in value)


def _end_to_end(headers: CIMultiDictProxy[str], others: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """The headers without those of one connection (RFC 9110, 7.6.1) and without the `others`."""
    named = {name.strip().lower() for line in headers.getall("Connection", ()) for name in line.split(",")}
    dropped = _HOP_BY_HOP | named | others
    return ((name, value) for name, value in headers.items() if name.lower() not in dropped)


def _is_no_client_error(record: logging.LogRecord) -> bool:
    """Drop aiohttp's tracebacks of requests that are malformed (400) or that the client has broken off."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError | ConnectionResetError))


async def serve(port: int, workers: int, lan: str = "", *, verbose: bool = False) -> None:
    """Run the app in the current directory on 127.0.0.1:`port` (0: a free one) until stopped.

    `lan` is an address of this machine at which other machines reach it too.

    Prints one line to standard output once all workers are running. Raises StartError if they cannot start or if the
    port is in use.
    """
    server_log = logging.getLogger("aiohttp.server")
    server_log.addFilter(_is_no_client_error)
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
            port = await _listen(runner, port, lan)  # before the workers start: a port in use is reported at once
            async with pool:
                print(f"Functions host is listening at http://{LOOPBACK}:{port}", flush=True)
                await until_stopped()
                log.info("Stopping: requests in flight have %d s", REQUEST_SECONDS)
                await runner.cleanup()  # while the workers still run and complete the requests in flight
        finally:
            await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int, lan: str) -> int:
    try:
        return await listen(runner, port, lan)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        addresses = " and ".join(f"{address}:{port}" for address in (LOOPBACK, lan) if address)
        raise StartError(f"Cannot listen on {addresses} ({reason}): choose another port with --port.") from error
