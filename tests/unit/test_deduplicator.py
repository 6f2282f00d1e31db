from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest

from local import REPOSITORY
from signin.counting import committer as committer_module
from signin.counting import deduplicator as deduplicator_module
from signin.counting import table as table_module
from signin.counting.committer import COMMIT_SECONDS, MAX_WAITING, QUEUE_SECONDS, Committer, NotAcknowledged
from signin.counting.deduplicator import KEY_SECONDS, MAX_KEYS, Deduplicator
from signin.counting.shards import Shards
from signin.counting.table import MAX_VISITS
from signin.visits.visit import Visit
from tests.support.clock import Clock

from .table_service import (
    Fault,
    Gate,
    TableService,
    closed_after,
    closed_before,
    no_answer,
    no_connection,
    raising,
    wrong_key,
)

refused = raising(wrong_key)


class Process:
    """The part of a worker process that counts."""

    def __init__(self, service: TableService) -> None:
        table = service.visit_table()
        shards = Shards(table, max_age=3600)
        self.committer = Committer(table, shards, on_commit=lambda: None)
        self.committer.start()
        self.deduplicator = Deduplicator(self.committer, shards, table)

    async def count(self, visit: Visit, *, is_repeated: bool = False) -> None:
        """Answer a request as the app does."""
        if is_repeated:
            await self.deduplicator.look_up(visit)
        await asyncio.shield(asyncio.wrap_future(self.deduplicator.submit(visit)))


@pytest.fixture
def service() -> TableService:
    return TableService()


@pytest.fixture
def start() -> Iterator[Callable[[TableService], Process]]:
    processes: list[Process] = []

    def start(service: TableService) -> Process:
        processes.append(Process(service))
        return processes[-1]

    yield start
    for process in processes:
        process.committer.close(10)


@pytest.fixture
def process(service: TableService, start: Callable[[TableService], Process]) -> Process:
    return start(service)


