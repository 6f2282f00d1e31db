"""Tokens of a managed identity, with the real azure-identity and a fake identity endpoint on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from signin.counting.errors import NoEffect
from signin.counting.table import VisitTable
from signin.identity.credential import SIGNALR_SCOPE, STORAGE_SCOPE, Credential, Identity, IdentityError
from signin.live.connection_string import ConnectionString
from signin.live.hub import Hub, SignalRError
from signin.telemetry.outage import with_notes
from tests.support.clock import Clock
from tests.support.identity_endpoint import SECRET, IdentityEndpoint, identity_endpoint
from tests.support.web_server import Request, Response, WebServer

TOKENS = {"https://storage.azure.com": "a token for storage", "https://signalr.azure.com": "a token for SignalR"}
MANAGED = Identity(is_managed=True, client_id="me")


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityEndpoint]:
    with identity_endpoint(TOKENS, monkeypatch) as endpoint:
        yield endpoint


def test_managed_identity_gets_tokens_of_endpoint(endpoint: IdentityEndpoint) -> None:
    credential = Credential(MANAGED)
    assert credential.get_token(STORAGE_SCOPE).token == "a token for storage"
    assert credential.get_token(SIGNALR_SCOPE).token == "a token for SignalR"
    assert {query["client_id"] for query in endpoint.queries} == {"me"}


def test_threads_share_one_token_fetch(endpoint: IdentityEndpoint) -> None:
    credential = Credential(MANAGED)
    with ThreadPoolExecutor(8) as pool:
        tokens = set(pool.map(lambda _: credential.get_token(STORAGE_SCOPE).token, range(50)))
    assert tokens == {"a token for storage"}
    assert len(endpoint.queries) == 1


def test_token_error_is_one_line_without_secret(endpoint: IdentityEndpoint) -> None:
    endpoint.failure = Response(400, json.dumps({"error": "no such identity"}).encode())
    with pytest.raises(IdentityError, match="no token for the app's identity; ") as raised:
        Credential(MANAGED).get_token(STORAGE_SCOPE)
    assert "\n" not in str(raised.value)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("identity", "advice"),
    [
        (MANAGED, "check that this managed identity is assigned to the app"),
        (
            Identity(client_id="me", tenant_id="us", client_certificate="/no/such/file"),
            "check ClientId, TenantId and ClientSecret or ClientCert",
        ),
        (Identity(), "sign in by `az login` or `azd auth login`"),
    ],
    ids=["managed", "application", "default"],
)
def test_token_error_gives_advice_and_logs_nothing(
    identity: Identity,
    advice: str,
    endpoint: IdentityEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    endpoint.failure = Response(400, b"{}")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "AzureCliCredential")
    monkeypatch.setenv("PATH", "")  # so that the Azure CLI is not found
    with pytest.raises(IdentityError, match=f"^no token for the app's identity; {advice}$"):
        Credential(identity).get_token(STORAGE_SCOPE)
    assert caplog.messages == []


def test_failed_token_fetch_is_retried(endpoint: IdentityEndpoint) -> None:
    credential = Credential(MANAGED, clock := Clock())
    endpoint.failure = Response(400, b"{}")
    with pytest.raises(IdentityError):
        credential.get_token(STORAGE_SCOPE)
    endpoint.failure = None
    clock.now += 1
    assert credential.get_token(STORAGE_SCOPE).token


def test_outage_of_the_endpoint_bounds_token_requests(endpoint: IdentityEndpoint) -> None:
    """100 requests in 100 seconds: pauses of 1, 2, 4, 8 s, and then of 10 s."""
    credential = Credential(MANAGED, clock := Clock())
    endpoint.failure = Response(400, b"{}")
    errors: list[IdentityError] = []
    for _ in range(100):
        with pytest.raises(IdentityError, match="no token for the app's identity; check that") as raised:
            credential.get_token(STORAGE_SCOPE)
        errors.append(raised.value)
        clock.now += 1
    assert len(endpoint.queries) <= 15
    assert len({id(error) for error in errors}) == 100, "the traceback of a shared error grows with every raise"
    endpoint.failure = None
    clock.now += 10
    assert credential.get_token(STORAGE_SCOPE).token == "a token for storage"


def test_reason_of_azure_identity_is_only_in_a_note(endpoint: IdentityEndpoint) -> None:
    endpoint.failure = Response(400, b"{}")
    with pytest.raises(IdentityError) as raised:
        Credential(MANAGED).get_token(STORAGE_SCOPE)
    assert "Token request error" not in str(raised.value)
    assert "Token request error" in with_notes(raised.value)


def test_text_of_an_unknown_exception_is_in_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def get_token(self, scope: str) -> None:
            raise ValueError(f"malformed: {SECRET}")

    credential = Credential(MANAGED)
    monkeypatch.setitem(vars(credential), "_azure_credential", Broken())
    with pytest.raises(IdentityError) as raised:
        credential.get_token(STORAGE_SCOPE)
    assert with_notes(raised.value).endswith("(ValueError)")


def test_app_with_keys_skips_azure_identity_import() -> None:
    program = "import sys, function_app; sys.exit('azure.identity' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


# Table Storage


def test_table_without_token_raises_not_sent(endpoint: IdentityEndpoint) -> None:
    endpoint.failure = Response(400, b"{}")
    table = VisitTable.from_url("https://127.0.0.1:1", Credential(MANAGED))
    with pytest.raises(NoEffect, match="Table Storage cannot be accessed: no token for the app's identity"):
        table.read(0)


# SignalR


class SignalRService:
    """The REST API of a SignalR Service that refuses access keys."""

    def __init__(self) -> None:
        self.status = 202
        self.generated = 0

    def __call__(self, request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer a token for SignalR":
            return Response(401)
        if self.status >= 400:
            return Response(self.status)
        if request.target.startswith("/api/hubs/chat/:generateToken?api-version=2022-11-01&minutesToExpire=60"):
            self.generated += 1
            return Response(200, json.dumps({"token": f"client token {self.generated}"}).encode())
        return Response(202 if request.target == "/api/v1/hubs/chat" else 404)


@pytest.fixture
def service() -> SignalRService:
    return SignalRService()


@pytest.fixture
def server(service: SignalRService) -> Iterator[WebServer]:
    with WebServer(service) as server:
        yield server


@pytest.fixture
def hub(server: WebServer, endpoint: IdentityEndpoint) -> Iterator[Hub]:
    connection = ConnectionString.parse(f"Endpoint={server.url};AuthType=azure.msi;ClientId=me;Version=1.0;")
    assert connection.identity is not None
    hub = Hub(connection, "chat", Credential(connection.identity))
    yield hub
    hub._session.close()


def test_broadcast_carries_the_identitys_token(hub: Hub, server: WebServer) -> None:
    hub.broadcast("update", [1])
    hub.broadcast("update", [2])
    assert [json.loads(request.body)["arguments"] for request in server.requests] == [[1], [2]]


def test_client_gets_a_token_from_the_service(hub: Hub, server: WebServer) -> None:
    access = hub.client_access().result(10)
    assert (access.url, access.token) == (f"{server.url}/client/?hub=chat", "client token 1")


def test_clients_share_the_services_token(hub: Hub, service: SignalRService) -> None:
    """With a request per visit, thousands of simultaneous visitors would not get a token in time."""
    tokens = {hub.client_access().result(10).token for _ in range(20)}
    assert tokens == {"client token 1"}
    assert service.generated == 1


@pytest.mark.parametrize("status", [401, 403])
def test_error_names_the_missing_role(status: int, hub: Hub, service: SignalRService) -> None:
    service.status = status
    needed = f"SignalR answered {status}: give the app's identity the role SignalR REST API Owner"
    for call in (lambda: hub.broadcast("update", []), hub.check, lambda: hub.client_access().result(10)):
        with pytest.raises(SignalRError, match=needed):
            call()


def test_response_without_token_is_an_error(hub: Hub, server: WebServer) -> None:
    server.handler = lambda request: Response(200, b"<html>")
    with pytest.raises(SignalRError, match="answered without a token"):
        hub.client_access().result(10)


def test_no_request_is_sent_without_own_token(hub: Hub, server: WebServer, endpoint: IdentityEndpoint) -> None:
    endpoint.failure = Response(400, b"{}")
    with pytest.raises(SignalRError, match="SignalR cannot be accessed: no token for the app's identity"):
        hub.broadcast("update", [])
    assert not server.requests
