"""A WebKitGTK, the engine of Safari, controlled by WebDriver: Playwright controls only a WebKit of its own build."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from tests.support import TEST_TIMEOUT
from tests.support.ports import free_ports

PROGRAMS = ("WebKitWebDriver", "Xvfb")
HELP = "On Debian, `apt-get install webkit2gtk-driver xvfb` installs it."


class WebKit:
    """A window of the browser."""

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        self._post("url", url=url)

    def reload(self) -> None:
        self._post("refresh")

    def go(self, steps: int) -> None:
        """Go back or forward in the history."""
        for _ in range(abs(steps)):
            self._post("back" if steps < 0 else "forward")

    def evaluate(self, expression: str) -> Any:
        return self._post("execute/sync", script=f"return {expression}", args=[])

    def attribute(self, test_id: str, name: str) -> str | None:
        """An attribute `data-…` of an element; None if the page has no such element."""
        value: str | None = self.evaluate(f"document.querySelector('[data-testid={test_id}]')?.dataset.{name}")
        return value

    def expect(self, test_id: str, name: str, value: str) -> None:
        """Wait until an element has an attribute `data-…`. Raises AssertionError after 30 seconds."""
        until(
            lambda: self.attribute(test_id, name) == value,
            lambda: f"{test_id}: data-{name} is {self.attribute(test_id, name)}, not {value}, at {self._page()}",
        )

    def _page(self) -> str:
        """The page's address and what it shows, for messages."""
        return "\n".join(self.evaluate("[location.href, document.body.innerText]"))

    def _post(self, command: str, **parameters: object) -> Any:
        response = requests.post(f"{self._session}/{command}", json=parameters, timeout=TEST_TIMEOUT)
        response.raise_for_status()
        return response.json()["value"]


@contextmanager
def running_webkit() -> Iterator[WebKit]:
    """A window with a profile of its own, on a screen in memory."""
    screen = subprocess.Popen(["Xvfb", "-displayfd", "1", "-nolisten", "tcp"], stdout=subprocess.PIPE, text=True)
    assert screen.stdout
    settings = {
        "DISPLAY": f":{screen.stdout.readline().strip()}",
        "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1",  # it needs namespaces, which containers lack
    }
    (port,) = free_ports(1)
    driver = subprocess.Popen(["WebKitWebDriver", f"--port={port}"], env=os.environ | settings)
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _is_ready(address), lambda: "WebKitWebDriver does not answer")
        response = requests.post(f"{address}/session", json={"capabilities": {}}, timeout=TEST_TIMEOUT)
        session = f"{address}/session/{response.json()['value']['sessionId']}"
        yield WebKit(session)
        requests.delete(session, timeout=TEST_TIMEOUT)
    finally:
        for process in (driver, screen):
            process.terminate()
            process.wait()
        screen.stdout.close()


def is_installed() -> bool:
    return all(map(shutil.which, PROGRAMS))


def until(condition: Callable[[], bool], explain: Callable[[], str]) -> None:
    """Wait until a condition holds. Raises AssertionError with an explanation after 30 seconds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.05)


def _is_ready(address: str) -> bool:
    try:
        return bool(requests.get(f"{address}/status", timeout=TEST_TIMEOUT).json()["value"]["ready"])
    except requests.ConnectionError:
        return False
