from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.data.tables import TableEntity

from signin.counting import committer as committer_module
from signin.counting.committer import Committer, NotAcknowledged
from signin.counting.rows import ShardState
from signin.counting.shards import Shards
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from tests.support.clock import Clock

from .table_service import (
    Fault,
    Gate,
    TableService,
    arrives,
    busy_before,
    closed_after,
    closed_before,
    delivered_late,
    error_after,
    late_one_arrives_first,
    no_answer,
    no_connection,
    no_table,
    other_writer_first,
    raising,
    table_is_being_deleted,
    truncated,
    wrong_key,
)

rejected = raising(wrong_key)
not_sent = raising(no_connection)


class Process:
    """The counting part of a process: a committer and its shards."""

    def __init__(self, service: TableService) -> None:
        self.commits = 0
        self.shards = Shards(service.visit_table(), max_age=3600)
        self.committer = Committer(service.visit_table(), self.shards, on_commit=self._on_commit)
        self.committer.start()

    def _on_commit(self) -> None:
        self.commits += 1

    def submit(self, count: int) -> list[Future[None]]:
        """Queue visits at once, so that they are one batch."""
        with self.committer._changed:
            return [self.committer.submit(Visit.now()) for _ in range(count)]

    def commit(self, visits: int = 1) -> None:
        """Commit visits, one after the other."""
        for _ in range(visits):
            self.committer.submit(Visit.now()).result(10)

    def close(self) -> None:
        self.committer.close(10)


Start = Callable[[TableService], Process]


@pytest.fixture
def service() -> TableService:
    return TableService()


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start processes that do not pause between the attempts at a commit."""
    monkeypatch.setattr(committer_module, "_FIRST_PAUSE", 0.0)
    processes: list[Process] = []

    def start(service: TableService) -> Process:
        processes.append(Process(service))
        return processes[-1]

    yield start
    for process in processes:
        process.close()


@pytest.fixture
def process(service: TableService, start: Start) -> Process:
    return start(service)


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit has no time for a second attempt."""
    monkeypatch.setattr(committer_module, "COMMIT_SECONDS", -1.0)


def failure(done: Future[None]) -> NotAcknowledged:
    error = done.exception(10)
    assert isinstance(error, NotAcknowledged), f"expected NotAcknowledged, not {error!r}"
    return error


def sizes(service: TableService) -> list[int]:
    """How many visits each transaction contained."""
    return [len(attempt.operations) - 1 for attempt in service.attempts]


# Durable before acknowledged


@pytest.mark.parametrize("fault", [arrives, closed_after, closed_before])
def test_acknowledged_visit_is_durable(fault: Fault, service: TableService, process: Process) -> None:
    gates = [Gate(then=fault), Gate()]
    service.faults.extend(gates)
    visit = Visit.now()
    done = process.committer.submit(visit)
    in_table_when_acknowledged: list[bool] = []
    done.add_done_callback(lambda _: in_table_when_acknowledged.append(visit.key in service.visits()))

    gates[0].wait_until_reached()
    assert not done.done(), "acknowledged before its transaction was answered"
    gates[0].open()
    if fault is not arrives:
        gates[1].wait_until_reached()
        assert not done.done(), "acknowledged after an attempt without an answer"
    gates[1].open()
    done.result(10)
    assert in_table_when_acknowledged == [True]


def test_acknowledged_visit_is_in_the_value(process: Process) -> None:
    totals: list[int] = []
    for _ in range(3):
        done = process.committer.submit(Visit.now())
        done.add_done_callback(lambda _: totals.append(process.shards.value().total))
        done.result(10)
    assert totals == [1, 2, 3]


def test_statistics_count_the_labels_of_visits(service: TableService, process: Process) -> None:
    process.committer.submit(
        Visit("1", {"OS": "iOS", "Browser": "Safari", "Device": "Tablet"}, datetime.now(UTC))
    ).result(10)
    process.committer.submit(
        Visit("2", {"OS": "Windows", "Browser": "Firefox", "Device": "Desktop"}, datetime.now(UTC))
    ).result(10)
    expected = Statistics.from_counts(
        2,
        {"OS": {"iOS": 1, "Windows": 1}, "Browser": {"Safari": 1, "Firefox": 1}, "Device": {"Tablet": 1, "Desktop": 1}},
    )
    assert process.shards.value().summary() == service.audited().summary() == expected.summary()


def test_on_commit_is_called_once_per_commit(service: TableService, process: Process) -> None:
    service.faults.extend([closed_after, arrives, arrives])
    process.commit(2)
    process.close()
    assert process.commits == 2


# Group commit


