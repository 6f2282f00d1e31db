"""The endpoints for clients: negotiation, the WebSocket, the hub protocol."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from local.emulators.signalr import outbox
from local.emulators.signalr.connection import Intervals
from local.emulators.signalr.protocols import MESSAGEPACK

from .conftest import HANDSHAKE, Emulator, running

# --- negotiate


async def test_negotiation_returns_ids_and_transports(emulator: Emulator) -> None:
    answer = await emulator.negotiate(version=1)
    assert answer.pop("connectionId") != answer.pop("connectionToken")
    assert answer == {
        "negotiateVersion": 1,
        "availableTransports": [
            {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]},
            {"transport": "ServerSentEvents", "transferFormats": ["Text"]},
            {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]},
        ],
    }


@pytest.mark.parametrize("query", ["", "&negotiateVersion=0"])
async def test_old_client_connects_with_id(emulator: Emulator, query: str) -> None:
    url, resource = f"{emulator.url}/client/negotiate?hub=chat{query}", "/client/?hub=chat"
    async with emulator.http.post(url, headers=emulator.authorization(resource)) as response:
        answer = await response.json()
    assert answer["negotiateVersion"] == 0
    assert "connectionToken" not in answer
    async with emulator.client(connection_token=answer["connectionId"]):
        pass


async def test_later_version_gets_latest_supported_one(emulator: Emulator) -> None:
    assert (await emulator.negotiate(version=2))["negotiateVersion"] == 1


async def test_version_that_is_no_number_is_refused(emulator: Emulator) -> None:
    url, resource = f"{emulator.url}/client/negotiate?hub=chat&negotiateVersion=x", "/client/?hub=chat"
    async with emulator.http.post(url, headers=emulator.authorization(resource)) as response:
        assert await response.json() == {"error": "The client requested an invalid protocol version 'x'"}


async def test_negotiation_requires_post(emulator: Emulator) -> None:
    async with emulator.http.get(f"{emulator.url}/client/negotiate?hub=chat") as response:
        assert response.status == 405


@pytest.mark.parametrize("query", ["", "?hub=", "?hub=a-b"])
async def test_negotiation_requires_hub_name(emulator: Emulator, query: str) -> None:
    headers = emulator.authorization(f"/client/{query}")
    async with emulator.http.post(f"{emulator.url}/client/negotiate{query}", headers=headers) as response:
        assert response.status == 400


# --- CORS


@pytest.mark.parametrize("path", ["/client/negotiate?hub=chat", "/client/?hub=chat", "/client?hub=chat"])
async def test_preflight_allows_javascript_client(emulator: Emulator, path: str) -> None:
    headers = {
        "Origin": "http://localhost:7071",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-requested-with,x-signalr-user-agent",
    }
    async with emulator.http.options(emulator.url + path, headers=headers) as response:
        assert response.status == 204
        assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:7071"
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert response.headers["Access-Control-Allow-Methods"] == "GET, POST, DELETE"
        allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert {"authorization", "x-requested-with", "x-signalr-user-agent"} <= set(allowed)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/client/negotiate?hub=chat", 401),
        ("POST", "/client/negotiate", 400),
        ("GET", "/client/negotiate", 405),
        ("POST", "/nowhere", 404),
    ],
)
async def test_browser_may_read_error_response(emulator: Emulator, method: str, path: str, status: int) -> None:
    headers = {"Origin": "http://localhost:7071"}
    async with emulator.http.request(method, emulator.url + path, headers=headers) as response:
        assert response.status == status
        assert response.headers["Access-Control-Allow-Origin"] == "http://localhost:7071"
        assert response.headers["Vary"] == "Origin"


async def test_response_without_origin_has_no_cors_headers(emulator: Emulator) -> None:
    async with emulator.http.post(f"{emulator.url}/client/negotiate?hub=chat") as response:
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("OPTIONS", "/client/negotiate?hub=chat", 204),
        ("POST", "/client/negotiate?hub=chat", 401),
        ("GET", "/client/?hub=chat", 401),
    ],
)
async def test_browser_of_another_origin_reads_no_response(method: str, path: str, status: int) -> None:
    async with running(allowed_origins=["http://localhost:7071", "https://a.example"]) as emulator:
        for origin, allowed in [
            ("http://localhost:7071", True),
            ("https://a.example", True),
            ("https://A.example", False),
            ("https://b.example", False),
            ("null", False),
        ]:
            async with emulator.http.request(method, emulator.url + path, headers={"Origin": origin}) as response:
                assert response.status == status
                assert response.headers.get("Access-Control-Allow-Origin") == (origin if allowed else None)
                assert ("Access-Control-Allow-Credentials" in response.headers) == allowed


async def test_websocket_is_open_to_all_origins() -> None:
    async with running(allowed_origins=["https://a.example"]) as emulator:
        headers = emulator.authorization("/client/?hub=chat") | {"Origin": "https://b.example"}
        async with emulator.http.ws_connect(f"{emulator.url}/client/?hub=chat", headers=headers) as socket:
            await socket.send_str(HANDSHAKE)
            assert await socket.receive_str(timeout=10) == "{}\x1e"


# --- connecting


@pytest.mark.parametrize(
    ("query", "upgrade", "status", "text"),
    [
        ("", False, 400, "Connection ID required"),
        ("&id=unknown", True, 404, "No Connection with that ID"),
        ("&id=", False, 400, "Connection ID required"),
        ("&id=unknown", False, 404, "No Connection with that ID"),
        ("", True, 400, ""),  # an Upgrade header alone does not make a WebSocket handshake
    ],
)
async def test_what_cannot_connect_is_told_why(
    emulator: Emulator, query: str, upgrade: bool, status: int, text: str
) -> None:
    headers = emulator.authorization("/client/?hub=chat") | ({"Upgrade": "websocket"} if upgrade else {})
    async with emulator.http.get(f"{emulator.url}/client/?hub=chat{query}", headers=headers) as response:
        assert response.status == status
        assert text in await response.text()


async def connection_status(emulator: Emulator, hub: str, connection_token: str) -> int:
    """The HTTP status that refuses a WebSocket."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        async with emulator.websocket(hub, connection_token):
            pass
    return refusal.value.status


