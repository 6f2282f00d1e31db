"""The real parts that tests run against: Azurite, the SignalR emulator, the app under the Functions host stand-in.

One Azurite serves the whole run; a test has a storage account of its own in it, and processes of its own else.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import hypothesis
import pytest

from local.emulators.azurite import Account, Azurite
from local.environment.services import functions_host, settings_for, signalr_emulator
from local.processes.child import Child

from .ports import started_at_a_free_port

_ACCOUNTS = [f"account{number}" for number in range(1000)]

# A shell makes what it starts in the background ignore Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples each time, and a busy machine is no defect.
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


@dataclass(frozen=True, slots=True)
class SignalR:
    """A running SignalR emulator."""

    process: Child
    url: str


@pytest.fixture
def signalr() -> Iterator[SignalR]:
    """A SignalR emulator of the test's own, at a port where another one can follow it."""
    process, url = started_at_a_free_port(signalr_emulator)
    try:
        yield SignalR(process, url)
    finally:
        process.stop()


@pytest.fixture
def settings(account: Account, signalr: SignalR) -> dict[str, str]:
    """The app's settings for the test's own storage account and SignalR emulator."""
    return settings_for(account, signalr.url)


@dataclass(frozen=True, slots=True)
class RunningApp:
    """The app under the Functions host; `url` is without a trailing slash."""

    host: Child
    url: str


StartApp = Callable[..., RunningApp]


@pytest.fixture
def start_app() -> Iterator[StartApp]:
    """Start the app with given settings (and workers); stopped when the test ends."""
    with ExitStack() as stack:

        def start(settings: Mapping[str, str], workers: int = 1) -> RunningApp:
            host = functions_host(settings, workers=workers)
            stack.callback(host.stop)
            (url,) = host.wait_until_ready()
            return RunningApp(host, url)

        yield start


@pytest.fixture
def app(settings: Mapping[str, str], start_app: StartApp) -> RunningApp:
    """The app, one worker, on the test's own storage account (no content in it) and SignalR emulator."""
    return start_app(settings)
