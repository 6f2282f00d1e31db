"""`python -m signin audit | repair | adopt | export`, as an operator runs them, against real storage."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal, NamedTuple
from urllib.parse import unquote_plus
from uuid import uuid4

import pytest
from azure.data.tables import TableClient

from local import REPOSITORY
from local.emulators.azurite import DEVELOPMENT_KEY, Account, Azurite
from signin.counting import clock
from signin.counting.rows import ABSENT, ADOPTED
from signin.counting.shards import Shards
from signin.counting.table import MAX_VISITS, TABLE_NAME, VisitTable
from signin.operators.adopt import sample_visits
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from tests.support import TEST_TIMEOUT
from tests.support.proxy import Proxy
from tests.support.running_host import RunningHost
from tests.support.user_agents import EDGE_ON_WINDOWS, FIREFOX_ON_LINUX, SAFARI_ON_IPHONE, by
from tests.support.visitors import make_visits
from tests.support.web_server import CLOSE, Request, Response, nothing_listening

SAMPLE_VISITS = 1500
WRONG_KEY = "d3Jvbmcga2V5"


class Ended(NamedTuple):
    """The result of a command that has ended."""

    exit_code: int
    output: str
    errors: str


class Operator:
    """Runs commands on an account. `start` returns at once, `run` waits for the end."""

    def __init__(self) -> None:
        self._started: list[subprocess.Popen[str]] = []

    def start(self, settings: Account | Mapping[str, str], *arguments: str, errors: int = subprocess.PIPE) -> Command:
        if isinstance(settings, Account):
            settings = {"TableConnectionString": settings.connection_string}
        process = subprocess.Popen(
            [sys.executable, "-m", "signin", *arguments],
            cwd=REPOSITORY,
            env={**{name: value for name, value in os.environ.items() if name != "TableConnectionString"}, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        self._started.append(process)
        return process

    def run(self, settings: Account | Mapping[str, str], *arguments: str) -> Ended:
        return end_of(self.start(settings, *arguments))

    def close(self) -> None:
        for process in self._started:
            with process:
                process.kill()


Command = subprocess.Popen[str]


def end_of(command: Command) -> Ended:
    output, errors = command.communicate(timeout=TEST_TIMEOUT)
    return Ended(command.returncode, output, errors)


@pytest.fixture
def operator() -> Iterator[Operator]:
    operator = Operator()
    try:
        yield operator
    finally:
        operator.close()


@pytest.fixture
def table(account: Account) -> VisitTable:
    return VisitTable.from_connection_string(account.connection_string)


@pytest.fixture
def client(account: Account) -> Iterator[TableClient]:
    """The table, for changes by other tools than the commands."""
    with TableClient.from_connection_string(account.connection_string, TABLE_NAME) as client:
        yield client


def add(table: VisitTable, shard: int, count: int) -> list[Visit]:
    """Commit visits to a shard."""
    added = [
        Visit.now(by((EDGE_ON_WINDOWS, SAFARI_ON_IPHONE, FIREFOX_ON_LINUX)[number % 3])) for number in range(count)
    ]
    commit(table, shard, added)
    return added


def commit(table: VisitTable, shard: int, added: Sequence[Visit]) -> None:
    state = table.read(shard)
    for start in range(0, len(added), MAX_VISITS):
        state = table.commit(shard, state, added[start : start + MAX_VISITS])


def record_in_the_sample(client: TableClient, count: int) -> None:
    """Write rows in the format of the C# sample."""
    platforms = [("Windows 10", "Chrome"), ("Mac OS X", "Safari"), ("iOS", "Mobile Safari")]
    rows = [
        {"PartitionKey": "SignIn", "RowKey": str(uuid4()), "OS": os, "Browser": browser}
        for number in range(count)
        for os, browser in [platforms[number % 3]]
    ]
    for start in range(0, count, 100):
        client.submit_transaction([("create", row) for row in rows[start : start + 100]])


def table_in(output: str) -> list[list[str]]:
    """The cells of the audit's table, without its header."""
    return [line.split() for line in output.split("\n\n")[0].splitlines()[1:]]


def adopted_in(ended: Ended) -> dict[str, int]:
    """The numbers in the output of adopt."""
    assert (ended.exit_code, ended.errors) == (0, "")
    lines = [line.rpartition(" ") for line in ended.output.splitlines()]
    return {name.strip(): int(number.replace(",", "")) for name, _, number in lines}