async def test_connection_has_only_one_websocket(emulator: Emulator) -> None:
    token = (await emulator.negotiate())["connectionToken"]
    async with emulator.client(connection_token=token) as client:
        assert await connection_status(emulator, "chat", token) == 409
        await emulator.send("still there")
        assert (await client.receive())["arguments"] == ["still there"]


async def test_connection_ends_with_its_websocket(emulator: Emulator) -> None:
    token = (await emulator.negotiate())["connectionToken"]
    async with emulator.client(connection_token=token) as client:
        await client.send('{"type":7}\x1e')
        assert await client.ended()
    assert await connection_status(emulator, "chat", token) == 404


async def test_connection_belongs_to_negotiated_hub(emulator: Emulator) -> None:
    token = (await emulator.negotiate("chat"))["connectionToken"]
    assert await connection_status(emulator, "other", token) == 404


async def test_unused_negotiation_expires() -> None:
    async with running(Intervals(connect=0)) as emulator:
        token = (await emulator.negotiate())["connectionToken"]
        assert await connection_status(emulator, "chat", token) == 404


async def test_client_path_may_lack_final_slash(emulator: Emulator) -> None:
    url, headers = f"{emulator.url}/client?hub=chat", emulator.authorization("/client/?hub=chat")
    async with emulator.http.ws_connect(url, headers=headers) as socket:
        await socket.send_str(HANDSHAKE)
        assert await socket.receive_str() == "{}\x1e"


# --- the handshake


@pytest.mark.parametrize(
    ("handshake", "error"),
    [
        ('{"protocol":"smoke","version":1}', "The protocol 'smoke' is not supported."),
        ('{"protocol":"json","version":2}', "The server does not support version 2 of the 'json' protocol."),
        ('{"protocol":"json"}', "The handshake lacks a 'protocol' string or a 'version' number."),
        ("{", "The message is not JSON."),
        ("[" * 30_000, "The message is not JSON."),
        ("1", "The message is not a JSON object."),
        ("", "The message is not JSON."),
    ],
    ids=lambda text: text[:40],
)
async def test_bad_handshake_gets_reason(emulator: Emulator, handshake: str, error: str) -> None:
    async with emulator.websocket() as client:
        await client.send(handshake + "\x1e")
        assert await client.receive() == {"error": error}
        assert await client.ended()


async def test_older_protocol_version_is_accepted(emulator: Emulator) -> None:
    async with emulator.websocket() as client:
        await client.send('{"protocol":"json","version":0}\x1e')
        assert await client.receive() == {}


async def test_messagepack_uses_binary_frames(emulator: Emulator) -> None:
    async with emulator.websocket() as client:
        await client.socket.send_bytes(b'{"protocol":"messagepack","version":1}\x1e' + MESSAGEPACK.ping)
        assert await client.socket.receive_bytes() == b"{}\x1e"
        await emulator.send("news")
        assert await client.socket.receive_bytes() == MESSAGEPACK.invocation("greet", ["news"])
        await client.socket.send_bytes(MESSAGEPACK.invocation("hello", []))
        error = "In serverless mode clients only listen: they cannot call hub methods."
        assert await client.socket.receive_bytes() == MESSAGEPACK.close(error, allow_reconnect=False)
        assert await client.ended()


