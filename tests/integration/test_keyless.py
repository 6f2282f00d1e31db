"""The app without keys: it uses tokens of its identity for the table, the private container and SignalR.

Only the identity endpoint is a fake. azure-identity is real, as are Azurite over https with OAuth, which checks the
audience and expiry of tokens, and the SignalR emulator's `:generateToken`. Roles exist only in Azure.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient, ContentSettings

from local import REPOSITORY
from local.emulators.azurite import Account, Azurite
from local.environment.services import signalr_emulator
from signin.live.broadcaster import TARGET
from signin.visits.statistics import Statistics
from signin.website.site import CONTAINER
from tests.support import https_storage
from tests.support.audit import audit
from tests.support.https_storage import storage_token
from tests.support.identity_endpoint import IdentityEndpoint, identity_endpoint
from tests.support.running_host import RunningHost
from tests.support.signalr_clients import pysignalr
from tests.support.web_server import Response

SIGNALR_TOKEN = "the identity's token for SignalR"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    return https_storage.certificate(tmp_path_factory.mktemp("certificate"))


@dataclass(frozen=True, slots=True)
class Keyless:
    """The app, the endpoint that issues the tokens of its identity, and its storage account."""

    host: RunningHost
    identity: IdentityEndpoint
    account: Account


@pytest.fixture
def keyless(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Keyless]:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))  # for this process and those that it starts
    tokens = {"https://storage.azure.com": storage_token(), "https://signalr.azure.com": SIGNALR_TOKEN}
    with ExitStack() as stack:
        identity = stack.enter_context(identity_endpoint(tokens, monkeypatch))
        signalr = signalr_emulator(trusted_token=SIGNALR_TOKEN)
        stack.callback(signalr.stop)
        azurite = Azurite(tmp_path, certificate=certificate)
        stack.callback(azurite.stop)
        account = azurite.account()
        account.create_table()
        with ContainerClient.from_connection_string(account.connection_string, CONTAINER) as container:
            container.create_container()  # private
            container.upload_blob(
                "index.html", b"<p>Home", content_settings=ContentSettings(content_type="text/html; charset=utf-8")
            )
        (signalr_url,) = signalr.wait_until_ready()
        host = RunningHost(REPOSITORY, "--port", "0", environment=settings(account, signalr_url))
        stack.callback(host.close)
        yield Keyless(host, identity, account)


def settings(account: Account, signalr_url: str) -> Mapping[str, str]:
    return {
        "TableConnectionString__tableServiceUri": account.table_url,
        "TableConnectionString__credential": "managedidentity",
        "TableConnectionString__clientId": "me",
        "BlobHost": account.blob_url,
        "BlobHost__credential": "managedidentity",
        "BlobHost__clientId": "me",
        "AzureSignalRConnectionString": f"Endpoint={signalr_url};AuthType=azure.msi;ClientId=me;Version=1.0;",
    }


async def test_visits_broadcasts_and_pages_need_no_keys(keyless: Keyless) -> None:
    answer = json.loads(keyless.host.request("/signin").body)
    assert answer["stats"]["totalNumber"] == 1
    access = answer["authInfo"]
    async with pysignalr(access["serviceUrl"], access["accessToken"]) as client:
        assert (await client.event())[0] == "connected"
        keyless.host.request("/signin")
        *of_the_sample, others = Statistics.from_counts(2, {}).summary()
        while await client.event() != [TARGET, [*of_the_sample, {**others, "here": 0}]]:
            pass
    assert audit(keyless.account).statistics.total == 2
    assert keyless.host.request("/").body == b"<p>Home"
    health = keyless.host.request("/health")
    assert health.status == 200, health.body


def test_each_token_is_requested_once(keyless: Keyless) -> None:
    for _ in range(3):
        for target in ("/signin", "/", "/health"):
            assert keyless.host.request(target).status == 200
    requested = sorted((query["resource"], query["client_id"]) for query in keyless.identity.queries)
    assert requested == [
        ("https://signalr.azure.com", "me"),
        ("https://storage.azure.com", "me"),  # for the table
        ("https://storage.azure.com", "me"),  # for the content
    ]


def test_visit_without_token_is_reported_as_not_recorded(keyless: Keyless) -> None:
    keyless.identity.failure = Response(400, json.dumps({"error": "no such identity"}).encode())
    reply = keyless.host.request("/signin")
    assert reply.status == 503
    answer = json.loads(reply.body)
    assert answer["recorded"] == "no"
    assert answer["error"].startswith("The visit was not acknowledged: Table Storage cannot be accessed: no token")
    for part in json.loads(keyless.host.request("/health").body).values():
        assert "no token for the app's identity" in part["error"]


def test_visit_without_signalr_access_is_counted(keyless: Keyless) -> None:
    keyless.identity.tokens["https://signalr.azure.com"] = "a token without the role"
    answer = json.loads(keyless.host.request("/signin").body)
    assert answer["stats"]["totalNumber"] == 1
    assert answer["authInfo"]["accessToken"] == ""
    reply = keyless.host.request("/negotiate", method="POST")
    assert reply.status == 503
    assert "give the app's identity the role SignalR REST API Owner" in json.loads(reply.body)["error"]