def assert_consistent(operator: Operator, account: Account, total: int) -> None:
    """The audit finds no problem, and every visit is in the export."""
    audit = operator.run(account, "audit")
    assert audit.exit_code == 0, audit
    assert table_in(audit.output)[-1] == ["total", f"{total:,}", f"{total:,}", "0"]
    export = operator.run(account, "export")
    assert export.exit_code == 0, export
    assert len(export.output.splitlines()) == 1 + total


# Audit


def test_audit_of_consistent_table_succeeds(operator: Operator, account: Account, table: VisitTable) -> None:
    add(table, 0, 1200)
    add(table, 1, 30)
    audit = operator.run(account, "audit")
    assert audit.exit_code == 0
    assert table_in(audit.output) == [
        ["00", "1,200", "1,200", "0"],
        ["01", "30", "30", "0"],
        ["total", "1,230", "1,230", "0"],
    ]
    assert audit.output.endswith("\n\nEvery visit is counted exactly once.\n")
    assert audit.errors == ""


def test_audit_finds_deleted_row(operator: Operator, account: Account, table: VisitTable, client: TableClient) -> None:
    visit = add(table, 0, 5)[0]
    client.delete_entity("00", visit.key)
    audit = operator.run(account, "audit")
    assert audit.exit_code == 1
    assert table_in(audit.output)[0] == ["00", "4", "5", "+1"]
    assert "shard 00, by OS: Windows 1 in rows, 2 in stats row\n" in audit.output
    assert audit.errors == ""


def test_audit_finds_gap_unknown_and_sample_rows(
    operator: Operator, account: Account, table: VisitTable, client: TableClient
) -> None:
    for shard in (0, 2):
        add(table, shard, 3)
    record_in_the_sample(client, 2)
    client.create_entity({"PartitionKey": "a b & c's", "RowKey": "note"})
    audit = operator.run(account, "audit")
    assert audit.exit_code == 1
    assert audit.output.split("\n\n")[1].splitlines() == [
        "shard 01 has no stats row, so the app does not read further; visits that it does not show: 3 (in 02)",
        "visits of the C# sample that are not counted: 2; run `python -m signin adopt` to count them",
        "partition a b & c's does not belong to the app; uncounted rows in it: 1",
    ]


def before_each_page_of(proxy: Proxy, partition: str, happens: Callable[[], object]) -> None:
    """Let something happen whenever rows of a partition are about to be read."""

    def handler(request: Request) -> Response:
        if f"PartitionKey eq '{partition}'" in unquote_plus(request.target):
            happens()
        return proxy.forward(request)

    proxy.handler = handler


def test_audit_finds_no_drift_while_visits_arrive(
    operator: Operator, account: Account, table: VisitTable, proxied: Account, table_proxy: Proxy
) -> None:
    add(table, 0, 1500)
    before_each_page_of(table_proxy, "00", lambda: add(table, 0, 10))
    audit = operator.run(proxied, "audit")
    assert audit.exit_code == 0, audit
    assert table_in(audit.output)[0] == ["00", "1,520", "1,500-1,520", "0"]


def test_audit_finds_drift_while_visits_arrive(
    operator: Operator, table: VisitTable, client: TableClient, proxied: Account, table_proxy: Proxy
) -> None:
    for visit in add(table, 0, 12):
        client.delete_entity("00", visit.key)
    before_each_page_of(table_proxy, "00", lambda: add(table, 0, 10))
    audit = operator.run(proxied, "audit")
    assert audit.exit_code == 1, audit
    assert table_in(audit.output)[0] == ["00", "10", "12-22", "+2"]


async def test_audit_of_app_under_load_finds_no_drift(operator: Operator, account: Account, app: RunningHost) -> None:
    audits: list[Ended] = []

    async def audit() -> None:
        audits.append(await asyncio.to_thread(operator.run, account, "audit"))

    async with asyncio.TaskGroup() as group:
        group.create_task(make_visits([app.url], 300, 30))
        group.create_task(audit())
    assert [audit for audit in audits if audit.exit_code] == []
    assert_consistent(operator, account, 300)


# Repair


def repaired_in(ended: Ended) -> list[list[str]]:
    """The cells of the lines of repaired shards."""
    assert (ended.exit_code, ended.errors) == (0, "")
    return [line.split()[:3] for line in ended.output.splitlines() if line.endswith("repaired")]


