"""The app under Microsoft's worker library: `python -m tests.functions.microsoft_worker`, in the folder of the app.

On Python 3.13 and later, Azure's worker leaves the app to the library azure-functions-runtime, which indexes the
functions, decodes requests, runs functions and encodes their results. No package contains the rest of the worker, or
the host. This program stands for both, with the routing of the stand-in. Like the stand-in's host, it prints one line
to standard output when it listens, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime
from aiohttp import web
from azure.functions import HttpRequest
from azure_functions_runtime import handle_event, native_invocation
from azure_functions_runtime.bindings.datumdef import Datum
from multidict import CIMultiDict

from local.emulators.functions.invocation import function_request
from local.emulators.functions.routing import Route, RoutingTable, compile_template
from local.emulators.functions.worker import terminate
from local.processes.lifetime import at_end_of_parent

_numbers = itertools.count(1)


class Message(SimpleNamespace):
    """Stands for any protobuf message: it has the fields that it is made with."""


class BindingInfo(Message):
    """The values of the worker's protocol, FunctionRpc.proto."""

    undefined = 0  # of DataType
    out, inout = 1, 2  # of Direction


class StatusResult(Message):
    Failure, Success = 0, 1


MESSAGES = SimpleNamespace(
    BindingInfo=BindingInfo,
    RpcException=Message,
    RpcFunctionMetadata=Message,
    StatusResult=StatusResult,
    WorkerInitResponse=Message,
    WorkerMetadata=Message,
)


def main() -> None:
    standard_output, sys.stdout = sys.stdout, sys.stderr
    handler = HostHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)

    async def serve() -> None:
        routes = await index(Path.cwd())
        runner = web.AppRunner(application(routes), access_log=None, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        standard_output.write(f"Microsoft's worker library is listening at {url}\n")
        standard_output.flush()
        loop = asyncio.get_running_loop()
        at_end_of_parent(lambda: terminate(loop))
        await loop.create_future()  # forever: a signal ends the process

    asyncio.run(serve())


class HostHandler(logging.Handler):
    """Like the worker's handler of the root logger: passes a record on, with its invocation, or drops it."""

    def emit(self, record: logging.LogRecord) -> None:
        invocation = runtime.invocation_id_cv.get()
        if invocation is not None:
            sys.stderr.write(f"{invocation}: {self.format(record)}\n")


async def index(folder: Path) -> list[Route]:
    """The routes of the app in `folder`. Exits with the library's message if it refuses the app."""
    request = SimpleNamespace(
        properties={"host": "127.0.0.1", "protos": MESSAGES},
        request=SimpleNamespace(
            worker_init_request=SimpleNamespace(capabilities={}, function_app_directory=str(folder))
        ),
    )
    runtime.start_threadpool_executor()
    response = await runtime.worker_init_request(request)
    if response.result.status != StatusResult.Success:
        sys.exit(response.result.exception.message)
    return [route_of(function) for function in handle_event._metadata_result]


def route_of(function: Any) -> Route:
    """The route of a function, out of the bindings that the library reports; calling its function invokes it."""
    bindings = [json.loads(binding) for binding in function.raw_bindings]
    (trigger,) = (binding for binding in bindings if binding["type"] == "httpTrigger")
    return Route(
        name=function.name,
        pattern=compile_template(function.name, trigger.get("route", function.name).strip("/")),
        methods=frozenset(trigger.get("methods", ())),
        anonymous=trigger["authLevel"].upper() == "ANONYMOUS",
        argument=trigger["name"],
        function=partial(invoke, function.name, function.function_id, trigger["name"]),
    )


def application(routes: Sequence[Route]) -> web.Application:
    table = RoutingTable(routes)

    async def respond(request: web.Request) -> web.Response:
        found = table.match(request.method, request.raw_path.partition("?")[0])
        if found is None:
            return web.Response(status=404)
        route, parameters = found
        response: web.Response = await route.function(await function_request(request, parameters))
        return response

    app = web.Application(client_max_size=0)  # no limit
    app.router.add_route("*", "/{target:.*}", respond)
    return app


async def invoke(name: str, function_id: str, argument: str, request: HttpRequest) -> web.Response:
    """Run a function by the library. A failure is an empty 500, as from the host."""
    invocation = f"Invocation {next(_numbers)} of {name}"
    has_succeeded, result, _, _, trace = await native_invocation.invocation_request_native(
        invocation, function_id, [(argument, request_datum(request))], {}
    )
    if not has_succeeded:
        sys.stderr.write(f"{invocation} failed: {trace}\n")
        return web.Response(status=500)
    return response_of(result)


def request_datum(request: HttpRequest) -> Datum:
    def texts(values: Mapping[str, str]) -> dict[str, Datum]:
        return {name: Datum(value, "string") for name, value in values.items()}

    return Datum(
        {
            "method": Datum(request.method, "string"),
            "url": Datum(request.url, "string"),
            "headers": texts(request.headers),
            "query": texts(request.params),
            "params": texts(request.route_params),
            "body": Datum(request.get_body(), "bytes"),
        },
        "http",
    )


def response_of(result: Datum) -> web.Response:
    if result.type == "string":
        return web.Response(text=result.value)
    headers = CIMultiDict({name: value.value for name, value in result.value["headers"].items()})
    for jar in result.value["cookies"] or ():
        for cookie in jar.values():
            headers.add("Set-Cookie", cookie.OutputString())
    status = int(result.value["status_code"].value)
    return web.Response(status=status, headers=headers, body=result.value["body"].value)


if __name__ == "__main__":
    main()
