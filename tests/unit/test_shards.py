from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from signin.counting.shards import ShardCounter
from signin.counting.table import MAX_SHARDS, OutcomeUnknown, ShardState, StorageError
from signin.visits.statistics import Statistics

MAX_AGE = 1.0


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Shards:
    """The stats rows of the shards 0, 1, …, and a list of what was read."""

    def __init__(self, *totals: int) -> None:
        self.totals = list(totals)
        self.reads: list[int] = []
        self.error: StorageError | None = None

    def read(self, shard: int) -> ShardState:
        self.reads.append(shard)
        if self.error is not None:
            raise self.error
        if shard >= len(self.totals):
            return ShardState(Statistics(), etag=None)
        return ShardState(visitors(self.totals[shard]), etag="an etag")


def visitors(total: int) -> Statistics:
    return Statistics(total, {"iOS": total}, {"Safari": total}, {"Phone": total})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("signin.counting.shards.time", clock)
    return clock


def test_nothing_is_known_at_first() -> None:
    counter = ShardCounter(Shards(), MAX_AGE)
    assert counter.value() == Statistics()
    assert counter.opened == 0
    assert not counter.is_current


def test_the_value_is_the_sum_of_all_shards(clock: Clock) -> None:
    counter = ShardCounter(Shards(3, 4, 5), MAX_AGE)
    counter.refresh()
    assert counter.value() == visitors(12)
    assert counter.opened == 3


def test_a_walk_ends_at_the_first_shard_that_does_not_exist(clock: Clock) -> None:
    shards = Shards(3, 4)
    ShardCounter(shards, MAX_AGE).refresh()
    assert shards.reads == [0, 1, 2]


def test_a_walk_ends_at_the_last_possible_shard(clock: Clock) -> None:
    shards = Shards(*[1] * (MAX_SHARDS + 1))
    counter = ShardCounter(shards, MAX_AGE)
    counter.refresh()
    assert counter.value().total == MAX_SHARDS


def test_what_is_known_of_a_shard_never_becomes_smaller() -> None:
    counter = ShardCounter(Shards(), MAX_AGE)
    for total, known in [(5, 5), (3, 5), (0, 5), (6, 6)]:
        counter.record(0, visitors(total))
        assert counter.value() == visitors(known)


def test_an_old_reading_does_not_undo_a_commit(clock: Clock) -> None:
    """A read may be answered with what the row held before a commit that was recorded meanwhile."""
    shards = Shards(5)
    counter = ShardCounter(shards, MAX_AGE)

    def read_before_the_commit(shard: int) -> ShardState:
        head = Shards.read(shards, shard)
        counter.record(0, visitors(6))
        return head

    shards.read = read_before_the_commit  # type: ignore[method-assign]
    counter.refresh()
    assert counter.value() == visitors(6)


def test_no_thread_ever_sees_the_value_fall() -> None:
    counter = ShardCounter(Shards(), MAX_AGE)
    start = threading.Barrier(4)
    written = threading.Event()

    def write() -> None:
        start.wait()
        for total in range(500):
            for shard in range(3):
                counter.record(shard, visitors(total - shard))
        written.set()

    def watch() -> list[int]:
        start.wait()
        seen = [0]
        while not written.is_set():
            seen.append(counter.value().total)
        return seen

    with ThreadPoolExecutor(4) as pool:
        watching = [pool.submit(watch) for _ in range(3)]
        pool.submit(write).result()
        for watched in watching:
            assert watched.result() == sorted(watched.result())


def test_storage_is_walked_at_most_once_per_interval(clock: Clock) -> None:
    shards = Shards(1)
    counter = ShardCounter(shards, MAX_AGE)
    for _ in range(3):
        counter.refresh()
    assert shards.reads == [0, 1]
    clock.now += MAX_AGE + 0.1
    counter.refresh()
    assert shards.reads == [0, 1, 0, 1]


def test_storage_is_asked_at_most_once_per_interval_also_while_it_fails(clock: Clock) -> None:
    shards = Shards(1)
    shards.error = OutcomeUnknown("down")
    counter = ShardCounter(shards, MAX_AGE)
    for _ in range(3):
        with pytest.raises(StorageError, match="down"):
            counter.refresh()
    assert shards.reads == [0]

    clock.now += MAX_AGE + 0.1
    shards.error = None
    counter.refresh()
    assert counter.value() == visitors(1)


