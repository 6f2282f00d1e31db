from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from signin.signalr import CLIENT_TOKEN_SECONDS, ConnectionString, ConnectionStringError, Hub, SignalRError

from .loopback import HANG_UP, Answer, Asked, WebServer, nothing_listening, web_server

KEY = "a-key-of-44-characters-as-the-service-makes="
ACCEPTED = Answer(202)


# The connection string


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("endpoint=http://aaa;accesskey=K", "http://aaa"),
        ("endpoint=http://aaa/;accesskey=K", "http://aaa"),
        ("endpoint=http://aaa:500;accesskey=K", "http://aaa:500"),
        ("endpoint=http://aaa:500/;accesskey=K", "http://aaa:500"),
        ("endpoint=http://aaa;accesskey=K;port=400", "http://aaa:400"),
        ("endpoint=http://aaa:500;accesskey=K;port=400", "http://aaa:400"),
        ("endpoint=http://aaa;accesskey=K;port=1", "http://aaa:1"),
        ("endpoint=http://aaa;accesskey=K;port=65535", "http://aaa:65535"),
        ("endpoint=http://[::1];accesskey=K;port=400", "http://[::1]:400"),
        ("endpoint=http://aaa;accesskey=K;version=1.0", "http://aaa"),
        ("endpoint=http://aaa;accesskey=K;version=1.1-preview", "http://aaa"),
        ("Endpoint=https://aaa;AccessKey=K;Version=1.0;", "https://aaa"),
        (" ENDPOINT = https://aaa ; ACCESSKEY = K ;; ", "https://aaa"),
        ("endpoint=https://aaa;accesskey=K;unknown=x;without equals", "https://aaa"),
        ("endpoint=https://aaa;accesskey=K;authtype=none of the known", "https://aaa"),
    ],
)
def test_a_connection_string_names_an_endpoint_and_a_key(text: str, endpoint: str) -> None:
    connection = ConnectionString.parse(text)
    assert (connection.endpoint, connection.access_key) == (endpoint, "K")
    assert connection.client_endpoint == connection.server_endpoint == endpoint


def test_clients_and_rest_calls_can_be_sent_elsewhere() -> None:
    connection = ConnectionString.parse(
        "endpoint=http://aaa;accesskey=K;port=400;clientEndpoint=http://bbb:500/;serverEndpoint=https://ccc"
    )
    assert connection.endpoint == "http://aaa:400"
    assert connection.client_endpoint == "http://bbb:500"
    assert connection.server_endpoint == "https://ccc"


def test_a_key_may_hold_equals_signs() -> None:
    assert ConnectionString.parse(f"Endpoint=http://a;AccessKey={KEY}").access_key == KEY


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "needs at least"),
        ("Endpoint=xxx", "needs at least"),
        ("AccessKey=xxx", "needs at least"),
        ("XXX", "needs at least"),
        ("XXX;YYY", "Endpoint is missing"),
        ("AccessKey=xxx;Version=1.0", "Endpoint is missing"),
        ("Endpoint=http://aaa;Version=1.0", "AccessKey is missing"),
        ("Endpoint=http://aaa;AccessKey=", "AccessKey is missing"),
        ("Endpoint=aaa;AccessKey=bbb;", "Endpoint .* not an absolute"),
        ("Endpoint=ftp://aaa;AccessKey=bbb;", "Endpoint .* not an absolute"),
        ("Endpoint=http://;AccessKey=bbb;", "Endpoint .* not an absolute"),
        ("Endpoint=http://aaa:99999;AccessKey=bbb;", "Endpoint .* not an absolute"),
        ("Endpoint=http://aaa;AccessKey=bbb;port=2.3", "Port is not a number"),
        ("Endpoint=http://aaa;AccessKey=bbb;port=1000000", "Port is not a number"),
        ("Endpoint=http://aaa;AccessKey=bbb;port=65536", "Port is not a number"),
        ("Endpoint=http://aaa;AccessKey=bbb;port=0", "Port is not a number"),
        ("Endpoint=http://aaa;AccessKey=bbb;port=-1", "Port is not a number"),
        ("Endpoint=http://aaa;AccessKey=bbb;port=٤٠٠", "Port"),
        ("Endpoint=http://aaa;AccessKey=bbb;version=abc", "Version is not supported"),
        ("Endpoint=http://aaa;AccessKey=bbb;version=2.0", "Version is not supported"),
        ("Endpoint=http://aaa;AccessKey=bbb;version=1", "Version is not supported"),
        ("endpoint=https://aaa;clientEndpoint=aaa;AccessKey=b", "ClientEndpoint"),
        ("endpoint=https://aaa;serverEndpoint=aaa;AccessKey=b", "ServerEndpoint"),
        ("endpoint=https://aaa;endpoint=https://bbb;AccessKey=b", "'endpoint' is given twice"),
        ("Endpoint=https://aaa;AccessKey=a;accesskey=b", "'accesskey' is given twice"),
        ("Endpoint=https://aaa;AuthType=azure", "AuthType=azure is not supported yet; use an AccessKey"),
        ("Endpoint=https://aaa;AuthType=azure.msi;clientId=123", "AuthType=azure.msi is not supported yet"),
        ("Endpoint=https://aaa;AuthType=Azure.App;AccessKey=b", "AuthType=azure.app is not supported yet"),
    ],
)
def test_a_malformed_connection_string_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ConnectionStringError, match=reason) as raised:
        ConnectionString.parse(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "Endpoint=aaa;AccessKey={}",
        "Endpoint=http://aaa;AccessKey={};Port=0",
        "Endpoint=http://aaa;AccessKey={};Version=2.0",
        "Endpoint=http://aaa;AccessKey={};AccessKey=b",
        "Endpoint=http://aaa;AccessKey={};AuthType=azure",
        "AccessKey={};Version=1.0",
        "AccessKey={}",
    ],
)
def test_a_refusal_does_not_tell_the_key(text: str) -> None:
    with pytest.raises(ConnectionStringError) as raised:
        ConnectionString.parse(text.format(KEY))
    assert KEY not in str(raised.value)


