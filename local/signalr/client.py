"""The endpoints that browsers and other SignalR clients use: negotiate, and the WebSocket itself."""

from __future__ import annotations

from aiohttp import hdrs, web

from local.signalr import conversation, tokens
from local.signalr.conversation import INTERVALS
from local.signalr.hubs import CLOSE_TIMEOUT, HUBS, hub_name
from local.signalr.protocol import MAX_FRAME_BYTES

# The version of the negotiate protocol that is spoken to clients who know it.
NEGOTIATE_VERSION = 1

routes = web.RouteTableDef()


@routes.options("/client/negotiate")
@routes.options("/client/")
@routes.options("/client")
async def preflight(request: web.Request) -> web.Response:
    """A browser asks, before it sends what the JS client sends, whether it may."""
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type, X-Requested-With, X-SignalR-User-Agent",
        },
    )


async def allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages of any origin read any answer, errors too: without this a browser hides even their status."""
    origin = request.headers.get(hdrs.ORIGIN)
    if origin and origin.isascii():
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
        response.headers[hdrs.VARY] = hdrs.ORIGIN


@routes.post("/client/negotiate")
async def negotiate(request: web.Request) -> web.Response:
    """Promise a client a connection, and say how to connect."""
    hub = _authorized_hub(request)
    asked = request.query.get("negotiateVersion", "0")
    try:
        version = min(max(int(asked), 0), NEGOTIATE_VERSION)
    except ValueError:
        return web.json_response({"error": f"The client requested an invalid protocol version '{asked}'"})
    connection = request.app[HUBS].negotiate(hub, version)
    answer = {
        "negotiateVersion": version,
        "connectionId": connection.id,
        "availableTransports": [{"transport": "WebSockets", "transferFormats": ["Text"]}],
    }
    if version:
        answer["connectionToken"] = connection.token
    return web.json_response(answer)


@routes.get("/client/", allow_head=False)
@routes.get("/client", allow_head=False)
async def connect(request: web.Request) -> web.WebSocketResponse:
    """The WebSocket of a negotiated connection; without an id, of a new one."""
    hub = _authorized_hub(request)
    hubs = request.app[HUBS]
    token = request.query.get("id")
    if request.headers.get(hdrs.UPGRADE, "").lower() != "websocket":
        raise web.HTTPBadRequest(text="Connection ID required" if token is None else "Only WebSockets are offered.")
    connection = hubs.negotiate(hub, NEGOTIATE_VERSION) if token is None else hubs.negotiated(hub, token)
    if connection is None:
        raise web.HTTPNotFound(text="No Connection with that ID")
    if connection.active:
        raise web.HTTPConflict(text="The connection is already active.")
    socket = web.WebSocketResponse(timeout=CLOSE_TIMEOUT, compress=False, max_msg_size=MAX_FRAME_BYTES)
    connection.attach(socket, request.transport)
    try:
        await _upgrade(socket, request)
        await conversation.converse(connection, socket, hubs, request.app[INTERVALS])
    finally:
        hubs.remove(connection)
    await socket.close()
    return socket


async def _upgrade(socket: web.WebSocketResponse, request: web.Request) -> None:
    try:
        await socket.prepare(request)
    except ValueError as error:  # aiohttp lets it through for header values that are not ASCII
        raise web.HTTPBadRequest(text="The WebSocket headers are malformed.") from error


def _authorized_hub(request: web.Request) -> str:
    """The hub the client asks for, if its token is for that."""
    asked = request.query.get("hub", "")
    hub = hub_name(asked)
    token = tokens.bearer_token(request) or request.query.get("access_token")
    tokens.authorize(request, token, f"/client/?hub={hub}", f"/client/?hub={asked}")
    return hub
