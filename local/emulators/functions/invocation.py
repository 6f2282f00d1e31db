"""One invocation of a function: an HTTP request becomes its argument, and its result becomes the response."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from azure.functions import HttpRequest
from azure.functions.http import HttpResponseConverter
from multidict import CIMultiDict

from local.emulators.functions.logs import invocation
from local.emulators.functions.routing import Route

log = logging.getLogger(__name__)


async def invoke(route: Route, parameters: Mapping[str, str], request: web.Request) -> web.Response:
    """Run the function of `route`. An exception or an invalid result is logged, and the response is an empty 500."""
    argument = await function_request(request, parameters)
    try:
        result = await _run(route, argument)
        return function_response(result, is_head=request.method == "HEAD")
    except Exception:
        log.exception("Function '%s' failed", route.name)
        return web.Response(status=500)


async def _run(route: Route, argument: HttpRequest) -> Any:
    call = {route.argument: argument}
    if inspect.iscoroutinefunction(route.function):
        with invocation():
            return await route.function(**call)
    # asyncio's default pool has as many threads as the real worker's: min(32, cores + 4).
    return await asyncio.to_thread(_run_in_thread, route, call)


def _run_in_thread(route: Route, call: Mapping[str, HttpRequest]) -> Any:
    with invocation():
        return route.function(**call)


async def function_request(request: web.Request, parameters: Mapping[str, str]) -> HttpRequest:
    """Build the argument of a function.

    As in the host, repeated headers and query parameters are joined by a comma, ignoring the case of their names,
    and empty query values are left out.
    """
    query = request.raw_path.partition("?")[2]
    return HttpRequest(
        method=request.method,
        url=f"http://{request.host}{request.raw_path}",
        headers=_joined(request.headers.items()),
        params=_joined(parse_qsl(query)),
        route_params=parameters,
        body=await request.read(),
    )


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    values = CIMultiDict(pairs)
    joined: CIMultiDict[str] = CIMultiDict()
    for name in values:
        joined.setdefault(name, ",".join(values.getall(name)))
    return dict(joined)


def function_response(result: Any, *, is_head: bool = False) -> web.Response:
    """Build the response from the result of a function.

    The converter is the real worker's own: it accepts an HttpResponse or a str and raises NotImplementedError for
    anything else, None included. Only the last value of a repeated header remains, except for cookies.
    """
    datum = HttpResponseConverter.encode(result, expected_type=None)
    if datum.type == "string":
        return web.Response(text=datum.value)

    response = datum.value
    headers = CIMultiDict({name: value.value for name, value in response["headers"].items()})
    for jar in response["cookies"] or ():
        for cookie in jar.values():
            headers.add("Set-Cookie", cookie.OutputString())

    body = response["body"].value
    declared = headers.get("Content-Length")
    if declared is not None and not is_head and declared != str(len(body)):
        raise ValueError(f"the response declares Content-Length {declared}, but its body has {len(body)} bytes")
    return web.Response(status=int(response["status_code"].value), headers=headers, body=body)
