"""The REST API that the app calls."""

from __future__ import annotations

import io
from typing import Any

import pytest

from .conftest import Emulator

MEGABYTE = 1024 * 1024
V1 = "/api/v1/hubs/chat"
V2022 = "/api/hubs/chat/:send"


async def post(emulator: Emulator, path: str, body: bytes, query: str = "", **headers: str) -> tuple[int, str]:
    """Status and text of the response."""
    async with emulator.http.post(
        emulator.url + path + query, data=io.BytesIO(body), headers=emulator.authorization(path) | headers
    ) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(("path", "query"), [(V1, ""), (V2022, "?api-version=2022-06-01")])
async def test_send_reaches_all_clients_of_one_hub(emulator: Emulator, path: str, query: str) -> None:
    async with emulator.client() as one, emulator.client() as two, emulator.client(hub="other") as stranger:
        body = b'{"target":"greet","arguments":[1,{"a":[null,true]},"\\u20ac"]}'
        assert await post(emulator, path, body, query) == (202, "")
        for client in (one, two):
            assert await client.receive() == {"type": 1, "target": "greet", "arguments": [1, {"a": [None, True]}, "€"]}
        await emulator.send("for the other hub", hub="other")
        assert (await stranger.receive())["arguments"] == ["for the other hub"]


async def test_send_without_clients_is_accepted(emulator: Emulator) -> None:
    assert await post(emulator, V1, b'{"target":"x","arguments":[]}') == (202, "")


@pytest.mark.parametrize(
    "body", [b'{"Target":"greet","Arguments":[7]}', b'{"target":"greet","arguments":[7],"more":1}']
)
async def test_member_names_may_be_in_pascal_case(emulator: Emulator, body: bytes) -> None:
    async with emulator.client() as client:
        assert await post(emulator, V1, body) == (202, "")
        assert (await client.receive())["arguments"] == [7]


@pytest.mark.parametrize("body", [b'{"target":"greet"}', b'{"target":"greet","arguments":null}'])
async def test_arguments_are_optional(emulator: Emulator, body: bytes) -> None:
    async with emulator.client() as client:
        assert await post(emulator, V1, body) == (202, "")
        assert (await client.receive())["arguments"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"greet"',
        b"\xff",
        b'{"arguments":[1]}',
        b'{"target":null}',
        b'{"target":1}',
        b'{"target":""}',
        b'{"target":"greet","arguments":{}}',
        b'{"target":"greet","arguments":0}',
        b'{"target":"greet","arguments":[NaN]}',
        b'{"target":"greet","arguments":[1e999]}',
        b'{"target":"greet","arguments":[' + b"9" * 5000 + b"]}",
        b'{"target":"greet","arguments":[' + b"9" * 400 + b"]}",  # too large for the floats of MessagePack
        b'{"target":"greet","arguments":["\\ud800"]}',  # a lone surrogate
        b'{"target":"greet","arguments":[' + b"[" * 600 + b"]" * 600 + b"]}",
        b"[" * 100_000,
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
async def test_invalid_body_is_refused_and_not_sent(emulator: Emulator, body: bytes) -> None:
    async with emulator.client() as client:
        status, text = await post(emulator, V1, body)
        assert (status, text.count("\n")) == (400, 0)
        assert text.startswith("Send a JSON body with 'target' and 'arguments': ")
        await emulator.send("next")
        assert (await client.receive())["arguments"] == ["next"]


async def test_wrongly_encoded_body_is_refused(emulator: Emulator) -> None:
    headers = {"Content-Encoding": "gzip"}
    status, _ = await post(emulator, V1, b"not gzip", **headers)
    assert status == 400


async def test_body_may_have_one_megabyte(emulator: Emulator) -> None:
    frame = b'{"target":"greet","arguments":["%s"]}'
    body = frame % (b"x" * (MEGABYTE - len(frame % b"")))
    assert (await post(emulator, V1, body))[0] == 202
    assert (await post(emulator, V1, body + b" "))[0] == 413


async def test_excluded_connections_receive_nothing(emulator: Emulator) -> None:
    negotiations = [await emulator.negotiate() for _ in range(3)]
    tokens = [negotiation["connectionToken"] for negotiation in negotiations]
    first, second, _ = (negotiation["connectionId"] for negotiation in negotiations)
    async with (
        emulator.client(connection_token=tokens[0]) as one,
        emulator.client(connection_token=tokens[1]) as two,
        emulator.client(connection_token=tokens[2]) as three,
    ):
        body = b'{"target":"greet","arguments":["not all"]}'
        assert (await post(emulator, V1, body, f"?excluded={first}&excluded={second}"))[0] == 202
        await emulator.send("all")
        assert [(await client.receive())["arguments"] for client in (one, two)] == [["all"], ["all"]]
        assert [(await three.receive())["arguments"] for _ in range(2)] == [["not all"], ["all"]]


async def test_hub_names_ignore_case(emulator: Emulator) -> None:
    async with emulator.client(hub="SignInSampleHub") as client:
        await emulator.send(1, hub="signinsamplehub")
        await emulator.send(2, hub="SIGNINSAMPLEHUB")
        assert [(await client.receive())["arguments"] for _ in range(2)] == [[1], [2]]


@pytest.mark.parametrize("hub", ["1chat", "a-b", "a%20b", "a" * 129, "ch%C3%A4t"])
async def test_invalid_hub_name_is_refused(emulator: Emulator, hub: str) -> None:
    path = f"/api/v1/hubs/{hub}"
    status, text = await post(emulator, path, b'{"target":"greet"}')
    assert status == 400
    assert "hub name" in text


async def test_dated_api_requires_any_version(emulator: Emulator) -> None:
    assert (await post(emulator, V2022, b'{"target":"x"}'))[0] == 400
    assert (await post(emulator, V2022, b'{"target":"x"}', "?api-version=2099-12-31"))[0] == 202


async def test_connection_exists_from_handshake_to_end(emulator: Emulator) -> None:
    negotiation = await emulator.negotiate()
    v1 = f"{V1}/connections/{negotiation['connectionId']}"
    dated = f"/api/hubs/chat/connections/{negotiation['connectionId']}"

    async def statuses() -> list[int]:
        calls: list[tuple[str, str, dict[str, Any]]] = [
            ("GET", v1, {}),
            ("HEAD", v1, {}),
            ("HEAD", dated, {"api-version": "2022-06-01"}),
        ]
        found = []
        for method, path, query in calls:
            headers = emulator.authorization(path)
            async with emulator.http.request(method, emulator.url + path, params=query, headers=headers) as response:
                found.append(response.status)
        return found

    assert await statuses() == [404, 404, 404]
    async with emulator.client(connection_token=negotiation["connectionToken"]) as client:
        assert await statuses() == [200, 200, 200]
        await client.send('{"type":7}\x1e')
        assert await client.ended()
    assert await statuses() == [404, 404, 404]


@pytest.mark.parametrize("path", ["/api/v1/health", "/api/health?api-version=2022-06-01"])
async def test_health_needs_no_token(emulator: Emulator, path: str) -> None:
    for method in ("GET", "HEAD"):
        async with emulator.http.request(method, emulator.url + path) as response:
            assert response.status == 200


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1/hubs", "/api/v1/hubs/chat/x", "/api/hubs/chat", "/client/x"])
async def test_unknown_paths_are_not_found(emulator: Emulator, path: str) -> None:
    async with emulator.http.post(emulator.url + path) as response:
        assert response.status == 404


async def test_send_requires_post(emulator: Emulator) -> None:
    async with emulator.http.put(emulator.url + V1, headers=emulator.authorization(V1)) as response:
        assert response.status == 405