def test_lone_visit_is_committed_at_once(service: TableService, process: Process) -> None:
    process.commit(3)
    assert sizes(service) == [1, 1, 1]


def test_visits_during_a_commit_share_the_next_one(service: TableService, process: Process) -> None:
    service.faults.append(gate := Gate())
    first = process.submit(1)
    gate.wait_until_reached()
    others = process.submit(30)
    gate.open()
    wait(first + others, 10)
    assert sizes(service) == [1, 30]
    assert service.audited().total == 31


def test_transaction_contains_at_most_99_visits(service: TableService, process: Process) -> None:
    service.faults.append(gate := Gate())
    first = process.submit(1)
    gate.wait_until_reached()
    others = process.submit(250)
    gate.open()
    wait(first + others, 10)
    assert sizes(service) == [1, 99, 99, 52]
    assert service.audited().total == 251


def test_visits_are_committed_in_their_order(service: TableService, process: Process) -> None:
    service.faults.append(gate := Gate())
    visits = [Visit.now() for _ in range(200)]
    done = [process.committer.submit(visit) for visit in visits]
    gate.open()
    wait(done, 10)
    committed = [operation.row["RowKey"] for attempt in service.attempts for operation in attempt.operations[:-1]]
    assert committed == [visit.key for visit in visits]


def test_stats_row_is_read_only_once(service: TableService, process: Process) -> None:
    process.commit(20)
    assert service.reads == [("00", "stats")]


def test_new_process_continues_the_count(service: TableService, process: Process, start: Start) -> None:
    process.commit(2)
    process.close()
    successor = start(service)
    successor.commit(1)
    assert service.audited().total == successor.shards.value().total == 3


# Exactly once


@pytest.mark.parametrize("reports_last_failure", [False, True], ids=["visit row reported", "stats row reported"])
@pytest.mark.parametrize("is_new_shard", [True, False], ids=["new shard", "existing shard"])
@pytest.mark.parametrize(
    "plan",
    [
        [closed_after],
        [closed_after, closed_after, closed_after],
        [truncated],
        [error_after],
        [closed_before],
        [closed_before, closed_before, closed_after],
        [busy_before],
        [not_sent],
        [not_sent, closed_after, busy_before, not_sent],
        [other_writer_first],
        [other_writer_first, other_writer_first],
        [closed_before, other_writer_first],
        [closed_after, other_writer_first],
        [busy_before, other_writer_first, closed_after],
        [other_writer_first, closed_after],
        [other_writer_first, closed_before, other_writer_first, closed_after],
        [delivered_late, arrives],
        [delivered_late, late_one_arrives_first],
        [delivered_late, delivered_late, late_one_arrives_first],
        [delivered_late, other_writer_first],
        [delivered_late, other_writer_first, late_one_arrives_first],
        [delivered_late, other_writer_first, delivered_late, late_one_arrives_first],
    ],
    ids=lambda plan: ", ".join(fault.__name__ for fault in plan),
)
def test_faults_count_each_visit_exactly_once(
    plan: Sequence[Fault], is_new_shard: bool, reports_last_failure: bool, service: TableService, process: Process
) -> None:
    """The repetition of a committed transaction fails by 409 on a visit's row or by 412 on the stats row."""
    service.reports_last_failure = reports_last_failure
    if not is_new_shard:
        process.commit(1)
    already_there = len(service.visits())

    service.faults.extend(plan)
    for done in process.submit(5):
        done.result(10)
    assert not service.faults, "not all faults were applied"
    process.commit(1)
    service.deliver_late()

    assert service.audited().total == already_there + 5 + 1 + plan.count(other_writer_first)
    assert process.shards.value().total >= already_there + 5 + 1


def test_unanswered_attempt_is_repeated_unchanged(service: TableService, process: Process) -> None:
    process.commit(1)
    service.attempts.clear()
    service.faults.extend([closed_before, busy_before, not_sent, closed_before])
    process.commit(1)
    assert len(service.attempts) == 5
    assert all(attempt.operations == service.attempts[0].operations for attempt in service.attempts)
    assert service.attempts[0].operations[-1].etag is not None
    assert service.reads == [("00", "stats")], "nothing is read while the ETag may still match"


def test_one_read_resolves_an_unknown_outcome(service: TableService, process: Process) -> None:
    process.commit(1)
    service.reads.clear()
    service.faults.append(closed_after)
    visit = Visit.now()
    process.committer.submit(visit).result(10)
    assert service.reads == [("00", visit.key), ("00", "stats")], "the visitor is shown the present state"


