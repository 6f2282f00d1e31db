"""The broadcast lease, and processes that share it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from azure.data.tables import EdmType, EntityProperty, TableEntity

from signin.counting import shards as shards_module
from signin.counting.errors import EtagMismatch, OutcomeUnknown
from signin.counting.rows import ADOPTED, Partitions
from signin.live import broadcaster as broadcaster_module
from signin.live import lease as lease_module
from signin.live.hub import SignalRError
from signin.live.lease import BroadcastLease, Lease
from signin.visits.visit import Visit

from .broadcasting import INTERVAL, Process, Sent, Start, starting
from .table_service import TableService
from .virtual_time import VirtualTime

ROW_KEY = "turn"


@pytest.fixture
def service() -> TableService:
    return TableService()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> VirtualTime:
    return VirtualTime(monkeypatch, broadcaster_module, lease_module, shards_module)


@pytest.fixture
def lease(service: TableService, time: VirtualTime) -> BroadcastLease:
    return BroadcastLease(service.visit_table())


def read_elsewhere(service: TableService) -> Lease:
    """The lease as another process reads it."""
    return BroadcastLease(service.visit_table()).read()


def seconds(*values: float) -> Any:
    """So many seconds, or a list of times; to the millisecond."""
    return pytest.approx(values[0] if len(values) == 1 else list(values), abs=0.001)


# The lease


def test_lease_is_free_before_the_first_broadcast(lease: BroadcastLease) -> None:
    assert lease.read() == Lease()
    assert lease.read().remaining <= 0
    assert lease.read().sent == {}


def test_lease_lasts_for_all_processes(service: TableService, time: VirtualTime, lease: BroadcastLease) -> None:
    lease.acquire(lease.read(), 60.0)
    time.advance(20.0)
    assert lease.read().remaining == seconds(40.0)
    assert read_elsewhere(service).remaining == seconds(40.0)


def test_lease_expires_after_its_seconds(service: TableService, time: VirtualTime, lease: BroadcastLease) -> None:
    lease.acquire(lease.read(), 60.0)
    time.advance(60.0)
    assert lease.read().remaining <= 0
    assert read_elsewhere(service).remaining <= 0


def test_lease_begins_before_it_is_written(
    service: TableService, time: VirtualTime, lease: BroadcastLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = lease._table.write

    def write_slowly(row: TableEntity, etag: str | None) -> str:
        time.advance(5.0)
        return write(row, etag)

    monkeypatch.setattr(lease._table, "write", write_slowly)
    assert lease.acquire(lease.read(), 60.0).remaining == seconds(55.0)
    assert lease.read().remaining == seconds(55.0)
    assert read_elsewhere(service).remaining == seconds(55.0)


def test_only_one_process_acquires_the_lease(service: TableService, lease: BroadcastLease) -> None:
    other = BroadcastLease(service.visit_table())
    for duration in (0.0, 60.0):  # the first lease, which creates the row, and the second
        last, last_of_other = lease.read(), other.read()
        lease.acquire(last, duration)
        with pytest.raises(EtagMismatch):
            other.acquire(last_of_other, duration)


def test_former_holder_cannot_record_totals(service: TableService, lease: BroadcastLease) -> None:
    former = lease.acquire(lease.read(), 0.0)
    other = BroadcastLease(service.visit_table())
    other.acquire(other.read(), 60.0)
    with pytest.raises(EtagMismatch):
        lease.record_sent(former, {0: 5})


def test_sent_totals_are_known_to_all_processes(service: TableService, lease: BroadcastLease) -> None:
    sent = {0: 5, 3: 1, ADOPTED: 2**40}
    lease.record_sent(lease.acquire(lease.read(), 60.0), sent)
    assert lease.read().sent == sent
    assert read_elsewhere(service).sent == sent


def test_recording_does_not_extend_the_lease(service: TableService, time: VirtualTime, lease: BroadcastLease) -> None:
    held = lease.acquire(lease.read(), 60.0)
    time.advance(20.0)
    lease.record_sent(held, {0: 5})
    assert lease.read().remaining == seconds(40.0)
    assert read_elsewhere(service).remaining == seconds(40.0)


def test_recording_after_expiry_leaves_the_lease_free(
    service: TableService, time: VirtualTime, lease: BroadcastLease
) -> None:
    held = lease.acquire(lease.read(), 60.0)
    time.advance(70.0)
    lease.record_sent(held, {0: 5})
    assert lease.read().remaining <= 0
    assert read_elsewhere(service).remaining <= 0


def test_dead_holder_has_sent_nothing_more(service: TableService, lease: BroadcastLease) -> None:
    lease.record_sent(lease.acquire(lease.read(), 0.0), {0: 5})
    lease.acquire(lease.read(), 0.0)
    assert read_elsewhere(service).sent == {0: 5}


@pytest.mark.parametrize("ahead", [timedelta(days=1), timedelta(days=-1)], ids=["ahead", "behind"])
def test_wrong_clock_does_not_extend_the_lease(
    ahead: timedelta, service: TableService, time: VirtualTime, lease: BroadcastLease
) -> None:
    at = (time.utc + ahead).isoformat()
    service.put(Partitions().lease, ROW_KEY, At=at, Seconds=5.0, Told="{}")
    assert lease.read().remaining <= 5.0
    time.advance(5.0)
    assert lease.read().remaining <= 0, "the lease has to expire, however often it is read"


def test_lease_row_is_readable_text(service: TableService, lease: BroadcastLease) -> None:
    lease.record_sent(lease.acquire(lease.read(), 1.0), {0: 5, 2: 3})
    row = service.visit_table().row("broadcast", "turn")
    assert isinstance(row, TableEntity)
    assert row["Told"] == '{"0": 5, "2": 3}'
    assert row["Seconds"] == seconds(1.0)
    assert datetime.fromisoformat(row["At"]).utcoffset() == timedelta(0)


def test_deleted_row_is_created_anew(service: TableService, lease: BroadcastLease) -> None:
    lease.acquire(lease.read(), 0.0)
    service.remove(Partitions().lease, ROW_KEY)
    lease.acquire(lease.read(), 60.0)
    assert read_elsewhere(service).remaining == seconds(60.0)


MISSING = object()
NOT_TEXT = (None, 7, 2.5, True, b"\xff", datetime(2026, 11, 23, tzinfo=UTC), EntityProperty(7, EdmType.INT64), MISSING)
MALFORMED: dict[str, tuple[object, ...]] = {
    "At": ("", "yesterday", "2026-11-23T00:00:00", "2026-11-23", *NOT_TEXT),
    "Seconds": (
        *(float("nan"), float("inf"), float("-inf"), -1.0, -1, 1e12, 10**400, "", "many", "-1", "nan"),
        *(None, datetime(2026, 11, 23, tzinfo=UTC), EntityProperty(5, EdmType.INT64), MISSING),
    ),
    "Told": (
        *("", "nonsense", "null", "5", "[]", '"{}"', "[5, 0, 3]", '["many"]', "[[1]]", "[Infinity]", "[1e400]"),
        *("[" * 100_000, '{"0": ' * 100_000, '{"0": ' + "9" * 5000 + "}"),
        *('{"0": Infinity}', '{"0": 1e400}', '{"0": NaN}', '{"0": null}', '{"0": [1]}', '{"0": {}}', '{"0": "many"}'),
        *('{"": 1}', '{"many": 1}', '{"0.5": 1}', '{"0": 1', *NOT_TEXT),
    ),
}
MALFORMED_PROPERTIES = [(name, value) for name, values in MALFORMED.items() for value in values]


@pytest.mark.parametrize(
    ("name", "value"),
    MALFORMED_PROPERTIES,
    ids=["missing" if value is MISSING else f"{name}={value!r:.20}" for name, value in MALFORMED_PROPERTIES],
)
def test_malformed_row_is_free_and_written_anew(
    name: str, value: object, service: TableService, time: VirtualTime, lease: BroadcastLease
) -> None:
    properties: dict[str, Any] = {"At": time.utc.isoformat(), "Seconds": 5.0, "Told": '{"0": 1}', name: value}
    if value is MISSING:
        del properties[name]
    service.put(Partitions().lease, ROW_KEY, **properties)
    last = lease.read()
    assert last.remaining <= 0
    assert last.sent == {}
    lease.record_sent(lease.acquire(last, 60.0), {0: 2})
    assert read_elsewhere(service).remaining == seconds(60.0)
    assert read_elsewhere(service).sent == {0: 2}


# Processes that share the lease


@pytest.fixture
def sent() -> list[Sent]:
    """The broadcasts of all processes."""
    return []


@pytest.fixture
def start(service: TableService, time: VirtualTime, sent: list[Sent]) -> Iterator[Start]:
    """Start so many processes."""
    with starting(lambda: Process(service, time, sent)) as start:
        yield start


def totals(sent: list[Sent]) -> list[int]:
    return [total for _, total in sent]


def test_visit_soon_after_a_broadcast_waits_for_the_lease(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    one, other = start(2)
    one.count()
    time.advance(0.5 * INTERVAL)
    other.count()
    time.advance(0.4 * INTERVAL)
    assert totals(sent) == [1]
    time.advance(INTERVAL)
    assert totals(sent) == [1, 2]


@pytest.mark.parametrize("attempt", range(10))
def test_waiter_leaves_the_holder_time_to_renew(
    attempt: int, start: Start, time: VirtualTime, sent: list[Sent]
) -> None:
    """It waits for 2 to 10 % of the interval more than the lease lasts."""
    holder, other = start(2)
    holder.count()
    time.advance(0.5 * INTERVAL)
    other.count()
    holder.close()  # or it would look for the visits of dead peers when the lease expires
    time.advance(10 * INTERVAL)
    first, second = sent
    assert 1.02 * INTERVAL <= second.at - first.at <= 1.1 * INTERVAL + 0.001


def test_waiters_do_not_all_wait_equally_long(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    one, *others = start(6)
    for process in (one, *others):
        process.count()
    time.advance()
    waits = {round(process.broadcaster._thread.wake_at, 4) for process in others}  # type: ignore[attr-defined]
    assert len(waits) > 1


def test_renewing_holder_sends_the_visits_of_waiters(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    one, other = start(2)
    one.count()
    time.advance(0.2 * INTERVAL)
    for process in (other, one):
        process.count()
    time.advance(10 * INTERVAL)
    assert sent == [Sent(seconds(0.0), 1), Sent(seconds(INTERVAL), 3)]


def test_visit_after_expiry_is_sent_at_once(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    one, other = start(2)
    one.count()
    time.advance(1.5 * INTERVAL)
    other.count()
    time.advance()
    assert sent == [Sent(seconds(0.0), 1), Sent(seconds(1.5 * INTERVAL), 2)]


def test_shared_interval_begins_before_the_send(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    """A broadcast is sent an interval after the last one, however long that took."""
    one, other = start(2)

    def during_broadcast() -> None:
        time.now += 0.4 * INTERVAL
        one.count()

    one.during_broadcast = during_broadcast
    other.commit()  # so that `one` may have peers
    one.count()
    time.advance(3.5 * INTERVAL)
    assert [at for at, _ in sent] == seconds(0.0, INTERVAL, 2 * INTERVAL, 3 * INTERVAL)


def test_processes_of_one_shard_share_the_interval(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    """They often find each other's shards closed or absent, and yet they are peers."""
    processes = start(2)
    for step in range(100):
        processes[step % 2].count()
        time.advance(INTERVAL / 5)
    time.advance(10 * INTERVAL)
    assert sent[-1].total == 100
    assert 18 <= len(sent) <= 21
    assert min(later.at - earlier.at for earlier, later in pairwise(sent)) >= INTERVAL - 0.001


