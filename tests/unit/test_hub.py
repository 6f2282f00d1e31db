from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import requests

from signin.live.connection_string import ConnectionString
from signin.live.hub import CLIENT_TOKEN_SECONDS, Hub, SignalRError
from tests.support.web_server import CLOSE, Request, Response, WebServer, nothing_listening

KEY = "a-key-of-44-characters-as-the-service-makes="
ACCEPTED = Response(202)


# Tokens


def claims_of(token: str, audience: str) -> dict[str, Any]:
    """The claims of a token, after a check of its signature, audience and expiry."""
    options: Any = {"require": ["aud", "exp"]}
    claims: dict[str, Any] = jwt.decode(token, KEY.encode(), algorithms=["HS256"], audience=audience, options=options)
    return claims


def test_client_gets_token_for_its_url() -> None:
    hub = Hub(ConnectionString.parse(f"Endpoint=https://x.service.signalr.net;AccessKey={KEY};Version=1.0;"), "chat")
    before = int(time.time())
    access = hub.client_access().result(0)
    assert access.url == "https://x.service.signalr.net/client/?hub=chat"
    claims = claims_of(access.token, audience=access.url)
    assert before + CLIENT_TOKEN_SECONDS <= claims["exp"] <= time.time() + CLIENT_TOKEN_SECONDS
    assert set(claims) == {"aud", "exp", "jti"}
    assert jwt.get_unverified_header(access.token)["alg"] == "HS256"
    assert len(access.token) <= 4096


def test_each_client_gets_its_own_token() -> None:
    hub = Hub(ConnectionString.parse(f"Endpoint=https://x;AccessKey={KEY}"), "chat")
    assert len({hub.client_access().result(0).token for _ in range(10)}) == 10


def test_client_token_behind_proxy_is_for_service() -> None:
    text = f"Endpoint=https://service;AccessKey={KEY};ClientEndpoint=https://proxy:444"
    access = Hub(ConnectionString.parse(text), "chat").client_access().result(0)
    assert access.url == "https://proxy:444/client/?hub=chat"
    claims_of(access.token, audience="https://service/client/?hub=chat")


# Broadcasts


@pytest.fixture
def service() -> Iterator[WebServer]:
    with WebServer(lambda request: ACCEPTED) as server:
        yield server


def hub_at(url: str) -> Iterator[Hub]:
    hub = Hub(ConnectionString.parse(f"Endpoint={url};AccessKey={KEY};Version=1.0;"), "signinsamplehub")
    yield hub
    hub._session.close()


@pytest.fixture
def hub(service: WebServer) -> Iterator[Hub]:
    yield from hub_at(service.url)


def bearer(request: Request) -> str:
    scheme, _, token = request.headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    return token


def test_broadcast_is_one_rest_call(service: WebServer, hub: Hub) -> None:
    hub.broadcast("updateSignInStats", [3, {"Windows": 3}, {"Ångström": 3}])
    [request] = service.requests
    assert (request.method, request.target) == ("POST", "/api/v1/hubs/signinsamplehub")
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "target": "updateSignInStats",
        "arguments": [3, {"Windows": 3}, {"Ångström": 3}],
    }
    claims_of(bearer(request), audience=f"{service.url}/api/v1/hubs/signinsamplehub")


def test_broadcast_behind_proxy_has_token_for_service(service: WebServer) -> None:
    text = f"Endpoint=https://service;AccessKey={KEY};ServerEndpoint={service.url}/"
    hub = Hub(ConnectionString.parse(text), "chat")
    hub.broadcast("target", [])
    hub._session.close()
    claims_of(bearer(service.requests[0]), audience="https://service/api/v1/hubs/chat")


def test_broadcasts_share_a_connection(service: WebServer, hub: Hub) -> None:
    for _ in range(3):
        hub.broadcast("target", [])
    assert service.connections == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Response(400), "SignalR answered 400: check that AzureSignalRConnectionString"),
        (
            Response(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token", error_description="expired"'}),
            'SignalR answered 401: check the AccessKey.*clock\\nBearer .*error_description="expired"',
        ),
        (Response(413), "SignalR answered 413: "),
        (Response(429), "SignalR answered 429: its quota is exhausted"),
        (Response(429, headers={"Retry-After": "3600"}), "SignalR answered 429: its quota is exhausted"),
        (Response(503, headers={"Retry-After": "3600"}), "SignalR answered 503: it is too busy or fails"),
        (Response(500), "SignalR answered 500: it is too busy or fails, try again later"),
        (Response(200, b"some web page"), "SignalR answered 200: "),
        (Response(307, headers={"Location": "/elsewhere"}), "SignalR answered 307: "),
    ],
)
def test_broadcast_fails_without_retry_unless_accepted(
    answer: Response, reason: str, service: WebServer, hub: Hub
) -> None:
    service.handler = lambda request: answer
    with pytest.raises(SignalRError, match=reason) as raised:
        hub.broadcast("target", [])
    assert len(service.requests) == 1
    assert KEY not in str(raised.value)
    assert bearer(service.requests[0]) not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1800", 1800.0),
        ("0", 0.0),
        ("soon", 0.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("86400", 3600.0),
        ("9" * 20, 3600.0),
        ("9" * 5000, 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", 0.0),
    ],
    ids=lambda value: str(value)[:32],
)
def test_failure_has_seconds_of_retry_after(value: str, seconds: float, service: WebServer, hub: Hub) -> None:
    service.handler = lambda request: Response(429, headers={"Retry-After": value})
    with pytest.raises(SignalRError, match="its quota is exhausted: add units") as raised:
        hub.broadcast("target", [])
    assert raised.value.retry_after == seconds


