from __future__ import annotations

import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from signin.counting.committer import Committer
from signin.counting.shards import ShardCounter
from signin.counting.table import MAX_VISITS, PermanentError, StorageError
from signin.operators.adopt import Adoption, adopt, sample_visits
from signin.operators.audit import audit
from signin.visits.visit import Visit

from .table_service import (
    Attempt,
    Fault,
    Reply,
    TableService,
    arrives,
    busy,
    failed_after_commit,
    held_up,
    late_one_arrives_first,
    no_answer,
    no_connection,
    no_table,
    other_writer_first,
    raising,
    reply_cut_short,
    reply_lost,
    request_lost,
    wrong_key,
)

AT = datetime(2018, 7, 16, 9, 30, 0, 123456, tzinfo=UTC)
PLATFORMS = [("Windows 10", "Chrome"), ("Mac OS X", "Safari"), ("iOS", "Mobile Safari"), ("Windows 7", "IE")]


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which take no time."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


def guids(count: int, seed: int = 1) -> list[str]:
    numbers = random.Random(seed)
    return [str(UUID(int=numbers.getrandbits(128), version=4)) for _ in range(count)]


def sample(count: int, seed: int = 1, service: TableService | None = None) -> TableService:
    """A table in which the C# sample has recorded so many visits."""
    service = service or TableService()
    for number, guid in enumerate(guids(count, seed)):
        os, browser = PLATFORMS[number % len(PLATFORMS)]
        service.put("SignIn", guid, at=AT + timedelta(minutes=number), OS=os, Browser=browser)
    return service


def run(service: TableService) -> Adoption:
    return adopt(service.visit_table(), lambda rows: None)


def assert_adopted(service: TableService, count: int, others: int = 0) -> None:
    """Every visit of the sample is counted once, and so is every other one."""
    result = audit(service.visit_table(), lambda rows: None)
    assert list(result.problems()) == []
    assert sum(shard.counted.total for shard in result.shards) == count + others


def test_visits_are_counted_by_the_labels_and_times_of_their_rows() -> None:
    service = sample(4)
    assert run(service) == Adoption(adopted=4, already_adopted=0)
    statistics = service.visit_table().read(0).statistics
    assert statistics.by_os == {"Windows": 2, "macOS": 1, "iOS": 1}
    assert statistics.by_browser == {"Chrome": 1, "Safari": 2, "Internet Explorer": 1}
    assert statistics.by_device == {"Other": 4}
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
def test_a_system_as_the_sample_named_it_has_a_label(family: str, label: str) -> None:
    service = TableService()
    service.put("SignIn", guids(1)[0], at=AT, OS=family, Browser="Chrome")
    run(service)
    assert service.visit_table().read(0).statistics.by_os == {label: 1}


def test_a_row_without_labels_counts_as_other() -> None:
    service = TableService()
    service.put("SignIn", guids(1)[0], at=AT)
    run(service)
    assert service.visit_table().read(0).statistics.by_browser == {"Other": 1}


def test_an_adopted_visit_has_the_time_of_the_samples_row() -> None:
    service = sample(1)
    run(service)
    [visit] = service.visit_table().visits(0)
    assert isinstance(visit, Visit)
    assert visit.at == AT


def test_adopted_visits_lie_before_all_others_and_in_the_order_of_the_samples_rows() -> None:
    service = sample(300)
    service.commit_from_elsewhere("00")
    run(service)
    keys = [row["RowKey"] for row in service.visit_table().rows("00")]
    assert [key[9:45] for key in keys[:300]] == sorted(guids(300))
    assert keys[300:] == [*service.from_elsewhere, "stats"]


def test_the_samples_rows_stay_as_they_are() -> None:
    service = sample(150)
    before = list(service.visit_table().rows("SignIn"))
    run(service)
    assert list(service.visit_table().rows("SignIn")) == before


def test_a_run_alone_sends_a_transaction_for_99_visits_and_reads_the_stats_row_once() -> None:
    service = sample(1000)
    run(service)
    assert [len(attempt.operations) - 1 for attempt in service.attempts] == [MAX_VISITS] * 10 + [10]
    assert service.reads == [("00", "stats")]