def test_repair_mends_every_kind_of_damage(
    operator: Operator, account: Account, table: VisitTable, client: TableClient
) -> None:
    for shard in range(5):
        add(table, shard, 3)
    client.delete_entity("00", next(table.visits(0)).key)
    client.upsert_entity({"PartitionKey": "01", "RowKey": "stats", "ByOS": "{"})
    client.delete_entity("02", "stats")
    for row in list(table.rows("03")):
        client.delete_entity("03", row["RowKey"])
    assert operator.run(account, "audit").exit_code == 2
    assert repaired_in(operator.run(account, "repair")) == [
        ["00", "3", "2"],
        ["01", "none", "3"],
        ["02", "none", "3"],
        ["03", "none", "0"],
    ]
    assert_consistent(operator, account, 11)
    assert repaired_in(operator.run(account, "repair")) == []


@pytest.mark.parametrize("latency", [0.0, 0.02], ids=["next to the table", "far from the table"])
async def test_repair_while_the_app_counts_is_exact(
    operator: Operator,
    account: Account,
    table: VisitTable,
    client: TableClient,
    app: RunningHost,
    proxied: Account,
    table_proxy: Proxy,
    latency: float,
) -> None:
    def slow(request: Request) -> Response:
        time.sleep(latency)
        return table_proxy.forward(request)

    add(table, 0, 2500)
    deleted = [row["RowKey"] for row in table.rows("00")][:700]
    for key in deleted:
        client.delete_entity("00", key)
    table_proxy.handler = slow
    responses = await make_visits([app.url], 20, 10)
    repairing = operator.start(proxied, "repair")
    while repairing.poll() is None:
        responses += await make_visits([app.url], 50, 10)
    [[shard, *_]] = repaired_in(end_of(repairing))
    assert shard == "00"
    assert {response.status for response in responses} == {200}
    responses += await make_visits([app.url], 1, 1)
    total = 1800 + len(responses)
    until = time.monotonic() + TEST_TIMEOUT
    while (shown := json.loads(app.request("/stats").body)["totalNumber"]) != total:
        assert time.monotonic() < until, f"the app shows {shown} visits of {total}"
        await asyncio.sleep(0.1)
    assert_consistent(operator, account, total)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_next_repair_continues_after_a_kill(
    operator: Operator,
    account: Account,
    table: VisitTable,
    client: TableClient,
    proxied: Account,
    table_proxy: Proxy,
    moment: str,
) -> None:
    for shard in range(3):
        add(table, shard, 4)
        client.delete_entity(f"{shard:02}", next(table.visits(shard)).key)
    commands: list[Command] = []
    writes = 0

    def handler(request: Request) -> Response | None:
        nonlocal writes
        writes += request.method == "PUT"
        if writes < 2:
            return table_proxy.forward(request)
        if moment == "after":
            table_proxy.forward(request)
        commands[0].kill()
        commands[0].wait()
        return CLOSE

    table_proxy.handler = handler
    commands.append(operator.start(proxied, "repair"))
    assert end_of(commands[0]).exit_code == -signal.SIGKILL
    left = 1 if moment == "after" else 2
    assert len(repaired_in(operator.run(account, "repair"))) == left
    assert_consistent(operator, account, 9)


