from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from signin.counting.errors import EtagMismatch, NoEffect, PermanentError, StorageError
from signin.counting.rows import ABSENT, ADOPTED, ShardState
from signin.counting.shards import Shards
from signin.counting.table import MAX_VISITS, VisitTable
from signin.operators.adopt import Adoption, adopt, sample_visits
from signin.operators.audit import audit
from signin.visits.visit import Visit

from .table_service import (
    Attempt,
    Fault,
    Reply,
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
    truncated,
    wrong_key,
)

AT = datetime(2018, 7, 16, 9, 30, 0, 123456, tzinfo=UTC)
PLATFORMS = [("Windows 10", "Chrome"), ("Mac OS X", "Safari"), ("iOS", "Mobile Safari"), ("Windows 7", "IE")]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which take no time."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def guids(count: int, seed: int = 1) -> list[str]:
    numbers = random.Random(seed)
    return [str(UUID(int=numbers.getrandbits(128), version=4)) for _ in range(count)]


def sample(count: int, seed: int = 1, service: TableService | None = None) -> TableService:
    """A table with this number of visits that the C# sample has recorded."""
    service = service or TableService()
    for number, guid in enumerate(guids(count, seed)):
        os, browser = PLATFORMS[number % len(PLATFORMS)]
        service.put("SignIn", guid, at=AT + timedelta(minutes=number), OS=os, Browser=browser)
    return service


def run(service: TableService) -> Adoption:
    return adopt(service.visit_table(), lambda rows: None)


def adopted(service: TableService) -> ShardState:
    return service.visit_table().read(ADOPTED)


def assert_adopted(service: TableService, count: int, others: int = 0) -> None:
    """Every visit of the sample is counted once, and so is every other one; the shard "adopted" is closed."""
    result = audit(service.visit_table(), lambda rows: None)
    assert list(result.problems()) == []
    assert sum(shard.total for shard in result.shards) == count + others
    assert all(shard.after.is_closed for shard in result.shards if shard.shard == ADOPTED)


def test_visits_count_by_labels_and_time_of_row() -> None:
    service = sample(4)
    assert run(service) == Adoption(adopted=4, already_adopted=0)
    statistics = adopted(service).statistics
    assert statistics.counts["OS"] == {"Windows": 2, "macOS": 1, "iOS": 1}
    assert statistics.counts["Browser"] == {"Chrome": 1, "Safari": 2, "Internet Explorer": 1}
    assert statistics.counts["Device"] == {"Other": 4}
    minutes = int(AT.timestamp()) // 60
    assert statistics.history.series["minutes"] == {minutes + number: 1 for number in range(4)}
    assert_adopted(service, 4)


@pytest.mark.parametrize(
    ("family", "label"),
    [
        ("Windows", "Windows"),
        ("Windows 8.1", "Windows"),
        ("Windows XP", "Windows"),
        ("Windows Vista", "Windows"),
        ("Windows Phone", "Other"),
        ("Windows Mobile", "Other"),
        ("Mac OS X", "macOS"),
        ("Chrome OS", "ChromeOS"),
        ("Ubuntu", "Linux"),
        ("Android", "Android"),
        ("BlackBerry OS", "Other"),
        ("Other", "Other"),
        ("", "Other"),
    ],
)
def test_os_name_of_the_sample_maps_to_a_label(family: str, label: str) -> None:
    service = TableService()
    service.put("SignIn", guids(1)[0], at=AT, OS=family, Browser="Chrome")
    run(service)
    assert adopted(service).statistics.counts["OS"] == {label: 1}


def test_row_without_labels_counts_as_other() -> None:
    service = TableService()
    service.put("SignIn", guids(1)[0], at=AT)
    run(service)
    assert adopted(service).statistics.counts["Browser"] == {"Other": 1}


def test_adopted_visit_has_time_of_sample_row() -> None:
    service = sample(1)
    run(service)
    [row] = service.visit_table().visits(ADOPTED)
    assert row.visit is not None
    assert row.visit.at == AT


