"""The queries of the documents find the app's log lines, as the Functions host passes them to Application Insights.

A small part of the Kusto Query Language is enough to evaluate their conditions here.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import azure.functions as func
import pytest

from signin.responses import errors_as_responses
from signin.settings import SettingsError
from signin.telemetry.metrics import Duration, Event, Metrics
from signin.telemetry.outage import Outage
from tests.support.function_app import load

from .logs import WorkerHandler, in_a_thread

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = (REPOSITORY / "docs/operations.md").read_text(encoding="utf-8")
FUNCTIONS = [str(function.get_function_name()) for function in load().app.get_functions()]
CONSOLE = "Host.Function.Console"

# The columns of Application Insights that the queries may use.
COLUMNS = {
    "traces": {"timestamp", "message", "severityLevel", "operation_Id", "customDimensions"},
    "requests": {"timestamp", "name", "resultCode", "success", "duration", "operation_Id", "customDimensions"},
}
LANGUAGE = {
    *("and", "bin", "by", "count", "desc", "endswith", "extend", "extract", "false", "join", "kind", "leftouter"),
    *("max", "on", "or", "order", "parse_json", "project", "requests", "startswith", "sum", "summarize", "todouble"),
    *("toint", "tolong", "tostring", "traces", "where"),
}

Row = Mapping[str, Any]
COMPARISON = re.compile(r'(?:\w+\()?(\w+)\)? (==|>=|startswith|endswith) (?:"([^"]*)"|(\d+)|false)')


DOCUMENTS = [path.read_text(encoding="utf-8") for path in sorted(REPOSITORY.glob("docs/*.md"))]

# The queries of the documents by title, the line above each.
QUERIES = dict(re.findall(r"^([^\n]*):\n\n```kusto\n(.*?)^```", "\n".join(DOCUMENTS), re.MULTILINE | re.DOTALL))
METRICS, ERRORS, FAILED_REQUESTS = QUERIES.values()


def meets(comparison: str, row: Row) -> bool:
    found = COMPARISON.fullmatch(comparison.strip())
    assert found, comparison
    field, operator, text, number = found.groups()
    value = row[field]
    match operator:
        case "==":
            return bool(value == (text or False))
        case ">=":
            return int(value) >= int(number)
        case "startswith":  # this and endswith ignore case
            return str(value).lower().startswith(text.lower())
        case _:
            return str(value).lower().endswith(text.lower())


def selects(query: str, row: Row) -> bool:
    """Whether a row meets all `where` operators of a query."""
    conditions = re.findall(r"\| where (.*)", query)
    assert conditions
    return all(
        any(all(meets(comparison, row) for comparison in part.split(" and ")) for part in condition.split(" or "))
        for condition in conditions
    )


def of_console(line: str, *, on_standard_error: bool) -> Row:
    """The row of a line that a worker prints: the host reads the level from a line on standard error."""
    words = line.lower() if on_standard_error else ""
    severity = 2 if "warn" in words else 3 if "error" in words else 1
    return {"message": line, "severityLevel": severity, "category": CONSOLE}


def of_request(function: str, record: logging.LogRecord) -> Row:
    """The row of a record that a function logs: the worker passes on the message, without the name of the logger."""
    severity = {logging.INFO: 1, logging.WARNING: 2, logging.ERROR: 3}[record.levelno]
    category = f"Function.{function}.User"
    return {"message": record.getMessage(), "severityLevel": severity, "category": category}


@pytest.fixture
def console_lines(console_in_use: None, capsys: pytest.CaptureFixture[str]) -> dict[str, Row]:
    """Lines of the console by what logs them."""
    metrics = Metrics()
    for event in get_args(Event):
        metrics.count(event)
    for name in get_args(Duration):
        metrics.record_duration(name, 0.1)
    outage = Outage(logging.getLogger("signin.live.broadcaster"), "SignalR is away", "SignalR is back")
    recreated = logging.getLogger("signin.counting.shards")
    rows = {}
    for name, work in {
        "metrics": metrics.log,
        "outage": lambda: outage.failed(OSError("refused")),
        "end of outage": outage.succeeded,
        "warning": lambda: recreated.warning("the table was recreated"),
    }.items():
        in_a_thread(work)
        printed = capsys.readouterr()
        (line,) = [*printed.out.splitlines(), *printed.err.splitlines()]
        rows[name] = of_console(line, on_standard_error=bool(printed.err))
    return rows


@pytest.fixture
async def request_lines(console_in_use: None, worker: WorkerHandler) -> list[Row]:
    """The error that each function logs if the app is not set up."""

    @errors_as_responses
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        raise SettingsError("TableConnectionString is not set")

    await handler(func.HttpRequest("GET", "/", body=b""))
    (record,) = worker.records
    return [of_request(function, record) for function in FUNCTIONS]


# Lines of the host: one with the beginning of a line of the app, and one about a function.
OF_THE_HOST: Row = {"message": "INFO signin.telemetry.metrics: {}", "severityLevel": 2, "category": "Host.General"}
FAILURE: Row = {
    "message": "Executed 'Functions.signin' (Failed, …)",
    "severityLevel": 3,
    "category": "Function.signin",
}


def test_metrics_query_finds_the_line_of_metrics(console_lines: dict[str, Row], request_lines: list[Row]) -> None:
    found = [name for name, row in console_lines.items() if selects(METRICS, row)]
    assert found == ["metrics"]
    others = [OF_THE_HOST, FAILURE, *request_lines]
    assert not any(selects(METRICS, row) for row in others)


def test_metrics_query_reads_fields_that_are_logged(console_lines: dict[str, Row]) -> None:
    (pattern,) = re.findall(r'extract\("(.*)", 1, message\)', METRICS)
    found = re.search(pattern, console_lines["metrics"]["message"])
    assert found
    logged = json.loads(found[1])
    fields = re.findall(r"\bm\.(\w+)", METRICS)
    assert fields
    assert [field for field in fields if field not in logged] == []


def test_documented_metrics_are_those_that_are_logged(console_lines: dict[str, Row]) -> None:
    table = DOCUMENT.split("## Metrics\n")[1].split("Under Logs")[0]
    names = re.findall(r"`([\w…]+)`", "".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))
    logged = json.loads(console_lines["metrics"]["message"].partition("metrics ")[2]).keys() - {"seconds"}
    assert set(names) == {re.sub(r"_ms_.*", "_ms_…", name) for name in logged}


def test_error_query_finds_errors_of_console_and_requests(
    console_lines: dict[str, Row], request_lines: list[Row]
) -> None:
    found = [name for name, row in console_lines.items() if selects(ERRORS, row)]
    assert found == ["outage", "warning"]
    assert all(selects(ERRORS, row) for row in request_lines)
    assert not any(selects(ERRORS, row) for row in (OF_THE_HOST, {**request_lines[0], "severityLevel": 1}))


def test_query_of_failed_requests_joins_their_lines(console_lines: dict[str, Row], request_lines: list[Row]) -> None:
    query, _, subquery = FAILED_REQUESTS.partition("(\n")
    responses = {503: True, 500: False, 200: True, 404: True}  # by status: whether the host counts it as a success
    found = [code for code, success in responses.items() if selects(query, {"resultCode": code, "success": success})]
    assert found == [503, 500]
    assert all(selects(subquery, row) for row in (FAILURE, *request_lines))
    assert not any(selects(subquery, row) for row in (OF_THE_HOST, *console_lines.values()))


@pytest.mark.parametrize("title", QUERIES)
def test_query_uses_existing_columns(title: str) -> None:
    query = re.sub(r'"[^"]*"|\bm\.\w+', "", QUERIES[title])
    columns = set().union(*(COLUMNS[table] for table in re.findall(r"^\W*(traces|requests)$", query, re.MULTILINE)))
    assert columns
    defined = set(re.findall(r"\b(\w+) ?= ?(?!=)", query))
    names = set(re.findall(r"(?<![\w.])[a-zA-Z_]\w*", query))
    assert names - columns - defined - LANGUAGE == set()


def test_suggested_alerts_are_of_fields_of_a_query() -> None:
    section = DOCUMENT.split("## Alerts\n")[1].split("\n## ")[0]
    suggested = re.findall(r"`(\w+) > \d+`", section)
    assert suggested
    assert [name for name in suggested if not re.search(rf"\b{name} = ", METRICS)] == []


def test_documented_categories_are_of_functions() -> None:
    named = re.findall(r"`Function\.(\w+)(?:\.User)?`", DOCUMENT)
    assert named
    assert [name for name in named if name not in FUNCTIONS] == []
