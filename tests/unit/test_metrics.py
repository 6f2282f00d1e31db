from __future__ import annotations

import json
import logging
import threading
from typing import cast, get_args

import pytest

from local import REPOSITORY
from signin.counting import committer as committer_module
from signin.counting.committer import Committer
from signin.counting.shards import Shards
from signin.live.broadcaster import Broadcaster
from signin.live.hub import Hub, SignalRError
from signin.live.lease import BroadcastLease
from signin.live.pace import Pace
from signin.telemetry.metrics import Event, Metrics
from signin.visits.visit import Visit

from .broadcasting import LONG, StubHub, StubShards
from .table_service import Fault, Gate, TableService, closed_after, closed_before, other_writer_first


@pytest.fixture(autouse=True)
def _every_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="signin.telemetry.metrics")


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, float]]:
    """The logged lines, parsed as Application Insights does it."""
    return [
        json.loads(record.message.removeprefix("metrics "))
        for record in caplog.records
        if record.name == "signin.telemetry.metrics"
    ]


def test_line_has_counts_and_durations_of_period(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    metrics.count("visits", 99)
    metrics.count("commits")
    metrics.count("commits")
    metrics.record_queue(7)
    metrics.record_queue(3)
    for milliseconds in range(1, 101):
        metrics.record_duration("commit", milliseconds / 1000)
    metrics.log()
    [line] = logged(caplog)
    assert line.pop("seconds") < 60
    assert line == {
        "visits": 99,
        "commits": 2,
        "most_waiting": 7,
        "commit_ms_p50": 51.0,
        "commit_ms_p95": 96.0,
        "commit_ms_max": 100.0,
    }


def test_period_without_events_has_no_line(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    metrics.log()
    metrics.count("visits")
    metrics.log()
    metrics.log()
    metrics.count("visits", 2)
    metrics.log()
    assert [line["visits"] for line in logged(caplog)] == [1, 2]


def test_line_is_logged_for_each_period(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(period=0.001)
    metrics.start()
    metrics.count("visits")
    while not logged(caplog):
        threading.Event().wait(0.001)
    metrics.count("broadcasts")
    while len(logged(caplog)) < 2:
        threading.Event().wait(0.001)
    metrics.close()
    first, second = logged(caplog)
    assert first["visits"] == second["broadcasts"] == 1


def test_close_logs_unfinished_period(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(period=3600.0)
    metrics.start()
    metrics.count("broadcasts")
    metrics.close()
    [line] = logged(caplog)
    assert line["broadcasts"] == 1


@pytest.mark.parametrize("name", get_args(Event))
def test_every_event_is_documented(name: str) -> None:
    assert f"`{name}`" in (REPOSITORY / "docs" / "operations.md").read_text(encoding="utf-8")


# Events of the committer and the broadcaster


def count(service: TableService, *faults: Fault, visits: int = 1) -> Metrics:
    """Commit visits that were submitted together, with these faults; the metrics of the process."""
    metrics = Metrics()
    table = service.visit_table()
    committer = Committer(table, Shards(table, max_age=LONG), lambda: None, metrics)
    committer.start()
    service.faults.extend(faults)
    with committer._changed:
        waiting = [committer.submit(Visit.now()) for _ in range(visits)]
    for done in waiting:
        done.exception(10)
    committer.close(10)
    return metrics


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer_module, "_FIRST_PAUSE", 0.0)


def test_visits_and_commits_are_measured(caplog: pytest.LogCaptureFixture) -> None:
    count(TableService(), visits=150).log()
    [line] = logged(caplog)
    assert (line["visits"], line["commits"], line["most_waiting"]) == (150, 2, 150)
    assert 0 <= line["commit_ms_p50"] <= line["commit_ms_p95"] <= line["commit_ms_max"]


def test_conflicts_and_resolved_outcomes_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    count(TableService(), other_writer_first, closed_after).log()
    [line] = logged(caplog)
    assert (line["conflicts"], line["unknown_outcomes_resolved"], line["visits"]) == (1, 1, 1)


def test_failed_visits_are_counted_by_outcome(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "COMMIT_SECONDS", -1.0)
    count(TableService(), closed_before, visits=3).log()
    monkeypatch.setattr(committer_module, "QUEUE_SECONDS", -1.0)
    count(TableService(), visits=2).log()
    unknown, not_recorded = logged(caplog)
    assert (unknown["visits_unknown"], "visits" in unknown) == (3, False)
    assert (not_recorded["visits_not_recorded"], "visits" in not_recorded) == (2, False)


def test_rejected_visits_are_counted(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer_module, "MAX_WAITING", 1)
    service, metrics = TableService(), Metrics()
    service.faults.append(gate := Gate())
    table = service.visit_table()
    committer = Committer(table, Shards(table, max_age=LONG), lambda: None, metrics)
    committer.start()
    committer.submit(Visit.now())
    gate.wait_until_reached()
    for _ in range(99 + 5):
        committer.submit(Visit.now())
    gate.open()
    committer.close(10)
    metrics.log()
    [line] = logged(caplog)
    assert (line["visits"], line["visits_not_recorded"]) == (100, 5)


def test_broadcasts_and_failures_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    hub, metrics = StubHub(), Metrics()
    hub.errors.put(SignalRError("busy"))
    table = TableService().visit_table()
    pace = Pace(0.01, None, table.now)
    broadcaster = Broadcaster(cast(Hub, hub), cast(Shards, StubShards()), BroadcastLease(table), pace, metrics)
    broadcaster.start()
    broadcaster.changed()
    hub.next_total()
    hub.next_total()
    broadcaster.close(10)
    metrics.log()
    [line] = logged(caplog)
    assert (line["broadcasts"], line["broadcast_failures"]) == (1, 1)
    assert "broadcast_ms_p95" in line