def test_adopted_visits_have_a_partition_of_their_own() -> None:
    service = sample(300)
    service.commit_from_elsewhere("00")
    run(service)
    keys = [row["RowKey"] for row in service.visit_table().rows("adopted")]
    assert [key[:36] for key in keys] == [*sorted(guids(300)), "stats"], "not in the order of the sample's rows"
    assert [row["RowKey"] for row in service.visit_table().rows("00")] == [*service.from_elsewhere, "stats"]


def test_sample_rows_are_not_changed() -> None:
    service = sample(150)
    before = list(service.visit_table().rows("SignIn"))
    run(service)
    assert list(service.visit_table().rows("SignIn")) == before


def test_lone_run_sends_99_visits_per_transaction() -> None:
    service = sample(1000)
    run(service)
    assert [len(attempt.operations) - 1 for attempt in service.attempts] == [MAX_VISITS] * 10 + [10]
    assert service.reads == [("adopted", "stats")]


def test_progress_includes_every_row() -> None:
    service = sample(300)
    for number in range(2):
        advances: list[int] = []
        adopt(service.visit_table(), advances.append)
        assert sum(advances) == 300, f"in run {number}"


def test_run_without_sample_rows_writes_nothing() -> None:
    service = TableService()
    assert run(service) == Adoption(0, 0)
    assert not service.attempts
    assert not service.reads
    assert service.visit_table().read(0) == service.visit_table().read(ADOPTED) == ABSENT


def test_second_run_reads_only_pages() -> None:
    service = sample(2500)
    run(service)
    service.attempts.clear()
    service.reads.clear()
    service.pages = 0
    assert run(service) == Adoption(adopted=0, already_adopted=2500)
    assert not service.attempts
    assert not service.reads
    assert service.pages == 3 + 3 + 1, "1,000 rows a page: the sample's, the adopted ones, and those of version 1.0.0"


def test_next_run_adopts_rows_added_since() -> None:
    service = sample(1200)
    run(service)
    sample(30, seed=2, service=service)
    service.attempts.clear()
    assert run(service) == Adoption(adopted=30, already_adopted=1200)
    assert len(service.attempts) == 1
    assert_adopted(service, 1230)


# After version 1.0.0, which adopted into shard 0


def adopt_as_version_1(service: TableService, seed: int) -> int:
    """Adopt a random half of the sample's visits as version 1.0.0 did, in a shard with other visits; how many."""
    choice = random.Random(seed)
    table = service.visit_table()
    visits = [
        Visit(f"0-SignIn-{visit.key}", {"OS": visit.labels["OS"], "Browser": visit.labels["Browser"]}, visit.at)
        for visit, _ in sample_visits([table])
        if choice.random() < 0.5
    ]
    for start in range(0, len(visits), MAX_VISITS):
        table.commit(0, table.read(0), visits[start : start + MAX_VISITS])
        service.commit_from_elsewhere("00")
    service.attempts.clear()
    return len(visits)


@pytest.mark.parametrize("seed", range(2))
def test_visits_adopted_by_version_1_are_not_adopted_again(seed: int) -> None:
    service = sample(1300)
    old = adopt_as_version_1(service, seed)
    shard_0 = service.visit_table().read(0).statistics
    assert run(service) == Adoption(adopted=1300 - old, already_adopted=old)
    assert adopted(service).statistics.total == 1300 - old
    assert service.visit_table().read(0).statistics == shard_0
    assert_adopted(service, 1300, others=len(service.from_elsewhere))
    sample(30, seed=2, service=service)
    assert run(service) == Adoption(adopted=30, already_adopted=1300)
    assert_adopted(service, 1330, others=len(service.from_elsewhere))


def test_killed_run_after_version_1_is_completed_by_the_next() -> None:
    service = sample(600)
    old = adopt_as_version_1(service, seed=4)
    service.faults.extend([arrives, killed_after])
    with pytest.raises(Killed):
        run(service)
    done = 2 * MAX_VISITS
    assert run(service) == Adoption(adopted=600 - old - done, already_adopted=old + done)
    assert_adopted(service, 600, others=len(service.from_elsewhere))