# Tokens


def claims_of(token: str, audience: str) -> dict[str, Any]:
    """What a token says, once its signature, audience and expiry are found right."""
    options: Any = {"require": ["aud", "exp"]}
    claims: dict[str, Any] = jwt.decode(token, KEY.encode(), algorithms=["HS256"], audience=audience, options=options)
    return claims


def test_a_client_is_sent_to_the_service_with_a_token_for_that_url() -> None:
    hub = Hub(ConnectionString.parse(f"Endpoint=https://x.service.signalr.net;AccessKey={KEY};Version=1.0;"), "chat")
    before = int(time.time())
    access = hub.client_access()
    assert access.url == "https://x.service.signalr.net/client/?hub=chat"
    claims = claims_of(access.token, audience=access.url)
    assert before + CLIENT_TOKEN_SECONDS <= claims["exp"] <= time.time() + CLIENT_TOKEN_SECONDS
    assert set(claims) == {"aud", "exp", "jti"}
    assert jwt.get_unverified_header(access.token)["alg"] == "HS256"
    assert len(access.token) <= 4096


def test_each_client_gets_a_token_of_its_own() -> None:
    hub = Hub(ConnectionString.parse(f"Endpoint=https://x;AccessKey={KEY}"), "chat")
    assert len({hub.client_access().token for _ in range(10)}) == 10


def test_behind_a_proxy_tokens_are_still_made_out_to_the_service() -> None:
    text = f"Endpoint=https://service;AccessKey={KEY};ClientEndpoint=https://proxy:444"
    access = Hub(ConnectionString.parse(text), "chat").client_access()
    assert access.url == "https://proxy:444/client/?hub=chat"
    claims_of(access.token, audience="https://service/client/?hub=chat")


# Broadcasts


@pytest.fixture
def service() -> Iterator[WebServer]:
    with web_server(lambda asked: ACCEPTED) as server:
        yield server


def hub_at(url: str) -> Iterator[Hub]:
    hub = Hub(ConnectionString.parse(f"Endpoint={url};AccessKey={KEY};Version=1.0;"), "signinsamplehub")
    yield hub
    hub._session.close()


@pytest.fixture
def hub(service: WebServer) -> Iterator[Hub]:
    yield from hub_at(service.url)


def bearer(asked: Asked) -> str:
    scheme, _, token = asked.headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    return token


def test_a_broadcast_is_one_rest_call(service: WebServer, hub: Hub) -> None:
    hub.broadcast("updateSignInStats", [3, {"Windows": 3}, {"Ångström": 3}])
    [asked] = service.asked
    assert (asked.method, asked.target) == ("POST", "/api/v1/hubs/signinsamplehub")
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {"target": "updateSignInStats", "arguments": [3, {"Windows": 3}, {"Ångström": 3}]}
    claims_of(bearer(asked), audience=f"{service.url}/api/v1/hubs/signinsamplehub")


def test_behind_a_proxy_a_broadcast_goes_there_with_a_token_for_the_service(service: WebServer) -> None:
    text = f"Endpoint=https://service;AccessKey={KEY};ServerEndpoint={service.url}/"
    hub = Hub(ConnectionString.parse(text), "chat")
    hub.broadcast("target", [])
    hub._session.close()
    claims_of(bearer(service.asked[0]), audience="https://service/api/v1/hubs/chat")