@pytest.mark.parametrize("processes", [2, 5])
def test_busy_processes_share_the_interval(
    processes: int, start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    started = start(processes)
    for _ in range(100):
        for process in started:
            process.count()
        time.advance(INTERVAL / 10)
    time.advance(10 * INTERVAL)
    assert sent[-1].total == service.audited().total == 100 * processes
    assert 10 <= len(sent) <= 11
    assert min(later.at - earlier.at for earlier, later in pairwise(sent)) >= INTERVAL - 0.001


def test_lone_process_stops_using_the_lease(
    start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    [process] = start(1)
    process.count()
    time.advance(10 * INTERVAL)
    service.reads.clear()
    for _ in range(3):
        process.count()
        time.advance(INTERVAL)
    assert totals(sent) == [1, 2, 3, 4]
    assert service.reads == []


def test_covered_visit_is_not_sent_again(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    one, other = start(2)
    other.commit()
    one.count()
    one.broadcaster.close(10)
    assert totals(sent) == [2]
    other.broadcaster.changed()
    time.advance(10 * INTERVAL)
    other.broadcaster.close(10)
    assert totals(sent) == [2]


def test_totals_are_recorded_after_the_send(
    start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    one, _ = start(2)
    while_sending: list[Lease] = []
    one.during_broadcast = lambda: while_sending.append(read_elsewhere(service))
    one.count()
    time.advance()
    [held] = while_sending
    assert held.remaining == seconds(INTERVAL)
    assert held.sent == {}
    assert read_elsewhere(service).sent == {0: 1}


def test_visits_of_a_failing_process_are_sent_by_others(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    failing, other = start(2)
    failing.errors.extend(SignalRError("down") for _ in range(100))
    failing.count()
    time.advance()
    other.show_statistics()
    time.advance(4 * INTERVAL)
    assert totals(sent) == [1]


def test_visits_of_a_dead_process_are_sent_by_others(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    living, dead = start(2)
    living.count()
    time.advance()
    dead.commit()
    time.advance(10 * INTERVAL)
    assert sent == [Sent(seconds(0.0), 1), Sent(seconds(INTERVAL), 2)]


def test_dead_peers_are_looked_for_after_a_failed_reading(
    start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    living, dead = start(2)
    living.count()
    time.advance()
    dead.commit()
    service.read_errors.append(OutcomeUnknown("down"))
    time.advance(100 * INTERVAL)
    assert totals(sent) == [1, 2]


def test_visit_with_unknown_outcome_is_sent(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    """The process does not know whether it was recorded, and has to read its own shard."""
    [process] = start(1)
    process.count()
    time.advance(1.5 * INTERVAL)
    process.table.commit(0, process.table.read(0), [Visit.now()])  # and the reply is lost
    process.shards.lose_etag()
    process.broadcaster.changed()
    time.advance(10 * INTERVAL)
    assert totals(sent) == [1, 2]


def test_dead_peers_are_looked_for_once(
    start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    one, _ = start(2)
    one.count()
    time.advance(1.5 * INTERVAL)
    reads = len(service.reads)
    time.advance(100 * INTERVAL)
    assert len(service.reads) == reads
    assert totals(sent) == [1]


def test_retry_after_applies_to_all_processes(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    one, other = start(2)
    one.errors.append(SignalRError("quota", retry_after=60.0))
    one.count()
    time.advance(0.5 * INTERVAL)
    other.count()
    time.advance(59.4)
    assert sent == []
    time.advance(1.0)
    assert sent[-1].total == 2


def test_close_sends_pending_visits_despite_the_lease(start: Start, time: VirtualTime, sent: list[Sent]) -> None:
    one, other = start(2)
    one.count()
    time.advance(0.1 * INTERVAL)
    other.count()
    time.advance(0.1 * INTERVAL)
    assert totals(sent) == [1]
    other.broadcaster.close(10)
    assert sent == [Sent(seconds(0.0), 1), Sent(seconds(0.2 * INTERVAL), 2)]


def test_process_that_loses_the_lease_waits_for_it(
    start: Start, time: VirtualTime, sent: list[Sent], service: TableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    [process] = start(1)
    read = process.lease.read
    rival = BroadcastLease(service.visit_table())

    def read_and_lose() -> Lease:
        last = read()
        monkeypatch.setattr(process.lease, "read", read)
        rival.acquire(rival.read(), INTERVAL)
        return last

    monkeypatch.setattr(process.lease, "read", read_and_lose)
    process.count()
    time.advance(INTERVAL)
    assert sent == []
    time.advance(INTERVAL)
    assert totals(sent) == [1]


def test_lost_record_makes_another_process_send_again(
    start: Start, time: VirtualTime, sent: list[Sent], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(lease: Lease, sent: object) -> None:
        raise OutcomeUnknown("down")

    one, other = start(2)
    monkeypatch.setattr(one.lease, "record_sent", fail)
    one.count()
    time.advance(0.1 * INTERVAL)
    assert totals(sent) == [1]
    other.show_statistics()
    one.broadcaster.close(10)
    time.advance(10 * INTERVAL)
    assert totals(sent) == [1, 1]


@pytest.mark.parametrize("claim", [{0: 1_000_000}, {0: 1, 7: 3}, {0: 1, ADOPTED: 1}, {0: -1}, {7: 0}], ids=str)
def test_claim_beyond_the_shards_stops_no_broadcast(
    claim: dict[int, int], start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    service.put(Partitions().lease, ROW_KEY, At=time.utc.isoformat(), Seconds=0.0, Told=json.dumps(claim))
    [process] = start(1)
    process.count()
    time.advance()
    assert totals(sent) == [1]
    assert read_elsewhere(service).sent == {0: 1}


@pytest.mark.parametrize("told", ["[5, 0, 3]", "[" * 100_000, '{"0": Infinity}'], ids=["list", "deep", "infinity"])
def test_malformed_row_stops_no_broadcast(
    told: str, start: Start, time: VirtualTime, sent: list[Sent], service: TableService
) -> None:
    service.put(Partitions().lease, ROW_KEY, At="yesterday", Seconds=5.0, Told=told)
    [process] = start(1)
    process.count()
    time.advance()
    assert totals(sent) == [1]
    assert read_elsewhere(service).sent == {0: 1}
