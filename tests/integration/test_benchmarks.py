"""Every measurement of the benchmark works, at its smallest scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableClient, UpdateMode

from benchmarks.bench import Bench, running_bench
from benchmarks.figures import table
from benchmarks.measures import Plan
from benchmarks.process import Process
from benchmarks.proxy import Tally, counting_proxy
from benchmarks.suite import MEASURES
from local.emulators.azurite import Account
from local.progress import StepFailed
from signin.counting.table import TABLE_NAME

TINY = Plan(
    interval=0.1,
    rounds=1,
    quiet_visits=1,
    burst=100,
    many_earlier_visits=100,
    earlier_visits=(0, 5),
    transactions=2,
    processes=2,
    commits=4,
    warm_up=10,
    lone_visits=1,
    imports=1,
    peak_processes=2,
    idle_processes=1,
    pause=0.1,
    viewers=3,
    broadcasts=1,
    visits_per_second=20,
    load_seconds=1,
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running_bench(tmp_path_factory.mktemp("bench") / "log") as bench:
        yield bench


@pytest.mark.parametrize("title", MEASURES)
def test_measurement_returns_figures(title: str, bench: Bench) -> None:
    figures = MEASURES[title](bench, TINY)
    assert figures
    assert all(figure.measure and figure.value >= 0 for figure in figures), table(figures)


def test_proxy_counts_requests_by_account(account: Account) -> None:
    with counting_proxy(account.table_url) as proxy:
        behind = replace(account, table_url=f"{proxy.url}/{account.name}")
        row = {"PartitionKey": "p", "RowKey": "r"}
        stale = {"mode": UpdateMode.REPLACE, "etag": 'W/"stale"', "match_condition": MatchConditions.IfNotModified}
        with TableClient.from_connection_string(behind.connection_string, TABLE_NAME) as client:
            client.submit_transaction([("create", row)])
            client.get_entity("p", "r")
            for operation in (("create", row), ("update", row, stale)):
                with pytest.raises(HttpResponseError):
                    client.submit_transaction([operation])
        assert proxy.take(account.name) == Tally(requests=4, commits=3, conflicts=2)
        assert proxy.take(account.name) == Tally()


def test_failed_load_raises_its_reason() -> None:
    process = Process({})
    try:
        with pytest.raises(StepFailed, match=r"^int failed: ValueError: "):
            process.run(int, "three")
        assert process.run(int, "3") == 3
    finally:
        process.stop()