def test_a_failed_walk_leaves_the_value_as_it_was(clock: Clock) -> None:
    shards = Shards(1, 2)
    counter = ShardCounter(shards, MAX_AGE)
    counter.refresh()
    clock.now += MAX_AGE + 0.1
    shards.error = OutcomeUnknown("down")
    with pytest.raises(StorageError):
        counter.refresh()
    assert counter.value() == visitors(3)


def test_telling_many_threads_of_one_failure_keeps_nothing_of_them(clock: Clock) -> None:
    """An exception that is raised again and again collects the frames of everybody who was told."""
    shards = Shards(1)
    shards.error = OutcomeUnknown("down")
    counter = ShardCounter(shards, MAX_AGE)
    for _ in range(100):
        with pytest.raises(StorageError) as told:
            counter.refresh()
    assert len(told.traceback) < 20


def test_many_threads_share_one_walk() -> None:
    shards = Shards(1, 1)
    counter = ShardCounter(shards, max_age=3600)
    start = threading.Barrier(16)

    def refresh() -> int:
        start.wait()
        counter.refresh()
        return counter.value().total

    with ThreadPoolExecutor(16) as pool:
        totals = [future.result() for future in [pool.submit(refresh) for _ in range(16)]]
    assert totals == [2] * 16, "somebody did not wait for the walk"
    assert shards.reads == [0, 1, 2]


def test_many_threads_share_one_failing_walk() -> None:
    shards = Shards(1)
    shards.error = OutcomeUnknown("down")
    counter = ShardCounter(shards, max_age=3600)
    start = threading.Barrier(16)

    def refresh() -> None:
        start.wait()
        counter.refresh()

    with ThreadPoolExecutor(16) as pool:
        errors = [future.exception() for future in [pool.submit(refresh) for _ in range(16)]]
    assert all(isinstance(error, StorageError) for error in errors)
    assert shards.reads == [0]


def test_the_shard_being_committed_to_is_not_read(clock: Clock) -> None:
    shards = Shards(3, 4, 5)
    counter = ShardCounter(shards, MAX_AGE)
    counter.record(1, visitors(4))
    clock.now += MAX_AGE + 0.1
    counter.refresh(committing=1)
    assert shards.reads == [0, 2, 3]


def test_whoever_asks_next_is_not_told_a_value_without_the_shard_that_a_commit_left_out(clock: Clock) -> None:
    """In a new process, /stats may be asked while the first visit's commit is still under way."""
    counter = ShardCounter(Shards(1_000_000, 1), MAX_AGE)
    counter.refresh(committing=0)  # for the visitor who signs in
    counter.refresh()  # for somebody else who wants the statistics
    assert counter.value() == visitors(1_000_001)


def test_a_shard_that_was_just_heard_of_is_not_read(clock: Clock) -> None:
    shards = Shards(3, 4)
    counter = ShardCounter(shards, MAX_AGE)
    counter.record(0, visitors(3))
    counter.refresh()
    assert shards.reads == [1, 2]
    clock.now += MAX_AGE + 0.1
    counter.refresh()
    assert shards.reads == [1, 2, 0, 1, 2]


def test_a_shard_that_another_process_opened_is_found_by_the_next_walk(clock: Clock) -> None:
    shards = Shards(3)
    counter = ShardCounter(shards, MAX_AGE)
    counter.refresh()
    shards.totals.append(4)
    clock.now += MAX_AGE + 0.1
    counter.refresh()
    assert counter.value() == visitors(7)
    assert counter.opened == 2


# For a broadcast


def test_for_a_broadcast_all_shards_are_read_but_the_one_just_committed_to(clock: Clock) -> None:
    shards = Shards(3, 4, 5)
    counter = ShardCounter(shards, MAX_AGE)
    counter.refresh()
    counter.record(1, visitors(4))
    shards.reads.clear()
    counter.read_others()
    assert shards.reads == [0, 2, 3]


