"""A proxy in front of a storage service that counts what is asked on the wire, SDK retries and all."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

# A transaction is answered 202 whatever became of it; its outcome is in the body.
_CONFLICT = re.compile(rb"^HTTP/1\.1 (409|412) ", re.MULTILINE)
_OF_ONE_CONNECTION = frozenset({"connection", "content-length", "host", "keep-alive", "transfer-encoding"})


@dataclass(slots=True)
class Tally:
    """How many requests, of these how many transactions, and of these how many were answered 409 or 412."""

    requests: int = 0
    commits: int = 0
    conflicts: int = 0


class CountingProxy:
    """Counts by storage account. What authorises a request stays valid: a signature does not cover the host."""

    def __init__(self, upstream: str) -> None:
        self.url = ""  # once it serves
        self._upstream = f"http://{urlsplit(upstream).netloc}"
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self._lock = threading.Lock()

    def take(self, account: str) -> Tally:
        """What was asked of a storage account since this was last called for it."""
        with self._lock:
            return self._tallies.pop(account, Tally())

    async def serve(self, started: threading.Event, stopped: asyncio.Event) -> None:
        """Serve on a free port until `stopped`."""
        # A connection kept alive may be closed by the service at the moment that it is used again.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

            async def answer(request: web.Request) -> web.Response:
                return await self._pass_on(request, session)

            application = web.Application(client_max_size=0)
            application.router.add_route("*", "/{target:.*}", answer)
            runner = web.AppRunner(application, access_log=None, auto_decompress=False)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            started.set()
            await stopped.wait()
            await runner.cleanup()

    async def _pass_on(self, request: web.Request, session: aiohttp.ClientSession) -> web.Response:
        async with session.request(
            request.method,
            f"{self._upstream}{request.raw_path}",
            headers={name: value for name, value in request.headers.items() if name.lower() not in _OF_ONE_CONNECTION},
            data=await request.read() or None,
            allow_redirects=False,
        ) as answer:
            body = await answer.read()
        self._count(request.raw_path, body)
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in _OF_ONE_CONNECTION}
        return web.Response(status=answer.status, headers=headers, body=body)

    def _count(self, path: str, body: bytes) -> None:
        account = path.split("/")[1]
        is_commit = path.endswith("/$batch")
        with self._lock:
            tally = self._tallies[account]
            tally.requests += 1
            tally.commits += is_commit
            tally.conflicts += is_commit and _CONFLICT.search(body) is not None


@contextmanager
def counting_proxy(upstream: str) -> Iterator[CountingProxy]:
    """A proxy to the service at the host and port of `upstream` for as long as the context lasts."""
    proxy = CountingProxy(upstream)
    loop = asyncio.new_event_loop()
    started, stopped = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(proxy.serve(started, stopped),), name="proxy")
    thread.start()
    try:
        started.wait()
        yield proxy
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()