def test_conflict_costs_one_read(service: TableService, process: Process) -> None:
    process.commit(1)
    service.reads.clear()
    service.faults.append(other_writer_first)
    process.commit(1)
    assert service.reads[-1] == ("00", "stats")
    assert len([read for read in service.reads if read[1] != "stats"]) == 0


def test_failed_reads_are_repeated(service: TableService, process: Process) -> None:
    first_read, own_row = [no_connection(), no_answer(), None], [no_answer(), no_connection(), None]
    service.read_errors.extend(first_read + own_row)
    service.faults.append(closed_after)
    process.commit(1)
    assert not service.read_errors
    assert service.audited().total == 1


def test_late_batch_is_counted_once(service: TableService, process: Process, one_attempt: None) -> None:
    process.commit(1)
    service.faults.append(delivered_late)
    given_up = process.committer.submit(Visit.now())
    assert failure(given_up).recorded == "unknown"
    service.deliver_late()
    process.commit(1)
    assert service.audited().total == 3
    assert process.shards.value().total == 3


def test_next_commit_makes_a_late_batch_fail(service: TableService, process: Process, one_attempt: None) -> None:
    process.commit(1)
    service.faults.append(delivered_late)
    given_up = process.committer.submit(Visit.now())
    assert failure(given_up).recorded == "unknown"
    process.commit(1)
    service.deliver_late()
    assert service.audited().total == 2


# Not acknowledged


@pytest.mark.parametrize(
    ("plan", "recorded"),
    [
        ([not_sent], "no"),
        ([rejected], "no"),
        ([raising(no_table)], "no"),
        ([other_writer_first], "no"),
        ([closed_before], "unknown"),
        ([closed_after], "unknown"),
        ([busy_before], "unknown"),
    ],
    ids=lambda value: value[0].__name__ if isinstance(value, list) else value,
)
def test_recorded_is_right_after_a_timeout(
    plan: Sequence[Fault], recorded: str, service: TableService, process: Process, one_attempt: None
) -> None:
    service.faults.extend(plan)
    [done] = process.submit(1)
    assert failure(done).recorded == recorded
    if recorded == "no":
        assert service.audited().total == plan.count(other_writer_first)


@pytest.mark.parametrize(
    ("plan", "recorded"),
    [
        ([not_sent, rejected], "no"),
        ([other_writer_first, rejected], "no"),
        ([closed_before, rejected], "unknown"),
        ([closed_after, not_sent, rejected], "unknown"),
        ([closed_before, other_writer_first, rejected], "no"),
        ([delivered_late, other_writer_first, rejected], "no"),
        ([other_writer_first, closed_before, rejected], "unknown"),
    ],
    ids=lambda value: ", ".join(fault.__name__ for fault in value) if isinstance(value, list) else value,
)
def test_recorded_is_right_after_a_rejection(
    plan: Sequence[Fault], recorded: str, service: TableService, process: Process
) -> None:
    process.commit(1)
    service.faults.extend(plan)
    visit = Visit.now()
    done = process.committer.submit(visit)
    assert failure(done).recorded == recorded
    if recorded == "no":
        service.deliver_late()
        assert visit.key not in service.visits()


def test_recorded_is_unknown_without_the_visits_row(service: TableService, process: Process) -> None:
    process.commit(1)
    service.faults.append(closed_after)
    service.read_errors.append(wrong_key())
    [done] = process.submit(1)
    assert failure(done).recorded == "unknown"


def test_rejected_batch_is_not_repeated(service: TableService, process: Process) -> None:
    service.faults.append(rejected)
    [done] = process.submit(1)
    assert "check the key" in str(failure(done))
    assert len(service.attempts) == 1


def test_next_visit_after_a_rejection_is_committed(service: TableService, process: Process) -> None:
    service.faults.extend([rejected, arrives])
    assert failure(process.submit(1)[0])
    process.commit(1)
    assert service.audited().total == 1