def test_for_a_broadcast_that_had_to_wait_the_own_shard_is_read_too(clock: Clock) -> None:
    """Another process may have committed to it and sent more meanwhile."""
    shards = Shards(3)
    counter = ShardCounter(shards, MAX_AGE)
    counter.refresh()
    counter.record(0, visitors(4))
    shards.totals[0] = 5
    clock.now += MAX_AGE / 2
    counter.read_others()
    assert counter.value() == visitors(5)


def test_a_broadcast_may_come_while_the_first_commit_to_a_shard_is_taken_note_of(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter = ShardCounter(Shards(3), MAX_AGE)
    learn = counter._learn

    def look_around_before(shard: int, statistics: Statistics) -> None:
        monkeypatch.setattr(counter, "_learn", learn)
        counter.read_others()
        learn(shard, statistics)

    monkeypatch.setattr(counter, "_learn", look_around_before)
    counter.record(0, visitors(4))
    assert counter.value() == visitors(4)


def test_of_two_processes_that_commit_and_then_read_the_later_one_knows_both(clock: Clock) -> None:
    shards = Shards(0, 0)
    here, there = ShardCounter(shards, MAX_AGE), ShardCounter(shards, MAX_AGE)
    here.refresh()
    there.refresh()
    for shard, counter in enumerate((here, there)):
        shards.totals[shard] = 1
        counter.record(shard, visitors(1))
        counter.read_others()
    assert there.value() == visitors(2)


def test_a_shard_that_was_left_is_read_like_any_other(clock: Clock) -> None:
    shards = Shards(3, 1)
    counter = ShardCounter(shards, MAX_AGE)
    counter.record(0, visitors(3))
    counter.record(1, visitors(1))
    shards.totals[0] = 10
    counter.read_others()
    assert counter.value() == visitors(11)


def test_a_reading_for_a_broadcast_spares_visitors_the_next_walk(clock: Clock) -> None:
    shards = Shards(3, 1)
    counter = ShardCounter(shards, MAX_AGE)
    counter.read_others()
    assert counter.is_current
    counter.refresh()
    assert shards.reads == [0, 1, 2]


# Whether a visitor's answer needs a walk


def test_a_process_that_found_itself_alone_reads_nothing_for_a_visit(clock: Clock) -> None:
    shards = Shards(3)
    counter = ShardCounter(shards, MAX_AGE)
    counter.refresh()
    shards.reads.clear()
    clock.now += 1000 * MAX_AGE
    assert counter.is_current
    counter.record(0, visitors(4))
    counter.read_others()
    assert shards.reads == []


def test_a_process_in_doubt_looks_for_others_again(clock: Clock) -> None:
    shards = Shards(3)
    counter = ShardCounter(shards, MAX_AGE)
    counter.refresh()
    clock.now += 1000 * MAX_AGE
    counter.doubt()
    assert not counter.is_current
    counter.record(0, visitors(4))
    shards.totals = [4, 7]
    counter.read_others()
    assert counter.value() == visitors(11)


def test_a_walk_does_not_settle_a_doubt_that_arose_meanwhile(clock: Clock) -> None:
    """The other shard may have been opened after the walk had passed its place."""
    shards = Shards(3)
    counter = ShardCounter(shards, MAX_AGE)

    def read_and_doubt(shard: int) -> ShardState:
        head = Shards.read(shards, shard)
        counter.doubt()
        return head

    shards.read = read_and_doubt  # type: ignore[method-assign]
    counter.refresh()
    clock.now += MAX_AGE + 0.1
    assert not counter.is_current


def test_with_several_shards_an_old_walk_is_not_current(clock: Clock) -> None:
    counter = ShardCounter(Shards(3, 4), MAX_AGE)
    counter.refresh()
    assert counter.is_current
    clock.now += MAX_AGE + 0.1
    assert not counter.is_current


def test_a_process_whose_walk_failed_does_not_take_itself_to_be_alone(clock: Clock) -> None:
    shards = Shards(3, 4)
    shards.error = OutcomeUnknown("down")
    counter = ShardCounter(shards, MAX_AGE)
    with pytest.raises(StorageError):
        counter.refresh()
    clock.now += MAX_AGE + 0.1
    assert not counter.is_current