# Faults of a transaction

FAULTS = [
    closed_before,
    closed_after,
    truncated,
    error_after,
    busy_before,
    raising(no_connection),
    other_writer_first,
    delivered_late,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("again", [1, 2, 3])
@pytest.mark.parametrize("number", range(3))
def test_faulty_transaction_adopts_visits_once(fault: Fault, again: int, number: int) -> None:
    service = sample(250)
    service.faults.extend([arrives] * number + [fault] * again)
    assert run(service) == Adoption(adopted=250, already_adopted=0)
    service.deliver_late()
    assert_adopted(service, 250, others=len(service.from_elsewhere))


def test_late_request_before_its_repetition_counts_once() -> None:
    service = sample(99)
    service.faults.extend([delivered_late, late_one_arrives_first])
    assert run(service) == Adoption(adopted=99, already_adopted=0)
    assert_adopted(service, 99)


@pytest.mark.parametrize("seed", range(60))
def test_any_sequence_of_faults_adopts_visits_once(seed: int) -> None:
    choice = random.Random(seed)
    service = sample(300)
    service.faults.extend(choice.choices([*FAULTS, late_one_arrives_first, arrives, arrives], k=30))
    for _ in range(10):
        try:
            result = run(service)
        except StorageError:
            continue
        break
    else:
        pytest.fail("no run succeeds")
    assert result.total == 300
    service.deliver_late()
    assert_adopted(service, 300, others=len(service.from_elsewhere))


def test_unanswered_commit_is_found_by_reading_its_visits() -> None:
    service = sample(99)
    service.faults.append(closed_after)
    assert run(service) == Adoption(adopted=99, already_adopted=0)
    assert service.reads.count(("adopted", "stats")) == 2, "before each of the two attempts"
    assert len(service.reads) == 2 + 99


# A run that is killed


class Killed(BaseException):
    """Stands for SIGKILL: the run ends here."""


def killed_before(attempt: Attempt) -> Reply:
    raise Killed


def killed_after(attempt: Attempt) -> Reply:
    attempt.arrive()
    raise Killed


def killed_in_transit(attempt: Attempt) -> Reply:
    attempt.service.late.append(attempt)
    raise Killed


KILLED: Sequence[Fault] = [killed_before, killed_after, killed_in_transit]


@pytest.mark.parametrize("killed", KILLED)
@pytest.mark.parametrize("number", range(4))
def test_killed_run_is_completed_by_the_next(killed: Fault, number: int) -> None:
    service = sample(350)
    service.faults.extend([arrives] * number + [killed])
    with pytest.raises(Killed):
        run(service)
    already = adopted(service).statistics.total
    assert already == min(MAX_VISITS * (number + (killed is killed_after)), 350)
    assert run(service) == Adoption(adopted=350 - already, already_adopted=already)
    service.deliver_late()
    assert_adopted(service, 350)


@pytest.mark.parametrize("number", range(4))
def test_late_request_of_a_killed_run_counts_once(number: int) -> None:
    service = sample(350)
    service.faults.extend([killed_in_transit, *([arrives] * number), late_one_arrives_first])
    with pytest.raises(Killed):
        run(service)
    assert run(service).total == 350
    assert_adopted(service, 350)


# Concurrent runs


@pytest.mark.parametrize("number", range(4))
def test_concurrent_runs_adopt_each_visit_once(number: int) -> None:
    """The other run begins and ends while one transaction of the first is on its way."""
    service = sample(350)
    others: list[Adoption] = []

    def other_run_first(attempt: Attempt) -> Reply:
        others.append(run(service))
        return attempt.arrive()

    service.faults.extend([arrives] * number + [other_run_first])
    first = run(service)
    [other] = others
    assert first.total == other.total == 350
    assert first.adopted + other.adopted == 350
    assert_adopted(service, 350)


def rival_first(visits: Sequence[Visit]) -> Fault:
    """Another run adopts those of the visits that are not adopted, just before the transaction arrives."""

    def fault(attempt: Attempt) -> Reply:
        table = attempt.service.to_another_process().visit_table()
        new = [visit for visit in visits if not table.has_visit(ADOPTED, visit)]
        table.commit(ADOPTED, table.read(ADOPTED), new)
        return attempt.arrive()

    return fault


def test_alternating_runs_adopt_each_visit_once() -> None:
    """Each transaction of the rival has visits of one or two transactions of this run."""
    service = sample(1000)
    visits = [visit for visit, _ in sample_visits([service.visit_table()])]
    for start in range(50, 50 + 6 * 60, 60):
        service.faults.extend([rival_first(visits[start : start + 60]), arrives, arrives, arrives])
    result = run(service)
    assert result.total == 1000
    assert 0 < result.already_adopted < 1000
    assert_adopted(service, 1000)


def test_conflict_costs_a_read_per_visit(pauses: list[float]) -> None:
    service = sample(300)
    service.faults.extend([arrives, other_writer_first])
    assert run(service) == Adoption(adopted=300, already_adopted=0)
    assert service.reads.count(("adopted", "stats")) == 2, "at the beginning and after the conflict"
    assert len(service.reads) == 2 + MAX_VISITS
    assert len(pauses) == 1
    assert_adopted(service, 300, others=1)


def other_run_first(attempt: Attempt) -> Reply:
    run(attempt.service.to_another_process())
    return attempt.arrive()


def other_run_first_and_failed_read(attempt: Attempt) -> Reply:
    run(attempt.service.to_another_process())
    attempt.service.read_errors.append(no_answer())
    return attempt.arrive()


@pytest.mark.parametrize(
    "faults",
    [[other_run_first], [other_run_first_and_failed_read], [closed_before, other_writer_first, other_run_first]],
    ids=["at once", "then a read without an answer", "after an attempt without an answer"],
)
def test_visits_of_another_run_count_as_already_adopted(faults: Sequence[Fault]) -> None:
    service = sample(99)
    service.faults.extend(faults)
    assert run(service) == Adoption(adopted=0, already_adopted=99)


def test_part_of_an_unanswered_attempt_is_of_another_run() -> None:
    """A transaction commits all of its visits or none."""
    service = sample(99)
    visits = [visit for visit, _ in sample_visits([service.visit_table()])]
    service.faults.extend([closed_before, rival_first(visits[:60])])
    assert run(service) == Adoption(adopted=39, already_adopted=60)
    assert_adopted(service, 99)


# Processes of the app that are running


class Process:
    """The part of a worker process that counts, on one thread. Nothing disturbs its requests."""

    def __init__(self, service: TableService) -> None:
        self._table = service.to_another_process().visit_table()
        self.shards = Shards(self._table, max_age=0.0)
        self.conflicts = 0

    def count(self) -> None:
        """Count a visit."""
        while True:
            state = self.shards.writable()
            try:
                self.shards.committed(self._table.commit(self.shards.own, state, [Visit.now()]))
                return
            except EtagMismatch:
                self.conflicts += 1
                self.shards.lost_race()

    def total(self) -> int:
        """The total that a page is shown."""
        self.shards.refresh_if_stale()
        return self.shards.value().total


@pytest.fixture
def service() -> TableService:
    return sample(350)


@pytest.fixture
def process(service: TableService) -> Process:
    """The only process, which has counted a visit."""
    process = Process(service)
    process.count()
    assert process.total() == 1
    assert process.shards.is_sole_writer
    return process


def test_sole_writer_shows_adopted_visits(service: TableService, process: Process) -> None:
    run(service)
    assert process.total() == 351
    assert process.shards.is_sole_writer
    process.count()
    assert process.total() == 352
    assert process.shards.is_sole_writer


def test_sole_writer_shows_adopted_visits_after_its_next_visit(service: TableService, process: Process) -> None:
    run(service)
    process.count()
    assert not process.shards.is_current, "its visitor would be shown a total without the adopted visits"
    assert process.total() == 352
    assert process.shards.is_sole_writer


def test_app_that_has_never_counted_shows_adopted_visits(service: TableService) -> None:
    process = Process(service)
    assert process.total() == 0
    assert process.shards.is_sole_writer
    run(service)
    created = service.visit_table().read(0)
    assert (created.exists, created.is_closed, created.statistics.total) == (True, False, 0)
    assert process.total() == process.total() == 350
    assert process.shards.is_sole_writer, "the second reading met no other change"
    process.count()
    assert_adopted(service, 350, others=1)


def test_first_commit_on_its_way_meets_the_created_row(service: TableService) -> None:
    process = Process(service)
    process.shards.writable()
    assert process.total() == 0
    run(service)
    process.count()
    assert process.conflicts == 1
    assert process.total() == 351


def test_busy_app_has_one_conflict_at_the_end(service: TableService, process: Process) -> None:
    def visit_first(attempt: Attempt) -> Reply:
        process.count()
        return attempt.arrive()

    service.faults.extend([visit_first] * 4)
    run(service)
    assert len(service.attempts) == 4, "the app disturbs the run"
    assert process.conflicts == 0
    for _ in range(5):
        process.count()
    assert (process.conflicts, process.shards.own) == (1, 0)
    assert process.total() == 350 + 1 + 4 + 5
    assert_adopted(service, 350, others=10)


@pytest.mark.parametrize("request_name", ["open_shard", "touch"])
def test_run_killed_before_the_touch_is_completed_by_the_next(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch, request_name: str
) -> None:
    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(VisitTable, request_name, kill)
        with pytest.raises(Killed):
            run(service)
    assert adopted(service).statistics.total == 350
    assert process.total() == 1, "shard 0 is unchanged, so a sole writer reads nothing else"
    assert run(service) == Adoption(adopted=0, already_adopted=350)
    assert process.total() == 351


@pytest.mark.parametrize("request_name", ["open_shard", "touch"])
def test_failed_touch_is_retried(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch, pauses: list[float], request_name: str
) -> None:
    request: Callable[..., object] = getattr(VisitTable, request_name)
    failures = [NoEffect("no connection")] * 3

    def failing(*arguments: object) -> object:
        if failures:
            raise failures.pop()
        return request(*arguments)

    monkeypatch.setattr(VisitTable, request_name, failing)
    assert run(service) == Adoption(adopted=350, already_adopted=0)
    assert len(pauses) == 3
    assert process.total() == 351


# Errors that stay


@pytest.mark.parametrize("fault", [busy_before, closed_before, other_writer_first, raising(no_connection)])
def test_attempts_and_pauses_are_bounded(fault: Fault, pauses: list[float]) -> None:
    service = sample(120)
    service.faults.extend([arrives, *([fault] * 100)])
    with pytest.raises(StorageError):
        run(service)
    assert len(service.attempts) <= 1 + 30
    assert max(pauses) <= 2.0
    service.faults.clear()
    assert run(service).total == 120
    assert_adopted(service, 120, others=len(service.from_elsewhere))


@pytest.mark.parametrize("error", [wrong_key, no_table])
def test_permanent_error_is_not_retried(error: Callable[[], Exception]) -> None:
    service = sample(120)
    service.faults.append(raising(error))
    with pytest.raises(PermanentError):
        run(service)
    assert len(service.attempts) == 1


def test_failed_read_is_retried() -> None:
    service = sample(120)
    service.faults.append(closed_after)
    service.read_errors.extend([no_answer(), None, no_answer()])
    assert run(service) == Adoption(adopted=120, already_adopted=0)
    assert_adopted(service, 120)


def test_app_with_visits_in_shard_0_keeps_them() -> None:
    service = sample(10)
    table = service.visit_table()
    table.commit(0, table.read(0), [Visit.now() for _ in range(5)])
    run(service)
    assert table.read(0).statistics.total == 5
    assert_adopted(service, 10, others=5)
