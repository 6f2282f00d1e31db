"""The shards as one process knows them, and which one it commits to."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from azure.data.tables import TableEntity

from signin.counting import shards as shards_module
from signin.counting.errors import EtagMismatch, OutcomeUnknown, StorageError
from signin.counting.rows import ABSENT, ADOPTED, MAX_SHARDS, Partitions, ShardState
from signin.counting.shards import CROWDED, IDLE_SECONDS, Shards
from signin.counting.table import VisitTable
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from tests.support.clock import Clock

from .table_service import TableService, no_answer

MAX_AGE = 1.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, service: TableService) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shards_module, "time", clock)
    service.clock = lambda: datetime.fromtimestamp(clock.now, UTC)
    return clock


@pytest.fixture
def service() -> TableService:
    return TableService()


class Process:
    """A process that commits one visit at a time, with a client of its own whose requests are counted."""

    def __init__(self, service: TableService) -> None:
        self.service = service.to_another_process()
        self.table: VisitTable = self.service.visit_table()
        self.shards = Shards(self.table, MAX_AGE)

    def commit(self) -> None:
        """Commit a visit, and repeat it after a conflict."""
        while True:
            try:
                state = self.shards.writable()
            except EtagMismatch:  # the table was recreated; the next call may succeed
                continue
            try:
                self.shards.committed(self.table.commit(self.shards.own, state, [Visit.now()]))
                return
            except EtagMismatch:
                self.shards.lost_race()

    def visit(self) -> None:
        """Commit a visit and bring the value up to date, as the app does before it acknowledges the visit."""
        self.commit()
        if not self.shards.is_current:
            self.shards.refresh_if_stale()

    def have_conflicts(self) -> None:
        """Have so many conflicts that the process leaves its shard."""
        for _ in range(CROWDED):
            self.shards.lost_race()

    def requests(self, during: Callable[[], object]) -> int:
        """How many requests the call sends."""
        before = self._sent()
        during()
        return self._sent() - before

    def lose_connection(self) -> None:
        """Let every read fail from now on."""

        def fail(*key: str, **options: object) -> TableEntity:
            self.service.reads.append((key[0], key[1]))
            raise no_answer()

        self.service.get_entity = fail  # type: ignore[method-assign]

    def _sent(self) -> int:
        return len(self.service.reads) + len(self.service.attempts) + self.service.writes


@pytest.fixture
def sole_writer(service: TableService, clock: Clock) -> Process:
    """A process that has found out that it is the sole writer."""
    process = Process(service)
    process.visit()
    assert process.shards.is_sole_writer
    return process


def commit_elsewhere(service: TableService, *totals: int) -> None:
    """Let other processes commit so many visits to the shards 0, 1, …"""
    for shard, total in enumerate(totals):
        for _ in range(total):
            service.commit_from_elsewhere(Partitions().of(shard))


# Signs of other processes


def test_process_without_peers_notices_no_change(service: TableService, clock: Clock) -> None:
    """Not even if a reading finds its own commit before the committer has its response."""
    commit_elsewhere(service, 2, 1)
    process = Process(service)
    process.shards.read_all()
    for _ in range(3):
        process.visit()
        process.shards.read_all()
        state = process.shards.writable()
        committed = process.table.commit(0, state, [Visit.now()])
        process.shards.read_all()
        process.shards.committed(committed)
        clock.now += 10.0
    process.shards.writable()
    process.shards.gave_up()
    process.shards.read_all()
    assert process.shards.foreign_changes == 0


def test_commit_that_began_during_a_reading_is_not_foreign(service: TableService) -> None:
    commit_elsewhere(service, 1, 1)  # with an open shard 1, a reading reads all shards
    process = Process(service)
    process.commit()
    read_all = process.table.read_all

    def commit_first(shards: Iterable[int]) -> list[ShardState]:
        process.commit()
        return read_all(shards)

    process.table.read_all = commit_first  # type: ignore[method-assign]
    process.shards.read_all()
    assert process.shards.foreign_changes == 0


@pytest.mark.parametrize("is_committing", [False, True])
def test_conflict_is_a_foreign_change(is_committing: bool, sole_writer: Process, service: TableService) -> None:
    service.commit_from_elsewhere("00")
    if is_committing:
        sole_writer.commit()
    else:
        sole_writer.shards.read_all()
    assert sole_writer.shards.foreign_changes == 1
    sole_writer.shards.read_all()
    assert sole_writer.shards.foreign_changes == 1


def test_reading_notices_a_touch(sole_writer: Process, service: TableService) -> None:
    service.visit_table().touch(0)
    for _ in range(3):
        sole_writer.shards.read_all()
    assert sole_writer.shards.foreign_changes == 1


def test_reading_notices_a_touch_after_a_failed_commit(sole_writer: Process, service: TableService) -> None:
    sole_writer.shards.writable()
    service.visit_table().touch(0)
    sole_writer.shards.read_all()
    assert sole_writer.shards.foreign_changes == 0, "the commit may be the cause"
    sole_writer.shards.gave_up()
    service.visit_table().touch(0)
    sole_writer.shards.read_all()
    assert sole_writer.shards.foreign_changes == 1


def test_reading_notices_commits_to_other_shards(service: TableService) -> None:
    commit_elsewhere(service, 1, 1)
    process = Process(service)
    process.shards.read_all()
    assert process.shards.foreign_changes == 0
    state = service.visit_table().read(1)
    service.visit_table().commit(1, state, [Visit.now()])
    process.shards.writable()  # a commit to shard 0 is under way
    process.shards.read_all()
    assert process.shards.foreign_changes == 1


# The value


def test_new_process_knows_no_visits(service: TableService) -> None:
    shards = Shards(service.visit_table(), MAX_AGE)
    assert shards.value() == Statistics()
    assert shards.totals() == {}
    assert not shards.is_current
    assert not shards.is_sole_writer


def test_value_is_the_sum_of_all_shards(service: TableService) -> None:
    commit_elsewhere(service, 3, 4, 5)
    service.commit_from_elsewhere("adopted")
    shards = Shards(service.visit_table(), MAX_AGE)
    shards.refresh_if_stale()
    assert shards.value() == service.audited()
    assert shards.totals() == {0: 3, 1: 4, 2: 5, ADOPTED: 1}


def test_reading_finds_the_maximum_of_shards(service: TableService) -> None:
    commit_elsewhere(service, *[1] * MAX_SHARDS)
    shards = Shards(service.visit_table(), MAX_AGE)
    shards.refresh_if_stale()
    assert shards.value().total == MAX_SHARDS


def test_known_shards_are_read_in_parallel(service: TableService) -> None:
    commit_elsewhere(service, *[1] * 10)
    table = service.visit_table()
    shards = Shards(table, MAX_AGE)
    shards.read_all()
    read_together: list[list[int]] = []
    read_all = table.read_all
    table.read_all = lambda shards: read_together.append(list(shards)) or read_all(shards)  # type: ignore[method-assign, func-returns-value]
    shards.read_all()
    assert read_together == [[ADOPTED, *range(11)]]


def test_late_response_does_not_undo_a_commit(service: TableService, clock: Clock) -> None:
    """The response to a read may be older than a commit of this process."""
    process = Process(service)
    process.commit()
    read_all = process.table.read_all

    def read_before_the_commit(shards: object) -> list[ShardState]:
        states = read_all(shards)  # type: ignore[arg-type]
        process.commit()
        return states

    process.table.read_all = read_before_the_commit  # type: ignore[method-assign]
    process.shards.read_all()
    assert process.shards.value().total == 2


def test_value_never_falls_in_any_thread(service: TableService) -> None:
    process = Process(service)
    start, written = threading.Barrier(4), threading.Event()

    def write() -> None:
        start.wait()
        for _ in range(300):
            process.commit()
        written.set()

    def watch() -> list[int]:
        start.wait()
        seen = [0]
        while not written.is_set():
            process.shards.read_all()
            seen.append(process.shards.value().total)
        return seen

    with ThreadPoolExecutor(4) as pool:
        watching = [pool.submit(watch) for _ in range(3)]
        pool.submit(write).result(60)
        for watched in watching:
            assert watched.result(60) == sorted(watched.result())


# When the table is read


def test_fresh_value_is_not_refreshed(service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, 1, 1)
    process = Process(service)
    process.shards.refresh_if_stale()
    assert process.shards.is_current
    assert process.requests(process.shards.refresh_if_stale) == 0
    clock.now += MAX_AGE
    assert not process.shards.is_current
    assert process.requests(process.shards.refresh_if_stale) > 0


def test_failing_table_is_read_once_per_interval(service: TableService, clock: Clock) -> None:
    process = Process(service)
    process.lose_connection()
    for _ in range(3):
        with pytest.raises(StorageError, match="did not answer"):
            process.shards.refresh_if_stale()
    assert Counter(process.service.reads)["adopted", "stats"] == 1
    clock.now += MAX_AGE
    with pytest.raises(StorageError, match="did not answer"):
        process.shards.refresh_if_stale()
    assert Counter(process.service.reads)["adopted", "stats"] == 2


def test_failed_reading_keeps_the_known_value(service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, 1, 2)
    process = Process(service)
    process.shards.refresh_if_stale()
    process.lose_connection()
    clock.now += MAX_AGE
    with pytest.raises(StorageError):
        process.shards.read_all()
    assert process.shards.value().total == 3


def test_shared_failure_keeps_no_frames(service: TableService, clock: Clock) -> None:
    """The same exception, raised again, would collect the frames of all its callers."""
    process = Process(service)
    process.lose_connection()
    for _ in range(100):
        with pytest.raises(StorageError) as raised:
            process.shards.refresh_if_stale()
    assert len(raised.traceback) < 20


@pytest.mark.parametrize("fails", [False, True])
def test_concurrent_callers_share_one_reading(service: TableService, fails: bool) -> None:
    commit_elsewhere(service, 1, 1)
    process = Process(service)
    process.shards = Shards(process.table, max_age=3600)
    if fails:
        process.lose_connection()
    start = threading.Barrier(16)

    def refresh() -> int:
        start.wait()
        process.shards.refresh_if_stale()
        return process.shards.value().total

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(refresh) for _ in range(16)]
        results = [isinstance(future.exception(), StorageError) if fails else future.result() for future in futures]
    assert results == [True if fails else 2] * 16
    assert max(Counter(process.service.reads).values()) == 1, "a shard was read twice"


def test_read_all_begins_after_the_call(service: TableService, clock: Clock) -> None:
    process = Process(service)
    process.shards.refresh_if_stale()
    commit_elsewhere(service, 1)
    clock.now += 0.001
    assert process.shards.read_all(), "the visit was not known"
    assert process.shards.value().total == 1
    assert not process.shards.read_all()


def test_broadcast_reads_earlier_commits(service: TableService, clock: Clock) -> None:
    here, there = Process(service), Process(service)
    for process in (here, there):
        process.visit()
    there.have_conflicts()
    for process in (here, there):
        process.commit()
        clock.now += 0.001
        process.shards.read_others()
    assert there.shards.value().total == 4


def test_broadcast_shares_the_reading_of_its_visit(service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, 1, 1)
    process = Process(service)
    process.commit()
    clock.now += 0.001
    process.shards.refresh_if_stale()
    assert process.requests(process.shards.read_others) == 0
    clock.now += MAX_AGE / 2
    assert process.requests(process.shards.read_others) > 0, "others may have committed since"


# Sole writer


def test_sole_writer_sends_one_request_per_visit(sole_writer: Process, clock: Clock) -> None:
    for _ in range(20):
        clock.now += 1000 * MAX_AGE
        assert sole_writer.requests(sole_writer.visit) == 1
        assert sole_writer.requests(sole_writer.shards.read_others) == 0
    assert sole_writer.shards.value().total == 21


def test_sole_writer_needs_one_read_for_stats(sole_writer: Process, clock: Clock) -> None:
    clock.now += 1000 * MAX_AGE
    assert sole_writer.requests(sole_writer.shards.read_all) == 1
    assert sole_writer.shards.is_sole_writer


def test_process_without_visits_needs_one_read(service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, 2)
    reader = Process(service)
    reader.shards.read_all()
    clock.now += 1.0
    reader.shards.read_all()  # after the ETag of shard 0 was learnt
    clock.now += 1.0
    assert reader.requests(reader.shards.read_all) == 1
    commit_elsewhere(service, 1)
    clock.now += 1.0
    reader.shards.read_all()
    assert reader.shards.value().total == 3


@pytest.mark.parametrize("name", ["00", "01"])
def test_sole_writer_learns_of_foreign_commits(
    name: str, sole_writer: Process, service: TableService, clock: Clock
) -> None:
    service.commit_from_elsewhere(name)
    clock.now += MAX_AGE
    sole_writer.visit()
    assert sole_writer.shards.value().total == 3


def test_one_read_finds_an_open_shard(sole_writer: Process, service: TableService, clock: Clock) -> None:
    service.commit_from_elsewhere("01")
    clock.now += 1.0
    sole_writer.shards.read_all()
    assert sole_writer.shards.value().total == 2
    assert not sole_writer.shards.is_sole_writer, "shard 1 is open"


def test_one_read_finds_a_change_that_the_committer_found(
    sole_writer: Process, service: TableService, clock: Clock
) -> None:
    """The committer learns the new ETag of shard 0 while the read for `/stats` is under way."""
    service.commit_from_elsewhere("01")
    clock.now += 1.0
    read = sole_writer.table.read

    def read_before_the_conflict(shard: int) -> ShardState:
        sole_writer.table.read = read  # type: ignore[method-assign]
        state = read(shard)
        sole_writer.shards.lost_race()
        sole_writer.shards.writable()
        return state

    sole_writer.table.read = read_before_the_conflict  # type: ignore[method-assign]
    sole_writer.shards.read_all()
    assert sole_writer.shards.value().total == 2


def test_reading_before_a_conflict_proves_nothing(service: TableService, clock: Clock) -> None:
    """Another shard may have been opened after its row was read."""
    process = Process(service)
    process.commit()
    read_all = process.table.read_all

    def read_before_the_conflict(shards: object) -> list[ShardState]:
        states = read_all(shards)  # type: ignore[arg-type]
        process.shards.lost_race()
        return states

    process.table.read_all = read_before_the_conflict  # type: ignore[method-assign]
    process.shards.read_all()
    assert not process.shards.is_sole_writer


def test_failed_reading_proves_nothing(service: TableService, clock: Clock) -> None:
    process = Process(service)
    process.commit()
    process.lose_connection()
    with pytest.raises(StorageError):
        process.shards.refresh_if_stale()
    assert not process.shards.is_sole_writer


def test_peers_are_remembered_for_some_intervals(sole_writer: Process, service: TableService, clock: Clock) -> None:
    clock.now += 100 * MAX_AGE
    assert not sole_writer.shards.may_have_peers
    service.commit_from_elsewhere("00")
    sole_writer.visit()
    assert sole_writer.shards.is_sole_writer
    clock.now += 3 * MAX_AGE
    assert sole_writer.shards.may_have_peers
    clock.now += 2 * MAX_AGE
    assert not sole_writer.shards.may_have_peers


# Moving


def test_move_changes_the_etag_of_shard_0(sole_writer: Process, service: TableService) -> None:
    other = Process(service)
    other.have_conflicts()
    etag = service.visit_table().read(0).etag
    other.shards.writable()
    assert other.shards.own == 1
    assert service.visit_table().read(0).etag != etag


def test_reread_etag_is_announced_before_a_commit(service: TableService, clock: Clock) -> None:
    process = Process(service)
    process.commit()
    process.have_conflicts()
    process.commit()
    assert process.shards.own == 1
    assert process.requests(process.commit) == 1, "the ETag of its own last commit is known"
    service.commit_from_elsewhere("01")
    before = service.visit_table().read(0).etag
    process.commit()
    assert service.visit_table().read(0).etag != before


def test_closed_shard_is_taken_before_a_new_one(service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, 1, 1, 1, 1)
    table = service.visit_table()
    table.close_shard(2, table.read(2))
    process = Process(service)
    process.visit()
    process.have_conflicts()
    process.visit()
    assert process.shards.own == 2
    assert not table.read(2).is_closed
    assert process.shards.value() == service.audited()


def test_process_leaves_its_closed_shard(service: TableService, clock: Clock) -> None:
    process = Process(service)
    process.commit()
    process.have_conflicts()
    process.commit()
    table = service.visit_table()
    table.close_shard(1, table.read(1))
    process.commit()
    assert process.shards.own == 0
    assert table.read(1).is_closed
    assert service.audited().total == 3


def test_closed_shard_rejects_earlier_etags(service: TableService, clock: Clock) -> None:
    process = Process(service)
    process.commit()
    process.have_conflicts()
    state = process.shards.writable()
    table = service.visit_table()
    table.close_shard(1, table.read(1))
    with pytest.raises(EtagMismatch):
        process.table.commit(1, state, [Visit.now()])


# Closing


def test_lone_visit_after_a_peak_costs_one_request(service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, *[2] * 20)
    process = Process(service)
    process.visit()
    assert process.requests(process.visit) == 1, "a visit within the interval"
    clock.now += MAX_AGE
    assert process.requests(process.visit) > 20
    clock.now += IDLE_SECONDS
    process.visit()  # closes the other shards
    assert all(service.visit_table().read(shard).is_closed for shard in range(1, 20))
    clock.now += MAX_AGE
    assert process.requests(process.visit) == 1
    assert process.shards.value() == service.audited()


def test_shard_in_use_stays_open(service: TableService, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "CROWDED", 10**9)  # each commit elsewhere is a conflict in shard 0
    commit_elsewhere(service, 1, 1, 1)
    process = Process(service)
    process.visit()
    for _ in range(5):
        clock.now += IDLE_SECONDS / 2
        service.commit_from_elsewhere("02")
        process.visit()
    table = service.visit_table()
    assert table.read(1).is_closed
    assert not table.read(2).is_closed
    assert process.shards.value() == service.audited()


def test_process_returns_to_an_idle_shard_0(service: TableService, clock: Clock) -> None:
    process = Process(service)
    process.visit()
    process.have_conflicts()
    process.visit()
    assert process.shards.own == 1
    for _ in range(3):
        clock.now += IDLE_SECONDS
        process.visit()
    assert process.shards.own == 0
    clock.now += IDLE_SECONDS
    process.visit()
    clock.now += MAX_AGE
    process.visit()
    assert service.visit_table().read(1).is_closed
    assert process.requests(process.visit) == 1


def test_shard_that_changes_is_not_closed(service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, 1, 1)
    process = Process(service)
    process.visit()
    clock.now += IDLE_SECONDS
    close_shard = process.table.close_shard

    def close_after_a_commit(shard: int, state: ShardState) -> ShardState:
        service.commit_from_elsewhere(Partitions().of(shard))
        return close_shard(shard, state)

    process.table.close_shard = close_after_a_commit  # type: ignore[method-assign]
    process.visit()
    assert not service.visit_table().read(1).is_closed
    assert not process.shards.is_sole_writer


def test_new_process_closes_what_is_idle_already(service: TableService, clock: Clock) -> None:
    """In a quiet hour each visit may meet a new process, which has not seen for how long the shards were unchanged."""
    commit_elsewhere(service, *[2] * 20)
    clock.now += IDLE_SECONDS
    process = Process(service)
    process.visit()
    assert all(service.visit_table().read(shard).is_closed for shard in range(1, 20))
    clock.now += MAX_AGE
    assert process.requests(process.visit) == 1


# A recreated table


@pytest.mark.parametrize("new", [0, 1, 3])
def test_commit_notices_a_recreated_table(new: int, service: TableService, clock: Clock) -> None:
    process = Process(service)
    for _ in range(5):
        process.visit()
    service.recreate()
    commit_elsewhere(service, new)
    clock.now += MAX_AGE
    process.visit()
    assert process.shards.value().total == service.audited().total == new + 1


@pytest.mark.parametrize("new", [0, 1, 3])
def test_reading_notices_a_recreated_table(new: int, service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, 5, 5, 5)
    process = Process(service)
    process.shards.read_all()
    service.recreate()
    commit_elsewhere(service, *[new] * (new > 0))
    clock.now += 1.0
    process.shards.read_all()
    assert process.shards.value().total == new
    assert process.shards.totals() == ({0: new} if new else {})


def test_sole_writer_notices_a_recreated_table(sole_writer: Process, service: TableService, clock: Clock) -> None:
    service.recreate()
    clock.now += 1.0
    sole_writer.shards.read_all()
    assert sole_writer.shards.value().total == 0


def test_process_in_shard_1_starts_over_in_shard_0(service: TableService, clock: Clock) -> None:
    process = Process(service)
    process.visit()
    process.have_conflicts()
    process.visit()
    service.recreate()
    process.visit()
    assert process.shards.own == 0
    assert service.audited().total == 1


def test_process_opens_no_shard_behind_a_gap(
    service: TableService, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_elsewhere(service, 1, 1, 1, 1)
    process = Process(service)
    process.visit()
    service.recreate()
    commit_elsewhere(service, 1)
    monkeypatch.setattr("signin.counting.shards.random.choice", max)
    process.have_conflicts()
    process.commit()
    process.shards.read_all()
    assert process.shards.own == 0
    assert process.shards.value().total == 2


def test_recreated_table_with_as_many_visits_is_noticed(service: TableService, clock: Clock) -> None:
    table = service.visit_table()
    table.commit(0, ABSENT, [Visit("1", {"OS": "iOS", "Browser": "Safari"}, datetime.now(UTC))])
    process = Process(service)
    process.shards.read_all()
    assert process.shards.value().counts["OS"] == {"iOS": 1}
    service.recreate()
    table.commit(0, ABSENT, [Visit("2", {"OS": "Windows", "Browser": "Edge"}, datetime.now(UTC))])
    clock.now += 1.0
    process.shards.read_all()
    assert process.shards.value() == service.audited()


def test_recreated_table_is_noticed_without_a_clock_tick(service: TableService, clock: Clock) -> None:
    """On Windows the clock may advance in steps of 15.6 ms, so that a commit and a later reading have the same time."""
    process = Process(service)
    process.commit()
    service.recreate()
    process.shards.read_all()
    assert process.shards.value() == Statistics()


def test_shard_behind_a_gap_gets_no_visit(service: TableService, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes know the shards of the old table, and go on in the same one of the new table."""
    commit_elsewhere(service, 1, 1, 1)
    processes = [Process(service), Process(service)]
    for process in processes:
        process.visit()
    service.recreate()
    commit_elsewhere(service, 1)
    monkeypatch.setattr("signin.counting.shards.random.choice", max)
    for process in processes:
        process.have_conflicts()
        process.commit()
        assert process.shards.own == 0
    reader = Process(service)
    reader.shards.read_all()
    assert reader.shards.value().total == 3