def test_broadcast_fails_if_connection_is_refused() -> None:
    with nothing_listening() as url:
        for hub in hub_at(url):
            with pytest.raises(SignalRError, match="SignalR did not answer: it accepts no connection") as raised:
                hub.broadcast("target", [])
            assert "Bearer" not in str(raised.value)


def test_broadcast_fails_after_bounded_timeout(service: WebServer, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    timeouts: list[Any] = []

    def time_out(*arguments: object, timeout: object, **options: object) -> None:
        timeouts.append(timeout)
        raise requests.ReadTimeout

    monkeypatch.setattr(hub._session, "request", time_out)
    with pytest.raises(SignalRError, match="did not answer: it does not respond in time"):
        hub.broadcast("target", [])
    [(connect, read)] = timeouts
    assert connect <= 10
    assert read <= 10


def test_broadcast_replaces_closed_connection(service: WebServer, hub: Hub) -> None:
    hub.broadcast("target", [1])
    answers = iter([CLOSE, ACCEPTED])
    service.handler = lambda request: next(answers)
    hub.broadcast("target", [2])
    assert [json.loads(request.body)["arguments"] for request in service.requests] == [[1], [2], [2]]


def test_broadcast_is_retried_once_if_hung_up(service: WebServer, hub: Hub) -> None:
    service.handler = lambda request: CLOSE
    with pytest.raises(SignalRError, match="did not answer"):
        hub.broadcast("target", [])
    assert len(service.requests) == 2


# Health


HEALTHY = Response(200)
NO_SUCH_CONNECTION = Response(404)


def answer_in_turn(service: WebServer, *answers: Response | None) -> None:
    remaining = iter(answers)
    service.handler = lambda request: next(remaining)


def test_check_passes_if_key_is_accepted(service: WebServer, hub: Hub) -> None:
    answer_in_turn(service, HEALTHY, NO_SUCH_CONNECTION)
    hub.check()
    assert [(request.method, request.target) for request in service.requests] == [
        ("HEAD", "/api/v1/health"),
        ("HEAD", "/api/v1/hubs/signinsamplehub/connections/none"),
    ]
    for request in service.requests:
        claims_of(bearer(request), audience=service.url + request.target)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([NO_SUCH_CONNECTION], "SignalR answered 404: check that Endpoint is that of an Azure SignalR Service"),
        ([Response(500)], "SignalR answered 500"),
        ([HEALTHY, HEALTHY], "SignalR answered 200: check that AzureSignalRConnectionString is that of an Azure"),
        ([HEALTHY, Response(401)], "SignalR answered 401"),
    ],
    ids=["404 to everything", "unhealthy", "200 to everything", "wrong key"],
)
def test_check_fails_unless_both_answers_are_right(
    answers: list[Response], reason: str, service: WebServer, hub: Hub
) -> None:
    answer_in_turn(service, *answers)
    with pytest.raises(SignalRError, match=reason):
        hub.check()


def test_check_replaces_closed_connection(service: WebServer, hub: Hub) -> None:
    hub.broadcast("target", [])
    answer_in_turn(service, CLOSE, HEALTHY, NO_SUCH_CONNECTION)
    hub.check()


@pytest.mark.usefixtures("netrc")
def test_netrc_does_not_replace_token(service: WebServer, hub: Hub) -> None:
    service.handler = lambda request: Response(202)
    hub.broadcast("target", [])
    assert service.requests[0].headers["authorization"].startswith("Bearer ")


def test_check_fails_if_service_is_unavailable(service: WebServer, hub: Hub) -> None:
    service.handler = lambda request: Response(503)
    with pytest.raises(SignalRError, match="SignalR answered 503"):
        hub.check()
    service.handler = lambda request: CLOSE
    with pytest.raises(SignalRError, match="SignalR did not answer"):
        hub.check()