def test_attempts_have_growing_pauses_and_an_end(service: TableService, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(committer_module, "time", clock)
    monkeypatch.setattr("signin.counting.committer.random.uniform", lambda low, high: high)
    process = Process(service)
    service.faults.extend([busy_before] * 1000)
    [done] = process.submit(1)
    assert failure(done).recorded == "unknown"
    process.close()
    assert clock.pauses == sorted(clock.pauses)
    assert clock.pauses[0] < 0.1
    assert clock.pauses[-1] == 1.0
    assert committer_module.COMMIT_SECONDS <= sum(clock.pauses) <= committer_module.COMMIT_SECONDS + 1


def test_attempts_pause_during_a_table_deletion(service: TableService, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service answers 409 for some 40 seconds. Unlike after an ETag mismatch, no process makes progress."""
    clock = Clock()
    monkeypatch.setattr(committer_module, "time", clock)

    class BeingDeleted(TableService):
        def get_entity(self, *key: str, **options: Any) -> Any:
            self.reads.append((key[0], key[1]))
            clock.now += 0.01  # a round trip
            raise table_is_being_deleted()

    deleted = BeingDeleted()
    process = Process(deleted)
    assert failure(process.submit(1)[0]).recorded == "no"
    process.close()
    assert len(deleted.reads) < 100, f"{len(deleted.reads)} requests for one visit"


def test_slow_preparation_leaves_no_time_for_a_commit(service: TableService, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page repeats a visit after 30 s: no first attempt may be committed later."""
    clock = Clock()
    monkeypatch.setattr(committer_module, "time", clock)

    class Slow(TableService):
        def get_entity(self, *key: str, **options: Any) -> Any:
            clock.now += committer_module.COMMIT_SECONDS + 1
            return super().get_entity(*key, **options)

    slow = Slow()
    process = Process(slow)
    assert failure(process.submit(1)[0]).recorded == "no"
    process.close()
    assert not slow.attempts


def test_rejected_commit_ends_with_its_attempt(service: TableService, process: Process) -> None:
    """A reading that finds another ETag during a commit cannot know whose change it is."""
    process.commit()
    process.shards.read_all()
    service.faults.append(rejected)
    failure(process.submit(1)[0])
    service.visit_table().touch(0)
    process.shards.read_all()
    assert process.shards.foreign_changes == 1


# The queue


def test_full_queue_rejects_visits_at_once(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "MAX_WAITING", 2)
    service.faults.append(gate := Gate())
    [under_way] = process.submit(1)
    gate.wait_until_reached()
    *waiting, rejected_visit = process.submit(2 * 99 + 1)
    assert rejected_visit.done()
    assert failure(rejected_visit).recorded == "no"
    gate.open()
    for done in [under_way, *waiting]:
        done.result(10)
    process.commit(1)
    assert service.audited().total == 1 + 2 * 99 + 1


def test_visits_that_waited_too_long_are_rejected(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.faults.append(gate := Gate())
    [under_way] = process.submit(1)
    gate.wait_until_reached()
    with monkeypatch.context() as patch:
        patch.setattr(committer_module, "QUEUE_SECONDS", -1.0)
        too_late = process.submit(99)
    [in_time] = process.submit(1)
    gate.open()
    assert all(failure(done).recorded == "no" for done in too_late)
    under_way.result(10)
    in_time.result(10)
    assert service.audited().total == 2


def test_queued_visit_cannot_be_cancelled(service: TableService, process: Process) -> None:
    """Other visitors wait for the same transaction."""
    service.faults.append(gate := Gate())
    [under_way] = process.submit(1)
    gate.wait_until_reached()
    waiting = process.submit(2)
    assert not under_way.cancel()
    assert not waiting[0].cancel()
    gate.open()
    for done in [under_way, *waiting]:
        done.result(10)
    assert service.audited().total == 3


def test_close_commits_waiting_visits_and_takes_none(service: TableService, process: Process) -> None:
    service.faults.append(gate := Gate())
    done = process.submit(1)
    gate.wait_until_reached()
    done += process.submit(150)
    closing = threading.Thread(target=process.close)
    closing.start()
    gate.open()
    closing.join(10)
    assert not closing.is_alive()
    assert all(future.done() and future.exception() is None for future in done)
    assert service.audited().total == 151
    [rejected_now] = process.submit(1)
    assert failure(rejected_now).recorded == "no"


def test_close_returns_after_its_timeout(service: TableService, process: Process) -> None:
    service.faults.append(gate := Gate())
    [under_way] = process.submit(1)
    gate.wait_until_reached()
    process.committer.close(0.0)
    assert not under_way.done()
    gate.open()
    under_way.result(10)


def test_close_ends_an_idle_thread(process: Process) -> None:
    process.close()
    assert not process.committer._thread.is_alive()


# Shards


def test_lone_process_stays_in_shard_0(service: TableService, process: Process) -> None:
    process.commit(50)
    assert service.shards() == [0]


def test_conflicts_open_the_next_shard(service: TableService, process: Process) -> None:
    process.commit(1)
    service.faults.extend([other_writer_first] * 3)
    process.commit(1)
    assert process.shards.own == 1
    process.commit(1)
    assert service.shards() == [0, 1]
    assert service.audited().total == 6


def test_conflicts_of_another_shard_do_not_count(service: TableService, process: Process) -> None:
    process.commit(1)
    service.faults.extend([other_writer_first] * 3 + [arrives, other_writer_first])
    process.commit(2)
    assert process.shards.own == 1


def test_recreated_table_is_filled_from_shard_0(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers stop at the first absent shard, and do not count the visits behind the gap."""
    monkeypatch.setattr("signin.counting.shards.random.choice", max)
    service.read_errors.extend([table_is_being_deleted()] * 12)
    process.commit(1)
    assert service.shards() == [0]


def test_recreated_table_returns_a_process_to_shard_0(service: TableService, process: Process) -> None:
    service.faults.extend([arrives] + [other_writer_first] * 3)
    process.commit(2)
    assert process.shards.own == 1
    service.recreate()
    service.read_errors.extend([None, no_answer()])
    process.commit(1)
    assert service.shards() == [0], "readers stop at a gap"
    assert service.audited().total == 1


def test_rare_conflicts_open_no_shard(service: TableService, process: Process) -> None:
    process.commit(1)
    for _ in range(5):
        service.faults.append(other_writer_first)
        process.commit(20)
    assert service.shards() == [0]


def test_repeated_conflicts_open_shards_without_gaps(service: TableService, process: Process) -> None:
    for _ in range(12):
        service.faults.extend([other_writer_first] * 3)
        process.commit(2)
    reader = Shards(service.visit_table(), max_age=3600)
    reader.read_all()
    assert len(service.shards()) > 1
    assert reader.value() == service.audited()


def test_lost_replies_open_no_shard(service: TableService, process: Process) -> None:
    """Each open shard costs every process one more read per interval."""
    for _ in range(10):
        service.faults.append(closed_after)
        process.commit(1)
    assert service.shards() == [0]


def test_unknown_outcome_is_resolved_before_a_move(service: TableService, process: Process) -> None:
    process.commit(1)
    service.faults.extend([other_writer_first, other_writer_first, closed_after, arrives])
    process.commit(1)
    service.faults.extend([delivered_late, other_writer_first, other_writer_first, other_writer_first])
    process.commit(2)
    service.deliver_late()
    assert service.audited().total == 1 + 2 + 1 + 3 + 2


# Defects


def test_thread_survives_an_unexpected_error(
    service: TableService, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*arguments: object) -> ShardState:
        raise ZeroDivisionError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process.committer._table, "commit", defect)
        [done] = process.submit(1)
        assert failure(done).recorded == "unknown"
    assert "ZeroDivisionError" in caplog.text
    process.commit(1)
    assert service.audited().total == 1


def test_thread_survives_a_malformed_stats_row(service: TableService, start: Start) -> None:
    start(service).commit(1)
    row, etag = service._rows["00", "stats"]
    service._rows["00", "stats"] = (TableEntity({**row, "ByOS": "not JSON"}), etag)
    process = start(service)
    assert failure(process.submit(1)[0])
    service._rows["00", "stats"] = (row, etag)
    process.commit(1)
    assert service.audited().total == 2


def test_unreachable_account_fails_all_visits(service: TableService, process: Process, one_attempt: None) -> None:
    service.read_errors.extend([no_answer()] * 5)
    for done in process.submit(5):
        assert failure(done).recorded == "no"


# Everything at once


FAULTS = [
    closed_after,
    closed_before,
    truncated,
    busy_before,
    error_after,
    not_sent,
    rejected,
    delivered_late,
    late_one_arrives_first,
    other_writer_first,
]


def random_fault(chance: random.Random) -> Fault:
    """A fault of any kind with a probability of 0.4, else none."""
    return chance.choice(FAULTS) if chance.random() < 0.4 else arrives


@pytest.mark.parametrize("seed", range(20))
def test_random_faults_lose_and_repeat_no_visit(seed: int, service: TableService, start: Start) -> None:
    chance = random.Random(seed)
    service.faults.extend(random_fault(chance) for _ in range(400))
    processes = [start(service) for _ in range(3)]
    outcome: dict[str, Future[None]] = {}
    for number in range(240):
        visit = Visit.now()
        outcome[visit.key] = processes[number % 3].committer.submit(visit)
        if number % 12 == 0:
            with suppress(NotAcknowledged):
                outcome[visit.key].result(10)
    wait(outcome.values(), 20)
    for process in processes:
        process.close()
    service.deliver_late()

    recorded = set(service.visits())
    for key, done in outcome.items():
        if done.exception(0) is None:
            assert key in recorded, "acknowledged and lost"
        elif failure(done).recorded == "no":
            assert key not in recorded, "reported as not recorded, and recorded"
    assert service.audited().total == len(recorded)
    assert recorded - outcome.keys() == set(service.from_elsewhere)
    for process in processes:
        process.shards.read_all()
        assert process.shards.value().total <= service.audited().total