@pytest.fixture
def a_single_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time for a commit is over before its first attempt is."""
    monkeypatch.setattr(committer_module, "COMMIT_SECONDS", -1.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(deduplicator_module, "time", clock)
    return clock


def attempts(count: int, key: str | None = None) -> list[Visit]:
    """Attempts at one visit."""
    key = key or token_hex(16)
    return [Visit.now(idempotency_key=key) for _ in range(count)]


async def assert_not_acknowledged(answer: Awaitable[None], recorded: str, reason: str | None = None) -> None:
    with pytest.raises(NotAcknowledged, match=reason) as raised:
        await answer
    assert raised.value.recorded == recorded


# Repetitions that are not marked, as browsers send them by themselves


async def test_repetition_in_flight_shares_the_outcome(service: TableService, process: Process) -> None:
    service.faults.append(gate := Gate())
    both = [asyncio.ensure_future(process.count(attempt)) for attempt in attempts(2)]
    await asyncio.to_thread(gate.wait_until_reached)
    assert not any(answer.done() for answer in both)
    gate.open()
    await asyncio.gather(*both)
    assert service.audited().total == len(service.attempts) == 1


async def test_repetition_of_a_counted_visit_counts_nothing(service: TableService, process: Process) -> None:
    for attempt in attempts(4):
        await process.count(attempt)
    assert service.audited().total == len(service.attempts) == 1


@pytest.mark.usefixtures("a_single_attempt")
async def test_repetition_gets_an_unknown_outcome_too(service: TableService, process: Process) -> None:
    service.faults.append(closed_after)
    for attempt in attempts(3):
        await assert_not_acknowledged(process.count(attempt), "unknown")
    assert service.audited().total == len(service.attempts) == 1


async def test_visit_that_was_not_recorded_may_be_tried_anew(service: TableService, process: Process) -> None:
    service.faults.append(refused)
    first, second, third = attempts(3)
    await assert_not_acknowledged(process.count(first), "no")
    await process.count(second)
    await process.count(third)
    assert service.visits() == [second.key]


async def test_visits_without_a_key_are_all_counted(service: TableService, process: Process) -> None:
    visit = Visit.now()
    await process.count(visit)
    await process.count(Visit.now())
    await process.count(Visit.now(), is_repeated=True)
    assert service.audited().total == 3
    assert not process.deduplicator._attempts
    assert not service.queries


async def test_visits_with_other_keys_are_all_counted(service: TableService, process: Process) -> None:
    for _ in range(3):
        await process.count(*attempts(1))
    assert service.audited().total == 3


async def test_ordinary_visit_sends_no_other_request(service: TableService, process: Process) -> None:
    await process.count(*attempts(1))
    reads = len(service.reads)
    await process.count(*attempts(1))
    assert (len(service.reads), service.queries, service.writes) == (reads, [], 0)


# Memory


async def test_key_is_remembered_for_ten_minutes(service: TableService, process: Process, clock: Clock) -> None:
    first, second, third = attempts(3)
    await process.count(first)
    clock.now += KEY_SECONDS
    await process.count(second)
    assert service.audited().total == 1
    clock.now += 1
    await process.count(third)
    assert service.audited().total == 2
    assert len(process.deduplicator._attempts) == 1


async def test_oldest_key_is_forgotten_first(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deduplicator_module, "MAX_KEYS", 3)
    visits = [attempts(2) for _ in range(4)]
    for first, _ in visits:
        await process.count(first)
    assert list(process.deduplicator._attempts) == [first.idempotency_key for first, _ in visits[1:]]
    for _, second in reversed(visits):
        await process.count(second)
    assert service.audited().total == 5


async def test_rejected_visits_displace_no_key(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process.count(*attempts(1))
    remembered = list(process.deduplicator._attempts)
    monkeypatch.setattr(committer_module, "MAX_WAITING", 0)
    for attempt in attempts(2):
        await assert_not_acknowledged(process.count(attempt), "no", "visits are waiting already")
    assert list(process.deduplicator._attempts) == remembered


def test_visit_in_flight_is_not_forgotten() -> None:
    assert MAX_KEYS > (MAX_WAITING + 1) * MAX_VISITS


# Repetitions that are marked


@pytest.mark.parametrize("shard", ["00", "01", "03"])
async def test_visit_that_another_process_counted_is_found(service: TableService, process: Process, shard: str) -> None:
    for other in ("00", "01", "02", "03"):
        service.commit_from_elsewhere(other)
    first, second, third = attempts(3)
    service.commit_from_elsewhere(shard, first)
    await process.count(second, is_repeated=True)
    assert service.audited().total == 5
    queries = len(service.queries)
    assert queries == 4
    await process.count(third, is_repeated=True)
    assert len(service.queries) == queries, "this process knew the outcome already"


async def test_visit_in_a_closed_shard_is_found(service: TableService, process: Process) -> None:
    service.commit_from_elsewhere("00")
    first, second = attempts(2)
    service.commit_from_elsewhere("01", first)
    table = service.visit_table()
    table.close_shard(1, table.read(1))
    await process.count(second, is_repeated=True)
    assert service.audited().total == 2


async def test_visit_that_is_found_nowhere_is_counted(service: TableService, process: Process) -> None:
    for attempt in attempts(3):
        await process.count(attempt, is_repeated=True)
    service.commit_from_elsewhere("01", *attempts(1))
    service.commit_from_elsewhere("adopted", *attempts(1))
    await process.count(*attempts(1), is_repeated=True)
    assert service.audited().total == 4
    assert [query.split("'")[1] for query in service.queries] == ["00", "01"]


async def test_marked_repetition_in_flight_shares_the_outcome(service: TableService, process: Process) -> None:
    service.faults.append(gate := Gate())
    first, second = attempts(2)
    answer = asyncio.ensure_future(process.count(first))
    await asyncio.to_thread(gate.wait_until_reached)
    repetition = asyncio.ensure_future(process.count(second, is_repeated=True))
    await asyncio.sleep(0)
    gate.open()
    await asyncio.gather(answer, repetition)
    assert (service.audited().total, service.queries) == (1, [])


async def test_concurrent_marked_repetitions_count_once(service: TableService, process: Process) -> None:
    await asyncio.gather(*(process.count(attempt, is_repeated=True) for attempt in attempts(10)))
    assert service.audited().total == 1


async def test_unmarked_attempt_during_a_lookup_counts_once(service: TableService, process: Process) -> None:
    service.commit_from_elsewhere("00")
    is_looking, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        is_looking.set()
        assert may_end.wait(10)

    service.before_pages.append(hold)
    first, second = attempts(2)
    repetition = asyncio.ensure_future(process.count(first, is_repeated=True))
    assert await asyncio.to_thread(is_looking.wait, 10)
    await process.count(second)
    may_end.set()
    await repetition
    assert service.audited().total == 2
    assert second.key in service.visits()


@pytest.mark.usefixtures("a_single_attempt")
@pytest.mark.parametrize("fault", [closed_after, closed_before])
async def test_unknown_outcome_is_looked_up(service: TableService, process: Process, fault: Fault) -> None:
    service.faults.append(fault)
    first, *others = attempts(3)
    await assert_not_acknowledged(process.count(first), "unknown")
    for attempt in others:
        await process.count(attempt, is_repeated=True)
    assert service.audited().total == 1


async def test_refused_visit_may_have_been_counted_elsewhere(service: TableService, process: Process) -> None:
    service.faults.append(refused)
    first, second, third = attempts(3)
    service.commit_from_elsewhere("00", first)
    await assert_not_acknowledged(process.count(second), "no")
    await process.count(third, is_repeated=True)
    assert service.visits() == [first.key]


async def test_lookup_reaches_back_ten_minutes(service: TableService, process: Process) -> None:
    now = datetime.now(UTC)
    for age, total in ((KEY_SECONDS - 60, 1), (KEY_SECONDS + 1, 3)):
        key = token_hex(16)
        row_key = f"{now - timedelta(seconds=age):%Y%m%dT%H%M%S.%fZ}-{key}"
        service.commit_from_elsewhere(
            "00", Visit(row_key, {"OS": "iOS", "Browser": "Safari", "Device": "Phone"}, now, key)
        )
        await process.count(*attempts(1, key), is_repeated=True)
        assert service.audited().total == total


@pytest.mark.parametrize("error", [no_answer, no_connection, wrong_key])
async def test_failed_reading_leaves_the_outcome_unknown(
    service: TableService, process: Process, error: Callable[[], Exception], caplog: pytest.LogCaptureFixture
) -> None:
    service.read_errors.append(error())
    first, second = attempts(2)
    await assert_not_acknowledged(process.count(first, is_repeated=True), "unknown", "Table Storage")
    assert "repeated visits cannot be looked up: Table Storage" in caplog.text
    assert not service.attempts
    await process.count(second, is_repeated=True)
    assert service.audited().total == 1


async def test_failed_query_leaves_the_outcome_unknown(service: TableService, process: Process) -> None:
    service.commit_from_elsewhere("00")

    def fail() -> None:
        raise no_answer()

    service.before_pages.append(fail)
    await assert_not_acknowledged(process.count(*attempts(1), is_repeated=True), "unknown", "did not answer")
    assert service.audited().total == 1


async def test_slow_lookup_leaves_the_outcome_unknown(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deduplicator_module, "_LOOKUP_SECONDS", 0.0)
    await assert_not_acknowledged(process.count(*attempts(1), is_repeated=True), "unknown", "too slow")
    assert not service.attempts


async def test_few_lookups_run_at_once(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def find(key: str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1
        return True

    monkeypatch.setattr(process.deduplicator, "_find", find)
    await asyncio.gather(*(process.count(*attempts(1), is_repeated=True) for _ in range(20)))
    assert most <= 4
    assert not service.attempts


async def test_too_many_lookups_are_rejected_at_once(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deduplicator_module, "_MAX_WAITING", 2)
    ended = threading.Event()
    monkeypatch.setattr(process.deduplicator, "_find", lambda key: ended.wait(10))
    first, second, third = (asyncio.ensure_future(process.count(*attempts(1), is_repeated=True)) for _ in range(3))
    try:
        await assert_not_acknowledged(third, "unknown", "2 repeated visits are being looked up already")
    finally:
        ended.set()
    await asyncio.gather(first, second)


async def test_forgotten_key_is_looked_up(
    service: TableService, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key must not be forgotten between the lookup, which trusts what is remembered, and the submission."""
    key = token_hex(16)
    await process.count(*attempts(1, key))
    remembered = process.deduplicator._attempts
    remembered[key] = (remembered[key][0] - KEY_SECONDS - 1, remembered[key][1])
    looked_up: list[str] = []

    def find(key: str) -> bool:
        looked_up.append(key)
        return True

    monkeypatch.setattr(process.deduplicator, "_find", find)
    await process.count(*attempts(1, key), is_repeated=True)
    assert looked_up == [key]
    assert service.audited().total == 1


