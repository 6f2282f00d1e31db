"""The REST API that the app calls: broadcast to a hub, generate client tokens, look up a connection, health.

As in the service's swagger: paths under `/api/v1`, and under `/api` with a required `api-version` of any value.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any

from aiohttp import web

from local.emulators.signalr import tokens
from local.emulators.signalr.hubs import HUBS, hub_name

# The service's limit, in bytes.
MAX_BODY_BYTES = 1024 * 1024

logger = logging.getLogger(__name__)
routes = web.RouteTableDef()


@routes.get("/api/v1/health")
@routes.get("/api/health")
async def health(request: web.Request) -> web.Response:
    """200; needs no token."""
    return web.Response()


@routes.post("/api/v1/hubs/{hub}")
async def send_v1(request: web.Request) -> web.Response:
    """Call a method on all clients of a hub."""
    return await _send(request)


@routes.post("/api/hubs/{hub}/:send")
async def send(request: web.Request) -> web.Response:
    """Call a method on all clients of a hub."""
    _require_api_version(request)
    return await _send(request)


@routes.get("/api/v1/hubs/{hub}/connections/{id}")
async def connection_exists_v1(request: web.Request) -> web.Response:
    """200 if a client is connected with this id, else 404."""
    return _connection_exists(request)


@routes.head("/api/hubs/{hub}/connections/{id}")
async def connection_exists(request: web.Request) -> web.Response:
    """200 if a client is connected with this id, else 404."""
    _require_api_version(request)
    return _connection_exists(request)


@routes.post("/api/hubs/{hub}/:generateToken")
async def generate_token(request: web.Request) -> web.Response:
    """{"token"}: a client token for the hub, signed by the service, for an app that has no access key."""
    _require_api_version(request, since="2022-11-01")
    hub = _authorized_hub(request)
    minutes = request.query.get("minutesToExpire", "60")
    if not re.fullmatch("[1-9][0-9]{0,8}", minutes):
        raise web.HTTPBadRequest(text="minutesToExpire is a whole number of minutes, 1 or more.")
    token = tokens.issue(request, f"/client/?hub={hub}", int(minutes) * 60, request.query.get("userId"))
    return web.json_response({"token": token})


async def _send(request: web.Request) -> web.Response:
    hub = _authorized_hub(request)
    try:
        target, arguments = _call(await request.read())
        receivers = request.app[HUBS].broadcast(hub, target, arguments, request.query.getall("excluded", []))
    except (web.RequestPayloadError, ConnectionResetError) as error:
        raise web.HTTPBadRequest(text="The body is incomplete or not encoded as its headers say.") from error
    except (ValueError, OverflowError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"Send a JSON body with 'target' and 'arguments': {error}") from error
    logger.info("%s: sent to %d", hub, receivers)
    return web.Response(status=202)


def _call(body: bytes) -> tuple[str, list[Any]]:
    """Parse target and arguments. Raises `ValueError` or `RecursionError` if the body has another form."""
    call = json.loads(body)
    if not isinstance(call, dict):
        raise ValueError("it is not an object")
    # The swagger has the names in camel case and, for v1, in Pascal case; the service accepts both.
    members = {name.lower(): value for name, value in call.items()}
    target, arguments = members.get("target"), members.get("arguments")
    if arguments is None:
        arguments = []
    if not isinstance(target, str) or not target:
        raise ValueError("target is not a string, or empty")
    if not isinstance(arguments, list):
        raise ValueError("arguments is not a list")
    return target, arguments


def _connection_exists(request: web.Request) -> web.Response:
    hub = _authorized_hub(request)
    return web.Response(status=200 if request.app[HUBS].has(hub, request.match_info["id"]) else 404)


def _authorized_hub(request: web.Request) -> str:
    """The hub in the path, if the token belongs to a trusted identity or its audience is the URL called.

    Some SDKs include the query in the audience.
    """
    path, query = request.rel_url.raw_path, request.rel_url.raw_query_string
    token = tokens.bearer_token(request)
    if token not in request.app[tokens.TRUSTED_IDENTITY_TOKENS]:
        tokens.authorize(request, token, path, f"{path}?{query}")
    return hub_name(request.match_info["hub"])


def _require_api_version(request: web.Request, since: str = "") -> None:
    version = request.query.get("api-version", "")
    if not version or version < since:  # versions are dates, which compare as text
        raise web.HTTPBadRequest(text=f"Add ?api-version={since or '2022-06-01'} or a later version to the URL.")
