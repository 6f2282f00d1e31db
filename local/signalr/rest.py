"""The REST API that the app calls: send to all clients of a hub, ask whether a connection exists, health.

As in the service's swagger: paths under `/api/v1`, and under `/api` with a required `api-version`, of any value.
"""

from __future__ import annotations

import json
import logging

from aiohttp import web

from local.signalr import protocol, tokens
from local.signalr.hubs import HUBS, hub_name

# The service's limit, in bytes.
MAX_BODY_BYTES = 1024 * 1024

logger = logging.getLogger(__name__)
routes = web.RouteTableDef()


@routes.get("/api/v1/health")
@routes.get("/api/health")
async def health(request: web.Request) -> web.Response:
    """The service answers, to anybody."""
    return web.Response()


@routes.post("/api/v1/hubs/{hub}")
async def send_v1(request: web.Request) -> web.Response:
    """Call a method on every client of a hub."""
    return await _send(request)


@routes.post("/api/hubs/{hub}/:send")
async def send(request: web.Request) -> web.Response:
    """Call a method on every client of a hub."""
    _require_api_version(request)
    return await _send(request)


@routes.get("/api/v1/hubs/{hub}/connections/{id}")
async def connection_exists_v1(request: web.Request) -> web.Response:
    """200 if a client is connected under this id, 404 if not."""
    return _connection_exists(request)


@routes.head("/api/hubs/{hub}/connections/{id}")
async def connection_exists(request: web.Request) -> web.Response:
    """200 if a client is connected under this id, 404 if not."""
    _require_api_version(request)
    return _connection_exists(request)


async def _send(request: web.Request) -> web.Response:
    hub = _authorized_hub(request)
    try:
        frame = _invocation(await request.read())
    except (web.RequestPayloadError, ConnectionResetError) as error:
        raise web.HTTPBadRequest(text="The body is incomplete or not encoded as its headers say.") from error
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"Send a JSON body with 'target' and 'arguments': {error}") from error
    receivers = request.app[HUBS].broadcast(hub, frame, request.query.getall("excluded", []))
    logger.info("%s: sent to %d", hub, receivers)
    return web.Response(status=202)


def _invocation(body: bytes) -> str:
    """The frame for a body. Raises `ValueError` or `RecursionError` for what is not JSON of the right form."""
    call = json.loads(body)
    if not isinstance(call, dict):
        raise ValueError("it is not an object")
    # The swagger has the names in camel case and, for v1, in Pascal case; the service takes both.
    members = {name.lower(): value for name, value in call.items()}
    target, arguments = members.get("target"), members.get("arguments")
    if arguments is None:
        arguments = []
    if not isinstance(target, str) or not target:
        raise ValueError("target is not a string, or empty")
    if not isinstance(arguments, list):
        raise ValueError("arguments is not a list")
    return protocol.invocation(target, arguments)


def _connection_exists(request: web.Request) -> web.Response:
    hub = _authorized_hub(request)
    return web.Response(status=200 if request.app[HUBS].has(hub, request.match_info["id"]) else 404)


def _authorized_hub(request: web.Request) -> str:
    """The hub in the path, if the token is for the URL called; some SDKs count the query in."""
    path, query = request.rel_url.raw_path, request.rel_url.raw_query_string
    tokens.authorize(request, tokens.bearer_token(request), path, f"{path}?{query}")
    return hub_name(request.match_info["hub"])


def _require_api_version(request: web.Request) -> None:
    if not request.query.get("api-version"):
        raise web.HTTPBadRequest(text="Add ?api-version=2022-06-01 or a later version to the URL.")
