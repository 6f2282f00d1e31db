"""The real services that tests use: Azurite, the SignalR emulator, the app under the Functions host stand-in.

One Azurite serves the whole run, with a storage account for each test; all other processes are the test's own.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import hypothesis
import pytest

from local import REPOSITORY
from local.emulators.azurite import Account, Azurite
from local.environment.services import settings_for, signalr_emulator
from tests.support.ports import started_at_a_free_port
from tests.support.running_host import RunningHost, write_app

_ACCOUNTS = [f"account{number}" for number in range(1000)]

# A shell makes its background jobs ignore SIGINT, and the processes that tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that fixtures stop what they started

# The same examples in each run, and no failure because the machine is slow.
hypothesis.settings.register_profile(
    "tests", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    """An Azurite with many accounts."""
    azurite = Azurite(tmp_path_factory.mktemp("azurite"), accounts=_ACCOUNTS)
    try:
        azurite.wait_until_ready()
        yield azurite
    finally:
        azurite.stop()


@pytest.fixture(scope="session")
def unused_accounts() -> Iterator[str]:
    """Names of accounts that no test has had yet."""
    return iter(_ACCOUNTS)


@pytest.fixture
def account(azurite: Azurite, unused_accounts: Iterator[str]) -> Account:
    """A storage account of the test's own, with the app's table in it, and no content."""
    account = azurite.account(next(unused_accounts))
    account.create_table()
    return account


class SignalR:
    """A SignalR emulator, which can be stopped, and started again at the same port."""

    def __init__(self) -> None:
        self._process, self.url = started_at_a_free_port(signalr_emulator)

    def stop(self) -> None:
        self._process.stop()

    def start(self) -> None:
        self._process = signalr_emulator(urlsplit(self.url).port or 0)
        self._process.wait_until_ready()


@pytest.fixture
def signalr() -> Iterator[SignalR]:
    """A SignalR emulator of the test's own."""
    signalr = SignalR()
    yield signalr
    signalr.stop()


@pytest.fixture
def settings(account: Account, signalr: SignalR) -> dict[str, str]:
    """The app's settings for the test's own storage account and SignalR emulator."""
    return settings_for(account, signalr.url)


class StartApp(Protocol):
    def __call__(self, settings: Mapping[str, str], workers: int = 1, setup: str | None = None) -> RunningHost: ...


@pytest.fixture
def start_app(tmp_path: Path) -> Iterator[StartApp]:
    """Start the app under the Functions host, after statements that change parts of it if some are given.

    It is stopped when the test ends.
    """
    with ExitStack() as stack:

        def start(settings: Mapping[str, str], workers: int = 1, setup: str | None = None) -> RunningHost:
            folder = REPOSITORY
            if setup is not None:
                folder = tmp_path
                app = f'import runpy; app = runpy.run_path({str(REPOSITORY / "function_app.py")!r})["app"]'
                write_app(folder, f"{setup}\n{app}\n")
            host = RunningHost(folder, "--port", "0", "--workers", str(workers), environment=settings)
            stack.callback(host.close)
            return host

        yield start


@pytest.fixture
def app(settings: Mapping[str, str], start_app: StartApp) -> RunningHost:
    """The app, one worker, on the test's own storage account (no content in it) and SignalR emulator."""
    return start_app(settings)
