"""Access tokens: signature, audience and expiry, for clients and for the app."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Callable

import jwt
import pytest

from local.emulators.signalr.tokens import DEVELOPMENT_KEY, audiences

from .conftest import Emulator, running

NEGOTIATE = "/client/negotiate?hub=chat"
SEND = "/api/v1/hubs/chat"
RESOURCES = {NEGOTIATE: "/client/?hub=chat", SEND: SEND}

TokenMaker = Callable[[Emulator, str], str]


def unsigned(emulator: Emulator, resource: str) -> str:
    return jwt.encode({"aud": emulator.url + resource, "exp": int(time.time()) + 60}, "", "none")


def signed_with_hs512(emulator: Emulator, resource: str) -> str:
    claims = {"aud": emulator.url + resource, "exp": int(time.time()) + 60}
    return jwt.encode(claims, DEVELOPMENT_KEY + DEVELOPMENT_KEY, "HS512")


def deeply_nested(emulator: Emulator, resource: str) -> str:
    return base64.urlsafe_b64encode(b"[" * 2000).decode() + ".e30.e30"


REFUSED: dict[str, tuple[TokenMaker, str]] = {
    "another key": (lambda e, r: e.token(r, key="another key, which is long enough"), "The signature is invalid"),
    "another host": (lambda e, r: e.token(r, aud="http://example.com" + r), "The audience is invalid"),
    "another port": (lambda e, r: e.token(r, aud="http://localhost:1" + r), "The audience is invalid"),
    "another hub": (lambda e, r: e.token(r, aud=e.url + r + "2"), "The audience is invalid"),
    "no audience": (lambda e, r: e.token(r, aud=None), "The token lacks an audience or an expiry"),
    "a number as audience": (lambda e, r: e.token(r, aud=1), "The audience is invalid"),
    "expired this second": (lambda e, r: e.token(r, exp=int(time.time())), "The token is expired"),
    "no expiry": (lambda e, r: e.token(r, exp=None), "The token lacks an audience or an expiry"),
    "not valid yet": (lambda e, r: e.token(r, nbf=int(time.time()) + 60), "The token is not valid yet"),
    "no signature": (unsigned, "The algorithm is not HS256"),
    "another algorithm": (signed_with_hs512, "The algorithm is not HS256"),
    "too long": (lambda e, r: e.token(r, filler="x" * 3000), "The token is longer than 4096 characters"),
    "garbage": (lambda e, r: "garbage", "The token is malformed"),
    "three dots": (lambda e, r: "...", "The token is malformed"),
    "bytes that are not ASCII": (lambda e, r: "\udcff.\udcff.\udcff", "The token is malformed"),
    "nested too deeply": (deeply_nested, "The token is malformed"),
}


@pytest.mark.parametrize("path", RESOURCES)
@pytest.mark.parametrize("case", REFUSED)
async def test_bad_token_is_refused_with_reason(emulator: Emulator, path: str, case: str) -> None:
    make, problem = REFUSED[case]
    headers = {"Authorization": f"Bearer {make(emulator, RESOURCES[path])}"}
    async with emulator.http.post(emulator.url + path, headers=headers) as response:
        assert response.status == 401
        challenge = f'Bearer error="invalid_token", error_description="{problem}"'
        assert response.headers["WWW-Authenticate"] == challenge


@pytest.mark.parametrize("path", RESOURCES)
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic dTpw"}, {"Authorization": "Bearer"}])
async def test_call_without_token_is_challenged(emulator: Emulator, path: str, headers: dict[str, str]) -> None:
    async with emulator.http.post(emulator.url + path, headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_websocket_requires_token(emulator: Emulator) -> None:
    async with emulator.http.get(f"{emulator.url}/client/?hub=chat", headers={"Upgrade": "websocket"}) as response:
        assert response.status == 401


async def test_only_clients_may_send_token_in_query(emulator: Emulator) -> None:
    for path, status in ((NEGOTIATE, 200), (SEND, 401)):
        query = {"access_token": emulator.token(RESOURCES[path])} | ({"hub": "chat"} if path == NEGOTIATE else {})
        url = emulator.url + path.partition("?")[0]
        async with emulator.http.post(url, params=query, json={"target": "x"}) as response:
            assert response.status == status, path


async def test_client_and_app_tokens_are_not_interchangeable(emulator: Emulator) -> None:
    for path, resource in ((NEGOTIATE, SEND), (SEND, RESOURCES[NEGOTIATE])):
        async with emulator.http.post(emulator.url + path, headers=emulator.authorization(resource)) as response:
            assert response.status == 401, path


def test_audience_has_any_loopback_name_and_optional_port() -> None:
    local = "127.0.0.1", 8888
    assert audiences("localhost:8888", local, "/x") == {
        "http://localhost:8888/x",
        "http://127.0.0.1:8888/x",
        "http://localhost/x",
        "http://127.0.0.1/x",
    }
    assert audiences("127.0.0.1:8888", local, "/x") == audiences("LOCALHOST:8888", local, "/x")
    assert audiences("127.0.0.1", local, "/x") == audiences("127.0.0.1:8888", local, "/x")
    assert audiences("signalr:8888", local, "/x") == {"http://signalr:8888/x", "http://signalr/x"}


def test_audience_at_network_address_has_any_own_name() -> None:
    """Tokens are for the Endpoint, and phones connect to the ClientEndpoint, as behind a proxy in Azure."""
    local = "192.168.1.5", 8888
    assert audiences("192.168.1.5:8888", local, "/x") == {
        f"http://{name}{port}/x" for name in ("192.168.1.5", "127.0.0.1", "localhost") for port in (":8888", "")
    }
    assert audiences("192.168.1.6:8888", local, "/x") == {"http://192.168.1.6:8888/x", "http://192.168.1.6/x"}


async def test_audience_may_contain_query(emulator: Emulator) -> None:
    url = f"{SEND}?excluded=abc"
    for resource, status in ((SEND, 202), (url, 202), (f"{SEND}?excluded=other", 401)):
        headers = emulator.authorization(resource)
        async with emulator.http.post(emulator.url + url, headers=headers, json={"target": "x"}) as response:
            assert response.status == status, resource


async def test_token_may_have_several_audiences(emulator: Emulator) -> None:
    headers = emulator.authorization(SEND, aud=["http://example.com", emulator.url + SEND])
    async with emulator.http.post(emulator.url + SEND, headers=headers, json={"target": "x"}) as response:
        assert response.status == 202


async def test_access_key_is_not_decoded_from_base64(emulator: Emulator) -> None:
    claims = json.dumps({"aud": emulator.url + SEND, "exp": int(time.time()) + 60}).encode()
    decoded = jwt.api_jws.encode(claims, base64.b64decode(DEVELOPMENT_KEY), "HS256")
    headers = {"Authorization": f"Bearer {decoded}"}
    async with emulator.http.post(emulator.url + SEND, headers=headers, json={"target": "x"}) as response:
        assert response.status == 401


# --- without the access key

GENERATE = "/api/hubs/chat/:generateToken"
IDENTITY_TOKEN = "an access token of Microsoft Entra ID, for https://signalr.azure.com/.default"
BY_IDENTITY = {"Authorization": f"Bearer {IDENTITY_TOKEN}"}


async def generated(emulator: Emulator, query: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status, and the token or the error."""
    async with emulator.http.post(f"{emulator.url}{GENERATE}?{query}", headers=headers) as response:
        return response.status, (await response.json())["token"] if response.status == 200 else await response.text()