def test_progress_is_told_of_every_row() -> None:
    service = sample(300)
    for expected in range(2):
        told: list[int] = []
        adopt(service.visit_table(), told.append)
        assert sum(told) == 300, f"in run {expected}"


def test_without_rows_of_the_sample_nothing_is_written() -> None:
    service = TableService()
    assert run(service) == Adoption(0, 0)
    assert not service.attempts
    assert not service.reads


def test_a_second_run_finds_everything_adopted_and_sends_nothing_but_pages() -> None:
    service = sample(2500)
    run(service)
    service.attempts.clear()
    service.reads.clear()
    service.pages = 0
    assert run(service) == Adoption(adopted=0, already_adopted=2500)
    assert not service.attempts
    assert not service.reads
    assert service.pages == 3 + 3, "the sample's rows and the adopted ones, 1,000 a page"


def test_rows_that_the_sample_added_since_are_adopted_by_the_next_run() -> None:
    service = sample(1200)
    run(service)
    sample(30, seed=2, service=service)
    service.attempts.clear()
    assert run(service) == Adoption(adopted=30, already_adopted=1200)
    assert len(service.attempts) == 1
    assert_adopted(service, 1230)


# Whatever becomes of a transaction

FAULTS = [
    request_lost,
    reply_lost,
    reply_cut_short,
    failed_after_commit,
    busy,
    raising(no_connection),
    other_writer_first,
    held_up,
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("again", [1, 2, 3])
@pytest.mark.parametrize("number", range(3))
def test_a_transaction_that_meets_with_a_fault_adopts_its_visits_once(fault: Fault, again: int, number: int) -> None:
    service = sample(250)
    service.faults.extend([arrives] * number + [fault] * again)
    assert run(service) == Adoption(adopted=250, already_adopted=0)
    service.deliver_late()
    assert_adopted(service, 250, others=len(service.from_elsewhere))


def test_a_late_transaction_that_arrives_just_before_its_repetition_counts_once() -> None:
    service = sample(99)
    service.faults.extend([held_up, late_one_arrives_first])
    assert run(service) == Adoption(adopted=99, already_adopted=0)
    assert_adopted(service, 99)


@pytest.mark.parametrize("seed", range(60))
def test_any_sequence_of_faults_adopts_every_visit_once(seed: int) -> None:
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
        pytest.fail("it does not come to an end")
    assert result.total == 300
    service.deliver_late()
    assert_adopted(service, 300, others=len(service.from_elsewhere))


# Whenever it is killed


class Killed(BaseException):
    """What SIGKILL looks like from the inside, were there anything to be seen."""


def killed_before(attempt: Attempt) -> Reply:
    raise Killed


def killed_after(attempt: Attempt) -> Reply:
    attempt.arrive()
    raise Killed


def killed_with_the_request_on_its_way(attempt: Attempt) -> Reply:
    attempt.service.late.append(attempt)
    raise Killed


KILLED: Sequence[Fault] = [killed_before, killed_after, killed_with_the_request_on_its_way]


@pytest.mark.parametrize("killed", KILLED)
@pytest.mark.parametrize("number", range(4))
def test_a_run_that_is_killed_is_finished_by_the_next(killed: Fault, number: int) -> None:
    service = sample(350)
    service.faults.extend([arrives] * number + [killed])
    with pytest.raises(Killed):
        run(service)
    already = service.visit_table().read(0).statistics.total
    assert already == min(MAX_VISITS * (number + (killed is killed_after)), 350)
    assert run(service) == Adoption(adopted=350 - already, already_adopted=already)
    service.deliver_late()
    assert_adopted(service, 350)


@pytest.mark.parametrize("number", range(4))
def test_what_a_killed_run_left_on_its_way_counts_once_whenever_it_arrives(number: int) -> None:
    service = sample(350)
    service.faults.extend([killed_with_the_request_on_its_way, *([arrives] * number), late_one_arrives_first])
    with pytest.raises(Killed):
        run(service)
    assert run(service).total == 350
    assert_adopted(service, 350)


# With others at the same time


@pytest.mark.parametrize("number", range(4))
def test_two_runs_at_the_same_time_adopt_every_visit_once(number: int) -> None:
    """The other one does all its work while one transaction of the first is on its way."""
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


def test_two_runs_in_turn_adopt_every_visit_once() -> None:
    """Each transaction of one meets one of the other, whose visits are in part the same."""
    service = sample(1000)
    rival = sample(1000, service=TableService())
    keys = iter([row["RowKey"] for row in rival.visit_table().rows("SignIn")][50:])

    def rival_first(attempt: Attempt) -> Reply:
        wanted = {next(keys) for _ in range(60)}
        visits = [visit for visit, is_adopted in sample_visits(rival.visit_table())]
        table = service.visit_table()
        new = [visit for visit in visits if visit.key[9:45] in wanted and not table.holds(0, visit)]
        table.commit(0, table.read(0), new)
        return attempt.arrive()

    for _ in range(6):
        service.faults.extend([rival_first, arrives, arrives, arrives])
    result = run(service)
    assert result.total == 1000
    assert 0 < result.already_adopted < 1000
    assert_adopted(service, 1000)


def test_an_app_that_counts_in_the_same_shard_costs_a_read_and_no_more(pauses: list[float]) -> None:
    service = sample(300)
    service.faults.extend([arrives, other_writer_first])
    assert run(service) == Adoption(adopted=300, already_adopted=0)
    assert service.reads == [("00", "stats")] * 2, "the stats row, at the beginning and after the conflict"
    assert len(pauses) == 1
    assert_adopted(service, 300, others=1)


def test_a_busy_app_leaves_the_shard_to_the_adoption_also_where_that_is_far_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The app commits every 5 ms, and a transaction of the adoption takes 150 ms to arrive."""
    service = sample(300)
    table = service.to_another_process().visit_table()
    app = Committer(table, ShardCounter(table, max_age=1.0), on_commit=lambda: None)
    counted = 0

    def pass_time(seconds: float) -> None:
        nonlocal counted
        for _ in range(round(seconds / 0.005)):
            app.submit(Visit.now()).result()
            counted += 1

    def from_afar(attempt: Attempt) -> Reply:
        pass_time(0.15)
        return attempt.arrive()

    monkeypatch.setattr(time, "sleep", pass_time)
    service.faults.extend([from_afar] * 1000)
    assert run(service) == Adoption(adopted=300, already_adopted=0)
    app.close(timeout=10)
    assert app.shard == 1
    assert len(service.attempts) < 10
    assert_adopted(service, 300, others=counted)


def test_what_another_run_has_adopted_is_not_taken_for_ones_own_after_a_read_without_an_answer() -> None:
    service = sample(99)

    def other_run_first(attempt: Attempt) -> Reply:
        run(service)
        service.read_errors.append(no_answer())
        return attempt.arrive()

    service.faults.append(other_run_first)
    assert run(service) == Adoption(adopted=0, already_adopted=99)


# When there is no hope


@pytest.mark.parametrize("fault", [busy, request_lost, other_writer_first, raising(no_connection)])
def test_tries_are_bounded_in_number_and_pauses_in_length(fault: Fault, pauses: list[float]) -> None:
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
def test_what_is_refused_is_not_asked_again(error: object) -> None:
    service = sample(120)
    service.faults.append(raising(error))  # type: ignore[arg-type]
    with pytest.raises(PermanentError):
        run(service)
    assert len(service.attempts) == 1


def test_a_read_that_fails_is_tried_again() -> None:
    service = sample(120)
    service.faults.append(reply_lost)
    service.read_errors.extend([no_answer(), None, no_answer()])
    assert run(service) == Adoption(adopted=120, already_adopted=0)
    assert_adopted(service, 120)


def test_adopting_goes_on_from_a_shard_that_the_app_has_filled() -> None:
    service = sample(10)
    table = service.visit_table()
    table.commit(0, table.read(0), [Visit.now() for _ in range(5)])
    run(service)
    assert_adopted(service, 10, others=5)
