"""`services`: everything but the Functions host, for `func start` with local.settings.json.example."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableServiceClient

from local.emulators.azurite import DEVELOPMENT_ACCOUNT, Account
from local.environment.ports import Ports
from local.environment.services import allowed_origins, settings_for, signalr_emulator
from signin.settings import Settings
from tests.conftest import StartApp
from tests.support import TEST_TIMEOUT
from tests.support.local_environment import ANY_PORTS, get, visit

from .conftest import Start

EXAMPLE: Mapping[str, str] = json.loads(
    (Path(__file__).parents[2] / "local.settings.json.example").read_text(encoding="utf-8")
)["Values"]


def test_example_settings_match_default_ports() -> None:
    ports = Ports()
    account = Account(
        DEVELOPMENT_ACCOUNT,
        blob_url=f"http://127.0.0.1:{ports.blob}/{DEVELOPMENT_ACCOUNT}",
        table_url=f"http://127.0.0.1:{ports.table}/{DEVELOPMENT_ACCOUNT}",
    )
    ours = settings_for(account, f"http://127.0.0.1:{ports.signalr}")
    assert ours.keys() <= EXAMPLE.keys()

    expected, example = Settings.from_environment(ours), Settings.from_environment(EXAMPLE)
    assert example.blob_url == expected.blob_url
    assert table(example) == table(expected)
    assert example.signalr.access_key == expected.signalr.access_key
    assert urlsplit(example.signalr.endpoint).port == ports.signalr


def table(settings: Settings) -> tuple[str, str, str]:
    with TableServiceClient.from_connection_string(settings.table.connection_string) as client:
        assert isinstance(client.credential, AzureNamedKeyCredential)
        return client.url.rstrip("/"), *client.credential.named_key


def test_app_runs_with_printed_settings(start: Start, start_app: StartApp) -> None:
    services = start("services", *ANY_PORTS[1:])
    services.wait_for_line("Ready for `func start`")
    services.wait_for_line("  AzureSignalRConnectionString=")
    values = dict(line.strip().split("=", 1) for line in services.output if line.startswith("  ") and "=" in line)
    assert values.keys() == {"TableConnectionString", "BlobHost", "AzureSignalRConnectionString"}

    # The example's own string contains localhost, like the documentation of the official emulator.
    port = urlsplit(Settings.from_environment(values).signalr.endpoint).port
    signalr = EXAMPLE["AzureSignalRConnectionString"].replace(str(Ports().signalr), str(port))
    app = start_app(values | {"AzureSignalRConnectionString": signalr})
    assert b"<title>" in get(f"{app.url}/")
    assert visit(app.url) == 1
    assert [part["ok"] for part in json.loads(get(f"{app.url}/health")).values()] == [True, True, True]


def test_script_is_published_after_error_is_fixed(start: Start, repository: Path) -> None:
    services = start("services", *ANY_PORTS[1:])
    services.wait_for_line("Ready for `func start`")
    script = repository / "content/scripts/format.js"
    whole = script.read_text(encoding="utf-8")

    script.write_text(f"export function {whole}", encoding="utf-8")
    services.wait_for_line("The page cannot be bundled")
    services.wait_for_line("    scripts/format.js:")
    script.write_text(f"{whole}\nconsole.log('mended');\n", encoding="utf-8")
    services.wait_for_line("Published assets/main-")
    services.wait_for_line("Published index.html")


@pytest.mark.parametrize(
    ("port", "setting", "origins"),
    [
        (7071, "", ["http://127.0.0.1:7071", "http://localhost:7071"]),
        (8080, "https://a.example", ["http://127.0.0.1:8080", "http://localhost:8080", "https://a.example"]),
        (7071, " * ", []),
        (0, "https://a.example, https://b.example", []),
    ],
)
def test_signalr_allows_the_app_and_its_allowed_origins(
    port: int, setting: str, origins: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AllowedOrigins", setting)
    assert list(allowed_origins(port)) == origins
    assert list(allowed_origins(port, lan="192.168.1.5")) == []


def test_emulator_gets_the_allowed_origins() -> None:
    emulator = signalr_emulator(allowed_origins=["https://a.example", "https://b.example"])
    try:
        (url,) = emulator.wait_until_ready()
        for origin, allowed in {"https://b.example": "https://b.example", "https://c.example": None}.items():
            response = requests.post(f"{url}/client/negotiate?hub=a", headers={"Origin": origin}, timeout=TEST_TIMEOUT)
            assert response.headers.get("Access-Control-Allow-Origin") == allowed
    finally:
        emulator.stop()
