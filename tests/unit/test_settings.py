from __future__ import annotations

import pytest

from signin.settings import Settings, SettingsError

SECRET = "c2VjcmV0IGtleSBvZiB0aGUgYWNjb3VudA=="

COMPLETE = {
    "TableConnectionString": f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={SECRET};EndpointSuffix=b.net",
    "BlobHost": "account.blob.core.windows.net",
    "AzureSignalRConnectionString": f"Endpoint=https://x.service.signalr.net;AccessKey={SECRET};Version=1.0;",
}


def problem(**changes: str) -> str:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment(COMPLETE | changes)
    return str(raised.value)


def test_complete_settings_are_read() -> None:
    settings = Settings.from_environment(COMPLETE)
    assert settings.table_connection_string == COMPLETE["TableConnectionString"]
    assert settings.blob_url == "https://account.blob.core.windows.net"
    assert settings.signalr.endpoint == "https://x.service.signalr.net"
    assert settings.broadcast_interval == 1.0


def test_every_missing_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({})
    assert str(raised.value) == (
        "TableConnectionString is not set; BlobHost is not set; AzureSignalRConnectionString is not set"
    )


def test_every_malformed_setting_is_named_at_once() -> None:
    message = problem(
        TableConnectionString="x", BlobHost="ftp://x", AzureSignalRConnectionString="x", BroadcastIntervalSeconds="x"
    )
    assert message.count("is malformed") == 4
    for name in (*COMPLETE, "BroadcastIntervalSeconds"):
        assert f"{name} is malformed: " in message
    assert "\n" not in message


@pytest.mark.parametrize("name", COMPLETE)
@pytest.mark.parametrize("blank", ["", "  ", "\n"])
def test_a_blank_setting_is_not_set(name: str, blank: str) -> None:
    assert problem(**{name: blank}) == f"{name} is not set"


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("account.blob.core.windows.net", "https://account.blob.core.windows.net"),
        ("account.blob.core.windows.net/", "https://account.blob.core.windows.net"),
        (" account.blob.core.windows.net\n", "https://account.blob.core.windows.net"),
        ("localhost:10000/devstoreaccount1", "https://localhost:10000/devstoreaccount1"),
        ("https://account.blob.core.windows.net", "https://account.blob.core.windows.net"),
        ("http://127.0.0.1:10000/devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1"),
        ("http://127.0.0.1:10000/devstoreaccount1/", "http://127.0.0.1:10000/devstoreaccount1"),
    ],
)
def test_blob_host_is_a_host_or_a_url(setting: str, url: str) -> None:
    assert Settings.from_environment(COMPLETE | {"BlobHost": setting}).blob_url == url


@pytest.mark.parametrize(
    "setting", ["http://", "ftp://host", "https:///path", "host?x", "https://host/#x", "http://[x"]
)
def test_blob_host_is_nothing_else(setting: str) -> None:
    assert problem(BlobHost=setting).startswith("BlobHost is malformed")


@pytest.mark.parametrize("setting", ["UseDevelopmentStorage=true", "UseDevelopmentStorage=true;"])
def test_the_local_storage_has_a_name_of_its_own(setting: str) -> None:
    settings = Settings.from_environment(COMPLETE | {"TableConnectionString": setting})
    assert settings.table_connection_string == "UseDevelopmentStorage=true"


@pytest.mark.parametrize(("setting", "seconds"), [("0.1", 0.1), ("2", 2.0), (" 0.5 ", 0.5), ("3600", 3600.0)])
def test_the_broadcast_interval_is_in_seconds(setting: str, seconds: float) -> None:
    settings = Settings.from_environment(COMPLETE | {"BroadcastIntervalSeconds": setting})
    assert settings.broadcast_interval == seconds


@pytest.mark.parametrize("setting", ["0", "-1", "0.09", "3601", "nan", "inf", "1s", "one"])
def test_a_broadcast_interval_out_of_range_is_refused(setting: str) -> None:
    assert "is not a number of seconds from 0.1 to 3600" in problem(BroadcastIntervalSeconds=setting)


@pytest.mark.parametrize(
    "changes",
    [
        {"TableConnectionString": f"AccountKey={SECRET}"},
        {"TableConnectionString": f"AccountName=a;AccountName=b;AccountKey={SECRET}"},
        {"TableConnectionString": f"TableEndpoint=http://[x;AccountName=a;AccountKey={SECRET}"},
        {"TableConnectionString": SECRET},
        {"TableConnectionString": f"https://account.table.core.windows.net/?sv=2024&sig={SECRET}"},
        {"BlobHost": f"https://account.blob.core.windows.net/?sv=2024&sig={SECRET}"},
        {"BlobHost": f"account.blob.core.windows.net?sv=2024&sig={SECRET}"},
        {"BlobHost": COMPLETE["TableConnectionString"] + "://"},
        {"AzureSignalRConnectionString": f"AccessKey={SECRET}"},
        {"AzureSignalRConnectionString": f"Endpoint=x;AccessKey={SECRET}"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_no_secret_is_in_a_message(changes: dict[str, str]) -> None:
    """The message is also what a visitor of a misconfigured app gets to see."""
    assert SECRET not in problem(**changes)