def test_wrong_clock_of_a_host_is_corrected(table: VisitTable, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Ahead:
            return cls.fromtimestamp(time.time() + 366 * 86400, tz)

    monkeypatch.setattr(clock, "datetime", Ahead)
    requests: list[Callable[[], object]] = [
        lambda: table.read(0),
        lambda: table.commit(0, ABSENT, [Visit.now()]),
        lambda: list(table.rows("00")),
    ]
    for send in requests:
        table._clock._correction = timedelta()
        send()
        assert abs(table.now() - datetime.now(UTC)) < timedelta(minutes=1)


# Adopt


def test_adopt_counts_every_visit_of_the_sample(
    operator: Operator, account: Account, table: VisitTable, client: TableClient
) -> None:
    record_in_the_sample(client, SAMPLE_VISITS)
    assert operator.run(account, "audit").exit_code == 1
    assert adopted_in(operator.run(account, "adopt")) == {"adopted": 1500, "already adopted": 0, "total": 1500}
    assert table.read(0).statistics.total == 0
    counts = {"OS": {"Windows": 500, "iOS": 500, "macOS": 500}, "Browser": {"Safari": 1000, "Chrome": 500}}
    assert table.read(ADOPTED).statistics.summary() == Statistics.from_counts(1500, counts).summary()
    assert adopted_in(operator.run(account, "adopt")) == {"adopted": 0, "already adopted": 1500, "total": 1500}
    assert_consistent(operator, account, 1500)
    assert sum(1 for _ in client.query_entities("PartitionKey eq 'SignIn'")) == 1500


Moment = Literal["before", "after", "on its way"]


def kill_at(proxy: Proxy, transaction: int, moment: Moment, command: Callable[[], Command]) -> None:
    """Kill a command with SIGKILL at its n-th transaction: before it arrives, before its response does, or in between.

    "on its way": the transaction arrives after the command has ended.
    """
    ahead = transaction

    def handler(request: Request) -> Response | None:
        nonlocal ahead
        if not request.target.endswith("/$batch"):
            return proxy.forward(request)
        ahead -= 1
        if ahead > 0:
            return proxy.forward(request)
        if moment == "after":
            proxy.forward(request)
        command().kill()
        command().wait()
        if moment == "on its way":
            proxy.forward(request)
        return CLOSE

    proxy.handler = handler


def test_adopt_killed_repeatedly_counts_each_visit_once(
    operator: Operator, account: Account, client: TableClient, proxied: Account, table_proxy: Proxy
) -> None:
    record_in_the_sample(client, SAMPLE_VISITS)
    kills: list[tuple[int, Moment]] = [
        (1, "before"),
        (1, "after"),
        (2, "before"),
        (2, "on its way"),
        (3, "after"),
        (1, "on its way"),
        (4, "before"),
    ]
    for transaction, moment in kills:
        commands: list[Command] = []
        started = threading.Event()

        def command(commands: list[Command] = commands, started: threading.Event = started) -> Command:
            assert started.wait(TEST_TIMEOUT)
            return commands[0]

        kill_at(table_proxy, transaction, moment, command)
        commands.append(operator.start(proxied, "adopt"))
        started.set()
        assert end_of(commands[0]).exit_code == -signal.SIGKILL
    committed = 99 * (0 + 1 + 1 + 2 + 3 + 1 + 3)
    assert adopted_in(operator.run(account, "adopt")) == {
        "adopted": SAMPLE_VISITS - committed,
        "already adopted": committed,
        "total": SAMPLE_VISITS,
    }
    assert_consistent(operator, account, SAMPLE_VISITS)


def test_adopt_killed_before_the_touch_is_completed(
    operator: Operator, account: Account, table: VisitTable, client: TableClient, proxied: Account, table_proxy: Proxy
) -> None:
    record_in_the_sample(client, 120)
    add(table, 0, 1)
    process = Shards(table, max_age=0.0)
    for _ in range(2):  # the first reading learns shard 0's ETag, the second finds it unchanged
        process.refresh_if_stale()
    assert process.is_sole_writer
    commands: list[Command] = []

    def handler(request: Request) -> Response | None:
        if request.method == "PATCH":  # the touch is the only row that the command merges
            commands[0].kill()
            commands[0].wait()
            return CLOSE
        return table_proxy.forward(request)

    table_proxy.handler = handler
    commands.append(operator.start(proxied, "adopt"))
    assert end_of(commands[0]).exit_code == -signal.SIGKILL
    process.refresh_if_stale()
    assert process.value().total == 1
    assert adopted_in(operator.run(account, "adopt")) == {"adopted": 0, "already adopted": 120, "total": 120}
    process.refresh_if_stale()
    assert process.value().total == 121


def test_concurrent_adopts_count_each_visit_once(operator: Operator, account: Account, client: TableClient) -> None:
    record_in_the_sample(client, SAMPLE_VISITS)
    both = [adopted_in(end_of(command)) for command in [operator.start(account, "adopt") for _ in range(2)]]
    assert [one["total"] for one in both] == [SAMPLE_VISITS] * 2
    assert sum(one["adopted"] for one in both) == SAMPLE_VISITS
    assert_consistent(operator, account, SAMPLE_VISITS)


@pytest.mark.parametrize("latency", [0.0, 0.05], ids=["next to the table", "far from the table"])
async def test_adopt_does_not_disturb_a_busy_app(
    operator: Operator,
    account: Account,
    client: TableClient,
    app: RunningHost,
    proxied: Account,
    table_proxy: Proxy,
    latency: float,
) -> None:
    def slow(request: Request) -> Response:
        time.sleep(latency)
        return table_proxy.forward(request)

    record_in_the_sample(client, SAMPLE_VISITS)
    table_proxy.handler = slow
    adopting = operator.start(proxied, "adopt")
    responses = []
    while adopting.poll() is None:
        responses += await make_visits([app.url], 100, 10)
    assert adopted_in(end_of(adopting))["adopted"] == SAMPLE_VISITS
    assert {response.status for response in responses} == {200}
    until = time.monotonic() + TEST_TIMEOUT
    while (shown := json.loads(app.request("/stats").body)["totalNumber"]) < SAMPLE_VISITS + len(responses):
        assert time.monotonic() < until, f"the app shows {shown} visits"
        await asyncio.sleep(0.1)
    assert_consistent(operator, account, SAMPLE_VISITS + len(responses))
    audit = operator.run(account, "audit")
    assert [line[0] for line in table_in(audit.output)] == ["00", "adopted", "total"], "the app left shard 0"


def test_next_adopt_counts_rows_added_since(operator: Operator, account: Account, client: TableClient) -> None:
    record_in_the_sample(client, 200)
    operator.run(account, "adopt")
    record_in_the_sample(client, 20)
    assert adopted_in(operator.run(account, "adopt")) == {"adopted": 20, "already adopted": 200, "total": 220}
    assert_consistent(operator, account, 220)


def test_adopt_skips_visits_adopted_by_version_1(
    operator: Operator, account: Account, table: VisitTable, client: TableClient
) -> None:
    record_in_the_sample(client, 300)
    half = [visit for visit, _ in sample_visits([table])][::2]
    commit(table, 0, [replace(visit, key=f"0-SignIn-{visit.key}") for visit in half])
    add(table, 0, 5)
    assert adopted_in(operator.run(account, "adopt")) == {"adopted": 150, "already adopted": 150, "total": 300}
    assert table.read(0).statistics.total == 155
    assert_consistent(operator, account, 305)


# Export


def test_export_is_csv_with_line_per_visit(
    operator: Operator, account: Account, table: VisitTable, client: TableClient
) -> None:
    added = add(table, 0, 3) + add(table, 1, 2)
    export = operator.run(account, "export")
    assert (export.exit_code, export.errors) == (0, "")
    lines = list(csv.reader(export.output.splitlines()))
    assert lines[0][:4] == ["time", "os", "browser", "device"]
    assert sorted(lines[1:]) == sorted(
        [
            f"{visit.at:%Y-%m-%dT%H:%M:%S}.{visit.at.microsecond // 1000:03}Z",
            *visit.labels.values(),
        ]
        for visit in added
    )


def test_export_into_closed_pipe_ends_silently(operator: Operator, account: Account, table: VisitTable) -> None:
    add(table, 0, 4000)
    export = operator.start(account, "export")
    assert export.stdout is not None
    assert export.stdout.readline().startswith("time,os,browser,device")
    export.stdout.close()
    assert export.stderr is not None
    assert export.stderr.read() == ""
    assert export.wait(TEST_TIMEOUT) == 141, "128 + SIGPIPE, as shells report it"


def test_export_reports_skipped_rows(
    operator: Operator, account: Account, table: VisitTable, client: TableClient
) -> None:
    add(table, 0, 1)
    client.create_entity({"PartitionKey": "00", "RowKey": "0note"})
    export = operator.run(account, "export")
    assert (export.exit_code, export.output.count("\n")) == (1, 2)
    assert export.errors == (
        "export: rows skipped because they are not visits: 1; run `python -m signin audit` to list them\n"
    )


# All of them

COMMANDS = ["audit", "adopt", "export"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_settings(operator: Operator, command: str) -> None:
    shown = operator.run({}, command, "--help")
    assert (shown.exit_code, shown.errors) == (0, "")
    assert f"usage: python -m signin {command}" in shown.output
    assert "Exit code 2" in shown.output


def test_help_names_commands_and_setting(operator: Operator) -> None:
    shown = operator.run({}, "--help")
    assert shown.exit_code == 0
    assert [name for name in [*COMMANDS, "TableConnectionString"] if name not in shown.output] == []


def assert_error(ended: Ended, message: str) -> None:
    assert (ended.exit_code, ended.output) == (2, "")
    assert message in ended.errors
    assert ended.errors.count("\n") == 1, f"more than one line: {ended.errors}"
    assert DEVELOPMENT_KEY not in ended.errors
    assert WRONG_KEY not in ended.errors


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "TableConnectionString is not set"),
        (f"AccountKey={WRONG_KEY}", "TableConnectionString is malformed: it is not the connection string of a storage"),
    ],
)
def test_malformed_setting_is_one_line(operator: Operator, value: str, message: str) -> None:
    assert_error(operator.run({"TableConnectionString": value}, "audit"), message)


