"""Several committers on one table of Azurite, with a fault in a third of all requests."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace

import pytest

from local.emulators.azurite import Account
from signin.counting import committer as committer_module
from signin.counting import shards as shards_module
from signin.counting import table as table_module
from signin.counting.committer import Committer, NotAcknowledged
from signin.counting.errors import StorageError
from signin.counting.rows import ABSENT
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from signin.visits.visit import Visit
from tests.support.audit import rows_of
from tests.support.faults import FAULTS, FaultyProxy
from tests.support.user_agents import BROWSERS, by

from .conftest import Report
from .history import History, Shown, Tally

SEED = 20261123
READ_SECONDS = 0.3  # the read timeout; 5 s in the app
LARGEST_BURST = 20


@pytest.fixture
def proxy(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    monkeypatch.setitem(table_module._REQUEST_OPTIONS, "read_timeout", READ_SECONDS)
    with FaultyProxy(account.table_url, SEED) as proxy:
        yield proxy


class Writer:
    """The counting part of a process, which receives visits in bursts."""

    def __init__(self, number: int, account: Account, history: History) -> None:
        table = VisitTable.from_connection_string(account.connection_string)
        self._number = number
        self._history = history
        self._chance = random.Random(number)
        self.shards = Shards(table, max_age=1.0)
        self.committer = Committer(table, self.shards, on_commit=lambda: None)
        self.committer.start()

    def submit(self, visits: int) -> None:
        """Submit so many visits, and wait for each burst of them."""
        while visits > 0:
            burst = min(visits, self._chance.randint(1, LARGEST_BURST))
            visits -= burst
            self._submit_burst(burst)

    def _submit_burst(self, burst: int) -> None:
        began = time.monotonic()
        visitors: dict[str, Future[None]] = {}
        for _ in range(burst):
            visit = Visit.now(by(self._chance.choice([*BROWSERS, "curl/8.5.0", ""])))
            self._history.attempt(visit.key)
            visitors[visit.key] = self.committer.submit(visit)
        wait(visitors.values())
        if not self.shards.is_current:
            with suppress(StorageError):
                self.shards.refresh_if_stale()
        total = self.shards.value().total
        ended = time.monotonic()
        for key, done in visitors.items():
            error = done.exception()
            if error is None:
                self._history.outcomes[key] = "acknowledged"
            else:
                assert isinstance(error, NotAcknowledged)
                self._history.outcomes[key] = error.recorded
        is_acknowledged = any(done.exception() is None for done in visitors.values())
        self._history.shown.append(Shown(self._number, began, ended, total, has_own_visit=is_acknowledged))


def run_writers(
    account: Account, proxy: FaultyProxy, report: Report, writers: int, visits: int, *, own_shards: bool = False
) -> Tally:
    """Let each writer submit so many visits, check the table, and return the tally."""
    history = History()
    direct = VisitTable.from_connection_string(account.connection_string)
    proxied = replace(account, table_url=proxy.url)
    all_writers = [Writer(number, proxied, history) for number in range(writers)]
    if own_shards:
        for number, writer in enumerate(all_writers):
            direct.open_shard(number, ABSENT)
            writer.shards._own = number
    with ThreadPoolExecutor(writers) as pool:
        for done in [pool.submit(writer.submit, visits) for writer in all_writers]:
            done.result()
    for writer in all_writers:
        writer.committer.close(timeout=30)
    proxy.deliver_late()
    tally = history.check(direct, rows_of(account))
    report(f"{tally}; {proxy}")
    return tally


def test_faults_on_separate_shards_lose_no_visit(account: Account, proxy: FaultyProxy, report: Report) -> None:
    tally = run_writers(account, proxy, report, writers=6, visits=200, own_shards=True)
    assert all(proxy.applied[fault.__name__] for fault in FAULTS), f"some faults were not applied: {proxy.applied}"
    assert tally.acknowledged > tally.attempted / 2, f"too many visits failed: {tally}"


def test_faults_on_one_shard_lose_no_visit(
    account: Account, proxy: FaultyProxy, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards_module, "CROWDED", 10**9)
    tally = run_writers(account, proxy, report, writers=4, visits=100)
    assert tally.shards == 1
    assert tally.acknowledged > 0


def test_faults_while_shards_open_lose_no_visit(account: Account, proxy: FaultyProxy, report: Report) -> None:
    tally = run_writers(account, proxy, report, writers=6, visits=150)
    assert tally.shards > 1
    assert tally.acknowledged > tally.attempted / 2, f"too many visits failed: {tally}"


def test_committers_that_give_up_early_lose_no_visit(
    account: Account, proxy: FaultyProxy, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "COMMIT_SECONDS", 0.0)
    tally = run_writers(account, proxy, report, writers=4, visits=200)
    assert 0 < tally.landed < tally.unknown, (
        f"of the visits that were given up, some are counted and some are not: {tally}"
    )