@pytest.fixture
async def trusting() -> AsyncIterator[Emulator]:
    """An emulator that trusts an identity."""
    async with running(trusted_identity_tokens=[IDENTITY_TOKEN]) as emulator:
        yield emulator


@pytest.mark.parametrize("by_identity", [False, True])
async def test_generated_token_admits_client_to_one_hub(trusting: Emulator, by_identity: bool) -> None:
    headers = BY_IDENTITY if by_identity else trusting.authorization(GENERATE)
    status, token = await generated(trusting, "api-version=2022-11-01", headers)
    assert status == 200
    for path, expected in ((NEGOTIATE, 200), ("/client/negotiate?hub=other", 401), (SEND, 401)):
        async with trusting.http.post(trusting.url + path, headers={"Authorization": f"Bearer {token}"}) as response:
            assert response.status == expected, path


async def test_generated_token_has_user_and_expiry(emulator: Emulator) -> None:
    for query, minutes, user in (("", 60, None), ("&minutesToExpire=5&userId=a%20b", 5, "a b")):
        before = int(time.time())
        _, token = await generated(emulator, f"api-version=2022-11-01{query}", emulator.authorization(GENERATE))
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["aud"] == f"{emulator.url}/client/?hub=chat"
        assert before <= claims["exp"] - minutes * 60 <= time.time()
        assert claims.get("nameid") == user


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("", "Add ?api-version=2022-11-01 or a later version"),
        ("api-version=2022-06-01", "Add ?api-version=2022-11-01 or a later version"),
        ("api-version=2022-11-01&minutesToExpire=0", "minutesToExpire"),
        ("api-version=2022-11-01&minutesToExpire=-1", "minutesToExpire"),
        ("api-version=2022-11-01&minutesToExpire=1.5", "minutesToExpire"),
        ("api-version=2022-11-01&minutesToExpire=", "minutesToExpire"),
        ("api-version=2022-11-01&minutesToExpire=9999999999", "minutesToExpire"),
    ],
)
async def test_invalid_token_request_is_refused(emulator: Emulator, query: str, problem: str) -> None:
    status, text = await generated(emulator, query, emulator.authorization(GENERATE))
    assert status == 400
    assert problem in text


async def test_generating_token_requires_authorization(emulator: Emulator) -> None:
    for headers in ({}, BY_IDENTITY, emulator.authorization("/client/?hub=chat")):
        assert (await generated(emulator, "api-version=2022-11-01", headers))[0] == 401


@pytest.mark.parametrize("path", [SEND, "/api/hubs/chat/:send?api-version=2022-06-01"])
async def test_trusted_identity_may_call_rest_api(trusting: Emulator, emulator: Emulator, path: str) -> None:
    for service, status in ((trusting, 202), (emulator, 401)):
        body = {"target": "x"}
        async with service.http.post(service.url + path, headers=BY_IDENTITY, json=body) as response:
            assert response.status == status


async def test_identity_token_admits_no_client(trusting: Emulator) -> None:
    async with trusting.http.post(trusting.url + NEGOTIATE, headers=BY_IDENTITY) as response:
        assert response.status == 401


async def test_other_identity_is_refused(trusting: Emulator) -> None:
    for authorization in (f"{BY_IDENTITY['Authorization']}!", "Bearer", "Bearer "):
        headers = {"Authorization": authorization}
        async with trusting.http.post(trusting.url + SEND, headers=headers, json={"target": "x"}) as response:
            assert response.status == 401
