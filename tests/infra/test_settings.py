"""Settings and parameters agree in infrastructure, app, documents and example."""

from __future__ import annotations

import json
import re

import pytest

from local import REPOSITORY
from signin.settings import Settings, SettingsError

from .bicep import FILES, read

MAIN = read("main.bicep")
DEPLOYED: dict[str, str] = MAIN.modules["settings"].params["settings"]
EXAMPLE = json.loads((REPOSITORY / "local.settings.json.example").read_text())["Values"]
SETTINGS_DOCUMENT = (REPOSITORY / "docs/settings.md").read_text(encoding="utf-8")


def documented(heading: str) -> set[str]:
    """The names in the first column of the tables under a heading of docs/settings.md."""
    section = SETTINGS_DOCUMENT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


OF_THE_APP = documented("Table Storage") | documented("Content") | documented("SignalR Service")
OF_THE_HOST = documented("Functions host")


def asked_for() -> set[str]:
    """The names that the app looks up in its environment."""
    names: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            names.add(name)
            return default

    with pytest.raises(SettingsError):
        Settings.from_environment(Environment())
    return names


def base(name: str) -> str:
    """The connection that a setting belongs to."""
    return name.partition("__")[0]


def test_deployed_settings_are_documented() -> None:
    assert DEPLOYED.keys() <= OF_THE_APP | OF_THE_HOST
    assert DEPLOYED.keys() >= OF_THE_HOST


def test_settings_of_the_app_are_documented_and_deployed() -> None:
    connections = {base(name) for name in asked_for()}
    assert {base(name) for name in OF_THE_APP} == connections
    assert {base(name) for name in DEPLOYED.keys() - OF_THE_HOST} == connections


def test_example_settings_are_documented() -> None:
    assert {base(name) for name in EXAMPLE} - {base(name) for name in OF_THE_APP} == {
        "AzureWebJobsStorage",
        "FUNCTIONS_WORKER_RUNTIME",
    }


def test_no_setting_is_invalid_on_flex_consumption() -> None:
    invalid = {"FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_PROCESS_COUNT", "FUNCTIONS_WORKER_RUNTIME"}
    invalid |= {
        "ENABLE_ORYX_BUILD",
        "SCM_DO_BUILD_DURING_DEPLOYMENT",
        "WEBSITE_CONTENTSHARE",
        "WEBSITE_RUN_FROM_PACKAGE",
    }
    assert DEPLOYED.keys() & invalid == set()


def deployed_values() -> dict[str, str]:
    """The settings of a deployment, with examples for the values that Azure fills in."""
    values = {
        "storage.outputs.tableUrl": "https://stdataabc.table.core.windows.net",
        "storage.outputs.blobUrl": "https://stdataabc.blob.core.windows.net",
        "hostStorage.outputs.blobUrl": "https://sthostabc.blob.core.windows.net",
        "hostStorage.outputs.name": "sthostabc",
        "identity.outputs.clientId": "11111111-2222-3333-4444-555555555555",
        "signalR.outputs.hostName": "signalr-abc.service.signalr.net",
        "monitoring.outputs.connectionString": "InstrumentationKey=0;IngestionEndpoint=https://example.com/",
        "broadcastIntervalSeconds": "1",
        "maximumBroadcastsPerDay": "",
        "hereSeconds": "300",
        "contentSecurityPolicy": "",
        "maxFileMB": "100",
        "title": "",
        "rooms": "",
        "join(allowedOrigins, ' ')": "https://www.example.com https://blog.example.com",
    }
    evaluated = {}
    for name, text in DEPLOYED.items():
        inserted = re.sub(r"\$\{([\w.]+)\}", lambda found: values[found[1]], text)
        evaluated[name] = values.get(text, inserted.strip("'"))
    return evaluated


def test_deployed_settings_contain_no_key() -> None:
    values = deployed_values()
    assert re.fullmatch(
        r"Endpoint=https://[\w.-]+;AuthType=azure\.msi;ClientId=[\w-]+;Version=1\.0;",
        values["AzureSignalRConnectionString"],
    )
    for connection in ("TableConnectionString", "BlobHost", "AzureWebJobsStorage"):
        assert values[f"{connection}__credential"] == "managedidentity"
        assert values[f"{connection}__clientId"]
    assert [value for value in values.values() if "Key=" in value and "InstrumentationKey=" not in value] == []


def test_host_gets_the_name_and_the_url_of_its_account() -> None:
    """Its parts disagree about which of them they read."""
    values = deployed_values()
    name, url = values["AzureWebJobsStorage__accountName"], values["AzureWebJobsStorage__blobServiceUri"]
    assert url == f"https://{name}.blob.core.windows.net"


def test_app_accepts_the_deployed_settings() -> None:
    settings = Settings.from_environment(deployed_values())
    assert settings.blob_url == "https://stdataabc.blob.core.windows.net"
    assert settings.signalr.endpoint == "https://signalr-abc.service.signalr.net"
    assert settings.maximum_broadcasts is None
    assert settings.content_security_policy is None
    assert settings.allowed_origins.listed == ("https://www.example.com", "https://blog.example.com")


def test_parameters_are_documented_with_defaults() -> None:
    assert documented("Parameters of the infrastructure") == MAIN.params.keys()
    text = (REPOSITORY / "infra/main.bicep").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `?([\w.]+)`? \|", SETTINGS_DOCUMENT.split("## Parameters")[1], re.MULTILINE)
    for name, default in rows:
        if default == "none":
            assert re.search(rf"^param {name} \w+ = (''|\[\])$", text, re.MULTILINE), name
        else:
            assert re.search(rf"^param {name} \w+ = '?{re.escape(default)}'?$", text, re.MULTILINE), name
    assert len(rows) >= len([name for name, has_default in MAIN.params.items() if has_default])


def test_documented_roles_are_the_assigned_ones() -> None:
    text = (REPOSITORY / "docs/security.md").read_text(encoding="utf-8")
    section = text.split("## Roles\n")[1].split("\n## ")[0]
    roles = re.findall(r"^\| (The app's identity|The publisher) \| ([\w ]+) \|", section, re.MULTILINE)
    infra = "".join(path.read_text() for path in FILES)
    assigned = re.findall(r"principalId: (\w+)PrincipalId\n.*?roles\.(\w+)\)", infra, re.DOTALL)
    names = {"app": "The app's identity", "publisher": "The publisher"}
    assert {(who, role.replace(" ", "").lower()) for who, role in roles} == {
        (names[who], role.lower()) for who, role in assigned
    }
    assert len(roles) == len(assigned)