# The constants of the page


def of_page(name: str) -> float:
    """A constant of the page's script, in seconds."""
    script = (REPOSITORY / "content/scripts/signin.js").read_text(encoding="utf-8")
    return int(re.findall(rf"^export const {name} = ([\d_]+);$", script, re.MULTILINE)[0]) / 1000


def test_page_repeats_when_no_attempt_is_committed_any_more() -> None:
    options = table_module._REQUEST_OPTIONS
    last_request = options["connection_timeout"] + options["read_timeout"]
    last_attempt = QUEUE_SECONDS + COMMIT_SECONDS + 2 * committer_module._LONGEST_PAUSE
    assert of_page("SETTLED") >= last_attempt + last_request


@pytest.mark.parametrize(
    ("script", "timeout_pattern"),
    [("scripts/api.js", r"^const REQUEST_TIMEOUT = ([\d_]+);"), ("live.js", r"abort\(\), ([\d_]+)\)")],
)
def test_page_repeats_only_while_its_visit_can_be_found(script: str, timeout_pattern: str) -> None:
    text = (REPOSITORY / "content" / script).read_text(encoding="utf-8")
    timeout = int(re.findall(timeout_pattern, text, re.MULTILINE)[0]) / 1000
    differing_clocks = 30.0
    assert of_page("REPEATABLE") + timeout + differing_clocks <= KEY_SECONDS
