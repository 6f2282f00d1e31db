"""The app, with proxies that record its requests to storage, and its log."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from local import REPOSITORY
from local.emulators.azurite import Account, Azurite
from local.environment.services import settings_for, signalr_emulator
from tests.support.proxy import Proxy
from tests.support.running_host import Reply, RunningHost
from tests.support.web_server import Response


@dataclass(slots=True)
class Site:
    """The app in one worker, with its content published; `table` and `blob` are the proxies before storage."""

    host: RunningHost
    account: Account
    table: Proxy
    blob: Proxy
    _ends: Iterator[int] = field(default_factory=itertools.count)
    _seen: int = 0

    @property
    def url(self) -> str:
        return self.host.url

    def request(self, target: str, method: str = "GET", **options: Any) -> Reply:
        return self.host.request(target, method=method, **options)

    def statistics(self) -> Any:
        """The response of `/stats`, apart from the history, which changes with time."""
        reply = self.request("/stats")
        assert reply.status == 200, reply.body
        return {name: value for name, value in json.loads(reply.body).items() if name != "history"}

    def total(self) -> int:
        return int(self.statistics()["totalNumber"])

    def logged(self) -> list[str]:
        """The lines that the app has logged since the last call.

        They are complete: the app is made to log two more lines, that Blob Storage fails and that it works again,
        which are left out.
        """
        end = f"EndOfLog{next(self._ends)}"
        self.blob.handler = lambda request: Response(503, headers={"x-ms-error-code": end})
        try:
            self.request(f"/{end}")
        finally:
            self.blob.handler = self.blob.forward
        self.request(f"/{end}")
        first, second = self.host.wait_for_log(end), self.host.wait_for_log("served again")
        seen, until = self._seen, self.host.log.index(first)
        self._seen = self.host.log.index(second, until) + 1
        return self.host.log[seen:until]


@pytest.fixture(scope="module")
def site(azurite: Azurite, unused_accounts: Iterator[str]) -> Iterator[Site]:
    """A site that the tests of a module share."""
    account = azurite.account(next(unused_accounts))
    account.create_table()
    account.publish().close()
    with ExitStack() as stack:
        signalr = signalr_emulator()
        stack.callback(signalr.stop)
        table = stack.enter_context(Proxy(account.table_url))
        blob = stack.enter_context(Proxy(account.blob_url))
        proxied = replace(account, table_url=table.url, blob_url=blob.url)
        (signalr_url,) = signalr.wait_until_ready()
        host = RunningHost(REPOSITORY, "--port", "0", environment=settings_for(proxied, signalr_url))
        stack.callback(host.close)
        yield Site(host, account, table, blob)


@pytest.fixture
def table_proxy(account: Account) -> Iterator[Proxy]:
    """A proxy in front of the table service of the test's own account."""
    with Proxy(account.table_url) as proxy:
        yield proxy


@pytest.fixture
def proxied(account: Account, table_proxy: Proxy) -> Account:
    """The test's own account, through `table_proxy`."""
    return replace(account, table_url=table_proxy.url)
