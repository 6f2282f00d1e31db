"""The running app as its callers see it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import jwt
import requests

from local.emulators.signalr.tokens import DEVELOPMENT_KEY
from local.environment.services import signalr_emulator
from signin.app import HUB
from signin.live.broadcaster import TARGET
from tests.support import TEST_TIMEOUT
from tests.support.user_agents import FIREFOX_ON_LINUX


@dataclass(frozen=True, slots=True)
class Site:
    """The app and the SignalR service that its pages connect to; urls without a trailing slash."""

    url: str
    signalr_url: str

    def visit(self, user_agent: str = FIREFOX_ON_LINUX) -> None:
        """Sign in like the page's script, without a page."""
        requests.post(f"{self.url}/signin", headers={"User-Agent": user_agent}, timeout=TEST_TIMEOUT).raise_for_status()

    def broadcast(self, *arguments: object) -> None:
        """Send an update without visits to every open page."""
        address = f"{self.signalr_url}/api/v1/hubs/{HUB}"
        token = jwt.encode({"aud": address, "exp": time.time() + 60}, DEVELOPMENT_KEY)
        requests.post(
            address,
            json={"target": TARGET, "arguments": arguments},
            headers={"Authorization": f"Bearer {token}"},
            timeout=TEST_TIMEOUT,
        ).raise_for_status()


@contextmanager
def signalr_emulator_at(url: str) -> Iterator[None]:
    """A SignalR emulator at the port of one that was stopped."""
    emulator = signalr_emulator(urlsplit(url).port or 0)
    try:
        emulator.wait_until_ready()
        yield
    finally:
        emulator.stop()
