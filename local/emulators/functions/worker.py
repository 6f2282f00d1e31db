"""One process of the app: `python -m local.emulators.functions.worker`, in the folder of function_app.py and host.json.

It serves the app's functions on a free loopback port. At the end of its standard input it gets a SIGTERM, as Azure
sends one to the real worker: that ends it at once, and no `atexit` handler runs, unless the app handles the signal.
"""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import json
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from local.emulators.functions.invocation import invoke
from local.emulators.functions.logs import configure_logging
from local.emulators.functions.pool import WORKER_EXIT_SECONDS, WORKER_READY
from local.emulators.functions.routing import DEFAULT_PREFIX, RoutingError, RoutingTable
from local.processes.lifetime import at_end_of_parent


def main() -> None:
    # Standard output contains the address and nothing else: lines that the app prints go to the log.
    standard_output, sys.stdout = sys.stdout, sys.stderr
    configure_logging(of_worker=True)
    try:
        table = RoutingTable.of(importlib.import_module("function_app").app, route_prefix(Path("host.json")))
    except RoutingError as error:
        sys.exit(str(error))

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        runner = web.AppRunner(application(table), access_log=None, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"{WORKER_READY}http://127.0.0.1:{runner.addresses[0][1]}", file=standard_output, flush=True)
        at_end_of_parent(lambda: terminate(loop))
        await loop.create_future()  # forever: a signal ends the process

    asyncio.run(serve())


def terminate(loop: asyncio.AbstractEventLoop) -> None:
    """Raise SIGTERM in the main thread, from another thread. The process ends at once or by the app's handler."""
    # If the app hangs, print its stack and exit, even if the host has ended already and cannot kill this process.
    faulthandler.dump_traceback_later(WORKER_EXIT_SECONDS, exit=True)
    if sys.platform == "win32":  # os.kill would end the process there, without the app's handler
        loop.call_soon_threadsafe(signal.raise_signal, signal.SIGTERM)
    else:
        os.kill(os.getpid(), signal.SIGTERM)


def route_prefix(host_json: Path) -> str:
    """Read `extensions.http.routePrefix` of host.json."""
    if not host_json.exists():
        raise RoutingError(f"There is no {host_json} in {Path.cwd()}: start the host in the folder of the app.")
    settings = json.loads(host_json.read_text(encoding="utf-8"))
    return str(settings.get("extensions", {}).get("http", {}).get("routePrefix", DEFAULT_PREFIX))


def application(table: RoutingTable) -> web.Application:
    """Wrap the routing table into an aiohttp application; aiohttp's own router passes every request on."""

    async def respond(request: web.Request) -> web.Response:
        found = table.match(request.method, request.raw_path.partition("?")[0])
        if found is None:
            return web.Response(status=404)
        route, parameters = found
        if not route.anonymous:  # the other levels require a key, and there are no keys here
            return web.Response(status=401)
        return await invoke(route, parameters, request)

    app = web.Application(client_max_size=0)  # no limit: the host has applied it already
    app.router.add_route("*", "/{target:.*}", respond)
    return app


if __name__ == "__main__":
    main()
