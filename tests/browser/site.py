"""The running app as its callers see it."""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt
import requests

from local.emulators.signalr.tokens import DEVELOPMENT_KEY
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
