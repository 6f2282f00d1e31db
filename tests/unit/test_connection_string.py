from __future__ import annotations

import pytest

from signin.identity.credential import Identity
from signin.live.connection_string import ConnectionString, ConnectionStringError

KEY = "a-key-of-44-characters-as-the-service-makes="


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
def test_endpoint_and_key_are_parsed(text: str, endpoint: str) -> None:
    connection = ConnectionString.parse(text)
    assert (connection.endpoint, connection.access_key) == (endpoint, "K")
    assert connection.client_endpoint == connection.server_endpoint == endpoint


def test_client_and_server_endpoints_are_parsed() -> None:
    connection = ConnectionString.parse(
        "endpoint=http://aaa;accesskey=K;port=400;clientEndpoint=http://bbb:500/;serverEndpoint=https://ccc"
    )
    assert connection.endpoint == "http://aaa:400"
    assert connection.client_endpoint == "http://bbb:500"
    assert connection.server_endpoint == "https://ccc"


def test_key_may_contain_equals_signs() -> None:
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
        ("Endpoint=http://aaa;AuthType=azure", "sent by https only"),
        ("Endpoint=https://aaa;ServerEndpoint=http://bbb;AuthType=azure", "sent by https only"),
        ("Endpoint=https://aaa;AuthType=Azure.App;AccessKey=b", "AuthType=azure.app needs ClientId"),
        ("Endpoint=https://aaa;AuthType=azure.app;ClientId=b;ClientSecret=c", "AuthType=azure.app needs ClientId, Ten"),
        ("Endpoint=https://aaa;AuthType=azure.app;ClientId=b;TenantId=c", "and ClientSecret or ClientCert"),
    ],
)
def test_malformed_connection_string_has_reason(text: str, reason: str) -> None:
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
        "Endpoint=http://aaa;AuthType=azure.app;ClientSecret={}",
        "AccessKey={};Version=1.0",
        "AccessKey={}",
    ],
)
def test_error_does_not_contain_key(text: str) -> None:
    with pytest.raises(ConnectionStringError) as raised:
        ConnectionString.parse(text.format(KEY))
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("AuthType=azure", Identity()),
        ("AuthType=Azure;ClientId=me", Identity(client_id="me")),
        ("AuthType=azure.msi", Identity(is_managed=True)),
        ("AuthType=azure.msi;clientId=123", Identity(is_managed=True, client_id="123")),
        (
            "AuthType=azure.app;ClientId=a;TenantId=t;ClientSecret=s",
            Identity(client_id="a", tenant_id="t", client_secret="s"),
        ),
        (
            "AuthType=azure.app;ClientId=a;TenantId=t;ClientCert=/app.pem",
            Identity(client_id="a", tenant_id="t", client_certificate="/app.pem"),
        ),
    ],
)
@pytest.mark.parametrize("key", ["", ";AccessKey=K"], ids=["", "and a key"])
def test_auth_type_selects_identity_over_key(text: str, identity: Identity, key: str) -> None:
    assert ConnectionString.parse(f"Endpoint=https://aaa;{text}{key}").identity == identity


def test_unknown_auth_type_selects_key() -> None:
    assert ConnectionString.parse("Endpoint=https://aaa;AccessKey=K;AuthType=AccessKey").identity is None


def test_repr_does_not_contain_secrets() -> None:
    text = f"Endpoint=https://aaa;AccessKey={KEY};AuthType=azure.app;ClientId=a;TenantId=t;ClientSecret={KEY}"
    assert KEY not in repr(ConnectionString.parse(text))
