"""The endpoints of browsers and other SignalR clients: negotiate, then the requests of their transport."""

from __future__ import annotations

from aiohttp import hdrs, web

from local.emulators.signalr import tokens
from local.emulators.signalr.connection import Connection
from local.emulators.signalr.hubs import HUBS, hub_name
from local.emulators.signalr.transports import TRANSPORTS, HttpTransport, LongPolling, ServerSentEvents, WebSocket

# The highest supported version of the negotiate protocol.
NEGOTIATE_VERSION = 1

ANY_ORIGIN = "*"
ALLOWED_ORIGINS = web.AppKey("allowed_origins", frozenset[str])

routes = web.RouteTableDef()


@routes.options("/client/negotiate")
@routes.options("/client/")
@routes.options("/client")
async def preflight(request: web.Request) -> web.Response:
    """Allow the methods and headers of the JavaScript client, which browsers ask for in advance."""
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, DELETE",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: "Authorization, Content-Type, X-Requested-With, X-SignalR-User-Agent",
        },
    )


async def allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """Let pages of the allowed origins read every response, errors too: a browser hides even their status otherwise.

    WebSockets are open to all origins, as in the service: browsers do not apply CORS to them.
    """
    origin, allowed = request.headers.get(hdrs.ORIGIN), request.app[ALLOWED_ORIGINS]
    if origin and origin.isascii() and (origin in allowed or ANY_ORIGIN in allowed):
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
        response.headers[hdrs.ACCESS_CONTROL_ALLOW_CREDENTIALS] = "true"
        response.headers[hdrs.VARY] = hdrs.ORIGIN


@routes.post("/client/negotiate")
async def negotiate(request: web.Request) -> web.Response:
    """Create a connection, and return its id, its token and the available transports."""
    hub = _authorized_hub(request)
    requested = request.query.get("negotiateVersion", "0")
    try:
        version = min(max(int(requested), 0), NEGOTIATE_VERSION)
    except ValueError:
        return web.json_response({"error": f"The client requested an invalid protocol version '{requested}'"})
    connection = request.app[HUBS].negotiate(hub, version)
    answer = {
        "negotiateVersion": version,
        "connectionId": connection.id,
        "availableTransports": [
            {"transport": transport.name, "transferFormats": transport.formats} for transport in TRANSPORTS
        ],
    }
    if version:
        answer["connectionToken"] = connection.token
    return web.json_response(answer)


@routes.get("/client/", allow_head=False)
@routes.get("/client", allow_head=False)
async def receive(request: web.Request) -> web.StreamResponse:
    """Receive on a negotiated connection; a WebSocket without an id opens a new connection."""
    hub = _authorized_hub(request)
    requested = _requested_transport(request)
    if requested is WebSocket and not request.query.get("id"):
        connection = request.app[HUBS].negotiate(hub, NEGOTIATE_VERSION)
    else:
        connection = _negotiated(request, hub)
    transport = connection.transport
    if transport is None:
        opened = requested(connection)
        connection.open(opened)
        return await opened.serve(request)
    if not isinstance(transport, requested):
        raise web.HTTPBadRequest(text="Cannot change transports mid-connection.")
    if requested is not LongPolling:
        raise web.HTTPConflict(text="The connection is already active.")
    return await transport.serve(request)


@routes.post("/client/")
@routes.post("/client")
async def send(request: web.Request) -> web.Response:
    """Send on a connection whose transport cannot send by itself."""
    connection = _negotiated(request, _authorized_hub(request))
    if isinstance(connection.transport, WebSocket):
        raise web.HTTPMethodNotAllowed("POST", ["GET"], text="POST requests are not allowed for WebSocket connections.")
    connection.receive(await request.read())
    return web.Response()


@routes.delete("/client/")
@routes.delete("/client")
async def leave(request: web.Request) -> web.Response:
    """End a long polling connection; the other transports end by closing theirs."""
    connection = _negotiated(request, _authorized_hub(request))
    if not isinstance(connection.transport, LongPolling):
        raise web.HTTPBadRequest(text="Cannot terminate this connection using the DELETE endpoint.")
    connection.lost()
    return web.Response(status=202)


def _requested_transport(request: web.Request) -> type[HttpTransport]:
    if request.headers.get(hdrs.UPGRADE, "").lower() == "websocket":
        return WebSocket
    if "text/event-stream" in request.headers.get(hdrs.ACCEPT, ""):
        return ServerSentEvents
    return LongPolling


def _negotiated(request: web.Request, hub: str) -> Connection:
    token = request.query.get("id")
    if not token:
        raise web.HTTPBadRequest(text="Connection ID required")
    connection = request.app[HUBS].negotiated(hub, token)
    if connection is None:
        raise web.HTTPNotFound(text="No Connection with that ID")
    return connection


def _authorized_hub(request: web.Request) -> str:
    """The hub in the query, if the client's token is for it."""
    requested = request.query.get("hub", "")
    hub = hub_name(requested)
    token = tokens.bearer_token(request) or request.query.get("access_token")
    tokens.authorize(request, token, f"/client/?hub={hub}", f"/client/?hub={requested}")
    return hub
