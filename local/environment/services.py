"""The processes of a local environment (Azurite, SignalR emulator, Functions host) and the app's settings for them."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError

from local.emulators.azurite import Account, Azurite
from local.emulators.signalr.tokens import DEVELOPMENT_KEY
from local.environment.data import DataFolder, data_folder
from local.environment.ports import Ports
from local.processes.child import Child, OnEnd
from local.progress import StepFailed, step
from local.publishing.publisher import Publisher

_ALLOWED_ORIGINS = "AllowedOrigins"  # a setting of the app, which gets the environment of dev.py


@dataclass(frozen=True, slots=True)
class Services:
    """Running services: the app's settings for them, the publisher of the content, and Azurite's data."""

    settings: Mapping[str, str]
    publisher: Publisher
    data: DataFolder


@contextmanager
def services(ports: Ports, *, fresh: bool = False, lan: str = "", on_end: OnEnd | None = None) -> Iterator[Services]:
    """Run Azurite and the SignalR emulator, and create the table, the container and the content.

    Data persists in a folder per table port; `fresh` deletes it first. With `lan`, an address of this machine, phones
    in its network reach the SignalR emulator. Raises StepFailed, also at the end if Azurite could not save the data,
    and OSError if the folder cannot be used.
    """
    # The development key is public, and it lets its owner send anything to the open pages.
    access_key = secrets.token_hex(32) if lan else DEVELOPMENT_KEY
    with ExitStack() as stack:
        with step("Azurite, SignalR emulator"):
            data = stack.enter_context(data_folder(ports.table, fresh=fresh))
            stack.callback(_check_saved, data)
            azurite = Azurite(
                data.path, blob_port=ports.blob, queue_port=ports.queue, table_port=ports.table, on_end=on_end
            )
            stack.callback(azurite.stop)
            signalr = signalr_emulator(
                ports.signalr, on_end, access_key=access_key, lan=lan, allowed_origins=allowed_origins(ports.app, lan)
            )
            stack.callback(signalr.stop)
            account = azurite.account()
            (signalr_url,) = signalr.wait_until_ready()
        with step("Table, container, content"):
            try:
                account.create_table()
                publisher = account.publish()
            except AzureError as error:  # such as a blob whose file was cut short, or a disk that is full now
                reason = str(error).splitlines()[0]
                raise StepFailed(
                    f"{data.path}: Azurite cannot use its data ({reason}). Free some space if the disk is full; "
                    "otherwise start with --fresh, which deletes the visits of earlier runs."
                ) from error
            stack.callback(publisher.close)
        client_url = f"http://{lan}:{urlsplit(signalr_url).port}" if lan else ""
        yield Services(settings_for(account, signalr_url, access_key, client_url), publisher, data)


def _check_saved(data: DataFolder) -> None:
    if error := data.save_error(is_stopped=True):
        raise StepFailed(error)


def allowed_origins(app_port: int, lan: str = "") -> Sequence[str]:
    """The origins whose pages SignalR lets negotiate, as in infra/main.bicep: the app's own and those of its setting.

    The list is empty, which allows all, if the setting is `*`, if the app is to take a free port, or with `lan`: phones
    may open the page by a name of this machine, such as laptop.local.
    """
    listed = os.environ.get(_ALLOWED_ORIGINS, "").replace(",", " ").split()
    if app_port == 0 or lan or "*" in listed:
        return ()
    return [*(f"http://{host}:{app_port}" for host in ("127.0.0.1", "localhost")), *listed]


def signalr_emulator(
    port: int = 0,
    on_end: OnEnd | None = None,
    *,
    trusted_token: str = "",
    access_key: str = DEVELOPMENT_KEY,
    lan: str = "",
    allowed_origins: Sequence[str] = (),
) -> Child:
    """Start the SignalR emulator; port 0 takes a free one. It accepts the trusted token as a managed identity's.

    Pages of the allowed origins may negotiate, or all pages if the list is empty.
    """
    command = [sys.executable, "-m", "local.emulators.signalr", "--port", str(port), "--access-key", access_key]
    if lan:
        command += ["--lan", lan]
    for origin in allowed_origins:
        command += ["--allowed-origin", origin]
    if trusted_token:
        command += ["--trust-identity-token", trusted_token]
    return Child("The SignalR emulator", command, on_end=on_end)


def settings_for(
    account: Account, signalr_url: str, access_key: str = DEVELOPMENT_KEY, client_url: str = ""
) -> dict[str, str]:
    """The settings of local.settings.json.example, with the addresses of these services.

    `client_url` is the address of the SignalR emulator for browsers, if it is not `signalr_url`.
    """
    client_endpoint = f"ClientEndpoint={client_url};" if client_url else ""
    return {
        "TableConnectionString": account.connection_string,
        "BlobHost": account.blob_url,
        "AzureSignalRConnectionString": f"Endpoint={signalr_url};{client_endpoint}AccessKey={access_key};Version=1.0;",
    }


def functions_host(
    settings: Mapping[str, str], port: int = 0, workers: int = 1, on_end: OnEnd | None = None, lan: str = ""
) -> Child:
    """Start the app under the Functions host stand-in; port 0 takes a free one. Phones reach it at `lan`, if given."""
    command = [sys.executable, "-m", "local.emulators.functions", "--port", str(port), "--workers", str(workers)]
    if lan:
        command += ["--lan", lan]
    return Child("The Functions host", command, environment={**os.environ, **settings}, on_end=on_end)