async def test_missing_handshake_is_canceled() -> None:
    async with running(Intervals(handshake=0.01)) as emulator, emulator.websocket() as client:
        assert await client.receive() == {"error": "Handshake was canceled."}
        assert await client.ended()


async def test_truncated_handshake_logs_one_line(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    async with emulator.websocket() as client:
        await client.send(HANDSHAKE[:-1])
        await client.socket.close()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [
        "handshake failed: 'The connection ended before the handshake.'"
    ]
    assert caplog.records[0].exc_info is None


async def test_client_receives_nothing_before_handshake(emulator: Emulator) -> None:
    async with emulator.websocket() as client:
        await emulator.send("too early")
        await client.send(HANDSHAKE)
        assert await client.receive() == {}
        await emulator.send("in time")
        assert (await client.receive())["arguments"] == ["in time"]


async def test_frames_may_be_split_joined_or_binary(emulator: Emulator) -> None:
    async with emulator.websocket() as client:
        await client.send(HANDSHAKE[:7])
        await client.send(HANDSHAKE[7:] + '{"type":6}\x1e{"ty')
        assert await client.receive() == {}
        await client.socket.send_bytes(b'pe":6}\x1e')
        await emulator.send("fine")
        assert (await client.receive())["arguments"] == ["fine"]


# --- after the handshake


async def test_quiet_client_is_pinged() -> None:
    async with running(Intervals(ping=0.01)) as emulator, emulator.client() as client:
        assert [await client.receive() for _ in range(3)] == [{"type": 6}] * 3


async def test_pings_and_unknown_messages_are_ignored(emulator: Emulator) -> None:
    async with emulator.client() as client:
        await client.send('{"type":6}\x1e{"type":99,"news":true}\x1e')
        await emulator.send("still there")
        assert (await client.receive())["arguments"] == ["still there"]


@pytest.mark.parametrize("message_type", [1, 2, 3, 4, 5])
async def test_hub_method_call_closes_connection(emulator: Emulator, message_type: int) -> None:
    async with emulator.client() as client:
        await client.send(f'{{"type":{message_type},"target":"x","arguments":[]}}\x1e' * 2)
        error = "In serverless mode clients only listen: they cannot call hub methods."
        assert await client.receive() == {"type": 7, "error": error}
        assert await client.ended()


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ("garbage\x1emore\x1e", "The message is not JSON."),
        ("{}\x1e", "The message has no 'type' number."),
        ('{"type":"1"}\x1e', "The message has no 'type' number."),
        ("[" * 30_000 + "\x1e", "The message is not JSON."),
        (b"\xff\xfe\x1e", "The message is not JSON."),
    ],
    ids=["garbage", "no type", "type of another type", "nested too deeply", "not UTF-8"],
)
async def test_garbage_closes_connection_and_logs_one_line(
    emulator: Emulator, caplog: pytest.LogCaptureFixture, data: str | bytes, error: str
) -> None:
    async with emulator.client() as client:
        frame = aiohttp.WSMsgType.BINARY if isinstance(data, bytes) else aiohttp.WSMsgType.TEXT
        await client.socket.send_frame(data if isinstance(data, bytes) else data.encode(), frame)
        assert await client.receive() == {"type": 7, "error": error}
        assert await client.ended()
    assert [record.getMessage().partition(": ")[2] for record in caplog.records] == [f"closed: {error!r}"]


async def test_endless_message_is_refused(emulator: Emulator) -> None:
    async with emulator.client() as client:
        for _ in range(3):
            await client.send("x" * 20_000)
        assert "longer than" in (await client.receive())["error"]
        assert await client.ended()


async def test_client_that_does_not_read_is_dropped(emulator: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    arguments = ["x" * 250_000]
    async with emulator.client() as reading, emulator.client() as not_reading:
        receivers, sent = 2, 0
        while receivers == 2:
            receivers = emulator.hubs.broadcast("chat", "greet", arguments)
            sent += 1
            assert (await reading.receive())["target"] == "greet"
            assert sent < 10 * outbox.LIMIT
        assert sent > outbox.LIMIT
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert f"dropped, {outbox.LIMIT} messages behind" in caplog.text
        while not await not_reading.ended():
            pass


async def test_shutdown_asks_for_reconnect_and_frees_port() -> None:
    async with running() as emulator:
        url, port = emulator.url, emulator.port
        async with emulator.client() as client:
            emulator.hubs.close()
            assert await client.receive() == {"type": 7, "allowReconnect": True}
            assert await client.ended()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(f"{url}/api/health")
    listener = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    listener.close()
    await listener.wait_closed()