def test_a_rest_token_is_used_until_shortly_before_it_expires(
    service: WebServer, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    for minutes in (0, 1, 54, 56, 100):
        monkeypatch.setattr("signin.signalr.time.time", lambda minutes=minutes: now + 60 * minutes)
        hub.broadcast("target", [])
    monkeypatch.undo()
    first, second, third, fourth, fifth = (bearer(asked) for asked in service.asked)
    assert first == second == third != fourth == fifth
    claims_of(fourth, audience=f"{service.url}/api/v1/hubs/signinsamplehub")


def test_broadcasts_share_a_connection(service: WebServer, hub: Hub) -> None:
    for _ in range(3):
        hub.broadcast("target", [])
    assert service.connections == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(400), "SignalR answered 400 Bad Request"),
        (
            Answer(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token", error_description="expired"'}),
            'SignalR answered 401 .*error_description="expired"',
        ),
        (Answer(413), "SignalR answered 413"),
        (Answer(429), "SignalR answered 429 Too Many Requests"),
        (Answer(429, headers={"Retry-After": "3600"}), "SignalR answered 429 Too Many Requests"),
        (Answer(503, headers={"Retry-After": "3600"}), "SignalR answered 503 Service Unavailable"),
        (Answer(500), "SignalR answered 500 Internal Server Error"),
        (Answer(200, b"some web page"), "SignalR answered 200 OK"),
        (Answer(307, headers={"Location": "/elsewhere"}), "SignalR answered 307"),
    ],
)
def test_anything_but_202_is_a_failure_that_is_not_repeated(
    answer: Answer, reason: str, service: WebServer, hub: Hub
) -> None:
    service.handler = lambda asked: answer
    with pytest.raises(SignalRError, match=reason) as raised:
        hub.broadcast("target", [])
    assert len(service.asked) == 1
    assert KEY not in str(raised.value)
    assert bearer(service.asked[0]) not in str(raised.value)


def test_a_service_that_is_not_there_is_a_failure() -> None:
    with nothing_listening() as url:
        for hub in hub_at(url):
            with pytest.raises(SignalRError, match="SignalR did not answer") as raised:
                hub.broadcast("target", [])
            assert "Bearer" not in str(raised.value)


def test_a_service_that_says_nothing_is_a_failure_in_bounded_time(
    service: WebServer, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeouts: list[Any] = []

    def time_out(*arguments: object, timeout: object, **options: object) -> None:
        timeouts.append(timeout)
        raise requests.ReadTimeout

    monkeypatch.setattr(hub._session, "request", time_out)
    with pytest.raises(SignalRError, match=r"did not answer \(ReadTimeout\)"):
        hub.broadcast("target", [])
    [(connect, read)] = timeouts
    assert connect <= 10
    assert read <= 10


def test_a_connection_that_was_closed_meanwhile_is_replaced(service: WebServer, hub: Hub) -> None:
    hub.broadcast("target", [1])
    answers = iter([HANG_UP, ACCEPTED])
    service.handler = lambda asked: next(answers)
    hub.broadcast("target", [2])
    assert [json.loads(asked.body)["arguments"] for asked in service.asked] == [[1], [2], [2]]


def test_a_service_that_keeps_hanging_up_is_a_failure(service: WebServer, hub: Hub) -> None:
    service.handler = lambda asked: HANG_UP
    with pytest.raises(SignalRError, match="did not answer"):
        hub.broadcast("target", [])
    assert len(service.asked) == 2


# Health


def test_a_service_that_takes_the_key_passes_the_check(service: WebServer, hub: Hub) -> None:
    service.handler = lambda asked: Answer(404)  # no connection has that id
    hub.check()
    [asked] = service.asked
    assert (asked.method, asked.target) == ("HEAD", "/api/v1/hubs/signinsamplehub/connections/none")
    assert asked.headers["authorization"].startswith("Bearer ")


def test_a_service_that_refuses_the_key_fails_the_check(service: WebServer, hub: Hub) -> None:
    service.handler = lambda asked: Answer(401)
    with pytest.raises(SignalRError, match="SignalR answered 401"):
        hub.check()


@pytest.mark.usefixtures("netrc")
def test_a_netrc_of_the_machine_does_not_replace_the_token(service: WebServer, hub: Hub) -> None:
    service.handler = lambda asked: Answer(202)
    hub.broadcast("target", [])
    assert service.asked[0].headers["authorization"].startswith("Bearer ")


def test_a_service_that_is_not_well_fails_the_check(service: WebServer, hub: Hub) -> None:
    service.handler = lambda asked: Answer(503)
    with pytest.raises(SignalRError, match="SignalR answered 503"):
        hub.check()
    service.handler = lambda asked: HANG_UP
    with pytest.raises(SignalRError, match="SignalR did not answer"):
        hub.check()
