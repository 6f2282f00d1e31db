"""Azurite, the emulator of Azure Storage, and its storage accounts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from azure.data.tables import TableServiceClient

from local import REPOSITORY
from local.node import NODE, install_packages
from local.processes.child import Child, OnEnd
from local.publishing.publisher import Publisher
from signin.counting.table import TABLE_NAME

_FOLDER = Path(__file__).parent

DEVELOPMENT_ACCOUNT = "devstoreaccount1"
# The key of every Azure Storage emulator, published in its documentation.
DEVELOPMENT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def install() -> None:
    """Install Azurite, unless it is there already. Raises StepFailed."""
    install_packages(_FOLDER, "Azurite")


@dataclass(frozen=True, slots=True)
class Account:
    """A storage account in Azurite."""

    name: str
    blob_url: str
    table_url: str

    @property
    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol={urlsplit(self.table_url).scheme};AccountName={self.name};AccountKey={DEVELOPMENT_KEY};"
            f"BlobEndpoint={self.blob_url};TableEndpoint={self.table_url};"
        )

    def create_table(self) -> None:
        """Create the app's table if it does not exist."""
        with TableServiceClient.from_connection_string(self.connection_string) as service:
            service.create_table_if_not_exists(TABLE_NAME)

    def publish(self) -> Publisher:
        """Create the app's container if it does not exist, and publish the content into it."""
        publisher = Publisher(self.connection_string)
        publisher.publish()
        return publisher


class Azurite(Child):
    """An Azurite process with its data in a folder; port 0 takes a free one. All accounts have the development key.

    With a certificate (PEM, its key in the same file) it serves https and accepts the tokens of identities too.
    """

    def __init__(
        self,
        folder: Path,
        *,
        blob_port: int = 0,
        queue_port: int = 0,
        table_port: int = 0,
        accounts: Sequence[str] = (DEVELOPMENT_ACCOUNT,),
        certificate: Path | None = None,
        on_end: OnEnd | None = None,
    ) -> None:
        super().__init__(
            "Azurite",
            [
                *(NODE, "--require", REPOSITORY / "local/processes/exit_with_parent.cjs"),
                *(_FOLDER / "azurite.cjs", "--location", folder),
                *("--blobPort", str(blob_port), "--queuePort", str(queue_port), "--tablePort", str(table_port)),
                *("--silent", "--disableTelemetry", "--skipApiVersionCheck"),
                *(("--oauth", "basic", "--cert", certificate, "--key", certificate) if certificate else ()),
            ],
            environment=os.environ
            | {"AZURITE_ACCOUNTS": ";".join(f"{account}:{DEVELOPMENT_KEY}" for account in accounts)},
            addresses=3,
            on_end=on_end,
        )

    def account(self, name: str = DEVELOPMENT_ACCOUNT) -> Account:
        """Wait until Azurite is ready and return one of its accounts. Raises StepFailed if it does not start."""
        blob, _, table = self.wait_until_ready()
        return Account(name, f"{blob}/{name}", f"{table}/{name}")
