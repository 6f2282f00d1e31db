"""The test bench: fresh storage accounts, a counting proxy, a SignalR emulator, processes of the app."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.loads import ROOMS
from benchmarks.process import Process
from benchmarks.proxy import CountingProxy, counting_proxy
from local.emulators.azurite import Account, Azurite
from local.environment.services import settings_for, signalr_emulator
from local.processes.limits import allow_connections

_CONNECTIONS = 2_000
_ACCOUNTS = [f"account{number}" for number in range(100)]


@dataclass(frozen=True, slots=True)
class Bench:
    """Running services, as the measurements use them."""

    azurite: Azurite
    proxy: CountingProxy
    signalr_url: str
    unused_accounts: Iterator[str]

    def account(self) -> Account:
        """A fresh storage account with the app's table in it."""
        account = self.azurite.account(next(self.unused_accounts))
        account.create_table()
        return account

    def behind_proxy(self, account: Account) -> Account:
        """The same account behind the proxy."""
        return replace(account, table_url=f"{self.proxy.url}/{account.name}")

    def settings(self, account: Account, broadcast_interval: float = 1.0) -> dict[str, str]:
        """The app's settings for an account; the interval is in seconds."""
        return settings_for(account, self.signalr_url) | {
            "BroadcastIntervalSeconds": str(broadcast_interval),
            "Rooms": ";".join(ROOMS),  # a room costs nothing until it has a visit
        }

    @contextmanager
    def processes(self, count: int, account: Account, broadcast_interval: float = 1.0) -> Iterator[list[Process]]:
        """Run `count` processes of the app on an account while the context lasts."""
        with ExitStack() as stack:
            settings = self.settings(account, broadcast_interval)
            processes = [Process(settings) for _ in range(count)]
            for process in processes:
                stack.callback(process.stop)
            yield processes

    @contextmanager
    def process(self, account: Account, broadcast_interval: float = 1.0) -> Iterator[Process]:
        """Run a process of the app on an account while the context lasts."""
        with self.processes(1, account, broadcast_interval) as (process,):
            yield process


@contextmanager
def running_bench(log: Path) -> Iterator[Bench]:
    """Run a bench while the context lasts. The logs of its processes go to a file. Raises StepFailed."""
    allow_connections(_CONNECTIONS)
    with ExitStack() as stack:
        stack.enter_context(_standard_error_to(log))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="signin-"))
        azurite = Azurite(Path(folder), accounts=_ACCOUNTS)
        stack.callback(azurite.stop)
        signalr = signalr_emulator()
        stack.callback(signalr.stop)
        (signalr_url,) = signalr.wait_until_ready()
        proxy = stack.enter_context(counting_proxy(azurite.account().table_url))
        yield Bench(azurite, proxy, signalr_url, iter(_ACCOUNTS))


@contextmanager
def _standard_error_to(path: Path) -> Iterator[None]:
    """Redirect standard error of this process and its children to a file."""
    path.parent.mkdir(exist_ok=True)
    sys.stderr.flush()
    ours = os.dup(2)
    try:
        with path.open("wb") as file:
            os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(ours, 2)
        os.close(ours)
