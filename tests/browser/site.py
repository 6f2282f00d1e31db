"""The running app as its callers see it, and what it has recorded."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import jwt
import requests
from azure.data.tables import TableClient

from local.emulators.azurite import Account
from local.emulators.signalr.tokens import DEVELOPMENT_KEY
from local.environment.services import signalr_emulator
from signin.app import HUB
from signin.counting.table import STATISTICS_KEY, TABLE_NAME
from signin.live.broadcaster import TARGET
from signin.live.lease import LEASE_PARTITION
from signin.visits.statistics import Statistics

from .user_agents import FIREFOX_ON_LINUX


@dataclass(frozen=True, slots=True)
class Site:
    """The app and the SignalR service that its pages connect to; urls without a trailing slash."""

    url: str
    signalr_url: str

    def visit(self, user_agent: str = FIREFOX_ON_LINUX) -> None:
        """Be counted as the page's script is, without a page."""
        requests.post(f"{self.url}/signin", headers={"User-Agent": user_agent}, timeout=30).raise_for_status()

    def broadcast(self, *arguments: object) -> None:
        """Send every open page an update that no visits are behind."""
        address = f"{self.signalr_url}/api/v1/hubs/{HUB}"
        token = jwt.encode({"aud": address, "exp": time.time() + 60}, DEVELOPMENT_KEY)
        requests.post(
            address,
            json={"target": TARGET, "arguments": arguments},
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        ).raise_for_status()


def recorded(account: Account) -> Statistics:
    """What the visits in the table add up to; the stats rows must say the same."""
    with TableClient.from_connection_string(account.connection_string, TABLE_NAME) as table:
        rows = [row for row in table.list_entities() if row["PartitionKey"] != LEASE_PARTITION]
    visits = [row for row in rows if row["RowKey"] != STATISTICS_KEY]
    shards = [row for row in rows if row["RowKey"] == STATISTICS_KEY]
    counted = Statistics(
        total=len(visits),
        by_os=Counter(visit["OS"] for visit in visits),
        by_browser=Counter(visit["Browser"] for visit in visits),
        by_device=Counter(visit["Device"] for visit in visits),
    )
    claimed = sum(
        (
            Statistics(row["Total"].value, *(json.loads(row[name]) for name in ("ByOS", "ByBrowser", "ByDevice")))
            for row in shards
        ),
        start=Statistics(),
    )
    assert claimed.summary() == counted.summary(), f"The stats rows say {claimed}, the visits are {counted}."
    return counted


@contextmanager
def signalr_emulator_at(url: str) -> Iterator[None]:
    """A SignalR emulator at the port where another one has been."""
    emulator = signalr_emulator(urlsplit(url).port or 0)
    try:
        emulator.wait_until_ready()
        yield
    finally:
        emulator.stop()