def test_process_that_knows_a_gap_does_not_reopen_a_shard(service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, 1)
    table = service.visit_table()
    table.close_shard(3, ABSENT)
    process = Process(service)
    process.shards._known[3] = table.read(3)
    process.have_conflicts()
    process.commit()
    assert process.shards.own == 0
    assert table.read(3).is_closed


def test_total_corrected_by_an_operator_is_shown(service: TableService, clock: Clock) -> None:
    commit_elsewhere(service, 3)
    process = Process(service)
    process.shards.read_all()
    table = service.visit_table()
    state = table.read(0)
    corrected = ShardState(Statistics.of([Visit.now()]), None)
    service.remove("00", "stats")
    table.open_shard(0, corrected)
    assert state.statistics.total == 3
    clock.now += 1.0
    process.shards.read_all()
    assert process.shards.value().total == 1


def test_emptied_table_is_not_filled_from_memory(service: TableService, clock: Clock) -> None:
    process = Process(service)
    process.visit()
    process.shards.lose_etag()
    service.recreate()
    process.shards.writable()
    assert process.shards.value() == Statistics()
    assert service.visit_table().read(0) == ABSENT


def test_touch_without_answer_is_repeated(service: TableService, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(service)
    process.commit()
    process.have_conflicts()
    touch = process.table.touch
    failures = iter([OutcomeUnknown("no answer")])

    def unreliable_touch(shard: int) -> None:
        touch(shard)
        if (failure := next(failures, None)) is not None:
            raise failure

    monkeypatch.setattr(process.table, "touch", unreliable_touch)
    with pytest.raises(OutcomeUnknown):
        process.shards.writable()
    assert process.shards.own == 0, "it has not moved yet"
    process.commit()
    assert process.shards.own == 1
    assert service.audited().total == 2