def test_missing_setting_is_one_line(operator: Operator) -> None:
    assert_error(operator.run({}, "export"), "export: TableConnectionString is not set: set it in the environment")


def test_wrong_key_is_one_line(operator: Operator, account: Account) -> None:
    connection_string = account.connection_string.replace(DEVELOPMENT_KEY, WRONG_KEY)
    ended = operator.run({"TableConnectionString": connection_string}, "adopt")
    assert_error(ended, "check the key in TableConnectionString")


def test_unreachable_storage_is_one_line_without_csv_header(operator: Operator, account: Account) -> None:
    with nothing_listening() as url:
        ended = operator.run(replace(account, table_url=f"{url}/{account.name}"), "export")
    assert_error(ended, "Table Storage cannot be reached: it accepts no connection; check that it runs")


def test_missing_table_is_one_line(operator: Operator, azurite: Azurite, unused_accounts: Iterator[str]) -> None:
    ended = operator.run(azurite.account(next(unused_accounts)), "audit")
    assert_error(ended, "the table SignInInfo does not exist: create it")


def test_failed_page_is_retried(operator: Operator, table: VisitTable, proxied: Account, table_proxy: Proxy) -> None:
    add(table, 0, 5)
    failures = [Response(503, headers={"Retry-After": "0"}), CLOSE]

    def handler(request: Request) -> Response | None:
        if failures and "eq '00'" in unquote_plus(request.target):
            return failures.pop()
        return table_proxy.forward(request)

    table_proxy.handler = handler
    export = operator.run(proxied, "export")
    assert (export.exit_code, export.errors, export.output.count("\n")) == (0, "", 6)
    assert failures == []


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("audit", "audit: interrupted. Nothing was changed.\n"),
        ("export", "export: interrupted. Nothing was changed.\n"),
        ("adopt", "adopt: interrupted. No visit is lost or counted twice: run it again to continue.\n"),
    ],
)
def test_ctrl_c_ends_command_without_loss(
    operator: Operator,
    account: Account,
    client: TableClient,
    proxied: Account,
    table_proxy: Proxy,
    command: str,
    message: str,
) -> None:
    record_in_the_sample(client, 120)
    is_asked, may_answer = threading.Event(), threading.Event()

    def handler(request: Request) -> Response | None:
        is_asked.set()
        assert may_answer.wait(TEST_TIMEOUT)
        return table_proxy.forward(request)

    table_proxy.handler = handler
    process = operator.start(proxied, command)
    try:
        assert is_asked.wait(TEST_TIMEOUT), "the command sends no request"
        process.send_signal(signal.SIGINT)
        ended = end_of(process)
    finally:
        may_answer.set()
    assert (ended.exit_code, ended.errors) == (130, message)
    assert adopted_in(operator.run(account, "adopt"))["adopted"] == 120
    assert_consistent(operator, account, 120)


@pytest.mark.parametrize(
    ("command", "progress"),
    [
        ("audit", "\r\033[K300 rows of 300 (100%), "),
        ("adopt", "\r\033[K99 rows of 150 (66%), "),
        ("export", "1 rows of"),
    ],
)
def test_terminal_shows_progress_of_command(
    operator: Operator, account: Account, table: VisitTable, client: TableClient, command: str, progress: str
) -> None:
    pty = pytest.importorskip("pty")  # Windows has none
    add(table, 0, 300)
    if command == "adopt":
        record_in_the_sample(client, 150)
    ours, theirs = pty.openpty()
    try:
        process = operator.start(account, command, errors=theirs)
        assert end_of(process).exit_code == 0
        shown = os.read(ours, 4096).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert progress in shown
    assert shown.endswith("\r\033[K"), "the line is not erased at the end"
