"""`VisitTable` on Azurite: the effect of each request, and the meaning of each response."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from azure.data.tables import TableClient, TableEntity

from local.emulators.azurite import DEVELOPMENT_KEY, Account, Azurite
from signin.counting.table import (
    MAX_VISITS,
    TABLE_NAME,
    EtagMismatch,
    NotSent,
    OutcomeUnknown,
    PermanentError,
    ShardState,
    VisitTable,
)
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from tests.support.audit import audit
from tests.support.faults import AFTER, BEFORE, Fault, break_commits
from tests.support.proxy import Proxy
from tests.support.user_agents import EDGE_ON_WINDOWS, FIREFOX_ON_LINUX, SAFARI_ON_IPHONE
from tests.support.web_server import nothing_listening

NOTHING = ShardState(Statistics(), etag=None)
WRONG_KEY = "d3Jvbmc="


def table_of(account: Account) -> VisitTable:
    return VisitTable.from_connection_string(account.connection_string)


@pytest.fixture
def table(account: Account) -> VisitTable:
    return table_of(account)


def test_missing_shard_reads_as_empty(table: VisitTable) -> None:
    assert table.read(0) == NOTHING
    assert not table.holds(0, Visit.now())


def test_first_commit_creates_shard_and_visits(table: VisitTable) -> None:
    visits = [Visit.now(EDGE_ON_WINDOWS), Visit.now(SAFARI_ON_IPHONE)]
    head = table.commit(3, NOTHING, visits)
    assert head.statistics.summary() == (
        2,
        {"Windows": 1, "iOS": 1},
        {"Edge": 1, "Safari": 1},
        {"byDevice": {"Desktop": 1, "Phone": 1}},
    )
    assert table.read(3) == head
    assert all(table.holds(3, visit) for visit in visits)
    assert not table.holds(0, visits[0]), "the visit belongs to shard 3"


def test_commits_need_no_read_in_between(table: VisitTable, account: Account) -> None:
    head = NOTHING
    for total in range(1, 5):
        head = table.commit(0, head, [Visit.now(FIREFOX_ON_LINUX)])
        assert head.statistics.total == total
    assert table.read(0) == head
    assert audit(account).statistics == head.statistics


def test_99_visits_are_one_request(proxied: Account, table_proxy: Proxy, account: Account) -> None:
    visits = [Visit.now(user_agent) for user_agent in (EDGE_ON_WINDOWS, SAFARI_ON_IPHONE, FIREFOX_ON_LINUX) * 33]
    assert len(visits) == MAX_VISITS
    table_of(proxied).commit(0, NOTHING, visits)
    assert len(table_proxy.requests) == 1
    assert audit(account).statistics == Statistics.of(visits)


def test_stale_etag_commits_nothing(table: VisitTable, account: Account) -> None:
    old = table.commit(0, NOTHING, [Visit.now()])
    new = table.commit(0, old, [Visit.now()])
    late = [Visit.now(), Visit.now()]
    with pytest.raises(EtagMismatch, match="UpdateConditionNotSatisfied"):
        table.commit(0, old, late)
    assert table.read(0) == new
    assert not any(table.holds(0, visit) for visit in late)
    assert audit(account).statistics.total == 2


def test_touched_stats_row_rejects_a_commit(table: VisitTable, account: Account) -> None:
    old = table.commit(0, NOTHING, [Visit.now(EDGE_ON_WINDOWS)])
    table.touch_stats_row(0)
    with pytest.raises(EtagMismatch):
        table.commit(0, old, [Visit.now()])
    moved = table.read(0)
    assert moved.statistics == old.statistics
    assert table.commit(0, moved, [Visit.now()]).statistics.total == audit(account).statistics.total == 2


def test_second_creation_of_a_shard_fails(table: VisitTable, account: Account) -> None:
    table.commit(0, NOTHING, [Visit.now()])
    second = Visit.now()
    with pytest.raises(EtagMismatch, match="EntityAlreadyExists"):
        table.commit(0, NOTHING, [second])
    assert not table.holds(0, second)
    assert audit(account).statistics.total == 1


@pytest.mark.parametrize("earlier_visits", [0, 1], ids=["creating the shard", "updating it"])
def test_repeated_commit_counts_once(table: VisitTable, account: Account, earlier_visits: int) -> None:
    before = table.commit(0, NOTHING, [Visit.now()]) if earlier_visits else NOTHING
    visits = [Visit.now() for _ in range(3)]
    after = table.commit(0, before, visits)
    with pytest.raises(EtagMismatch, match="EntityAlreadyExists"):
        table.commit(0, before, visits)
    assert table.read(0) == after
    assert all(table.holds(0, visit) for visit in visits)
    assert audit(account).statistics.total == earlier_visits + 3


def test_deleted_shard_rejects_a_commit(table: VisitTable, account: Account) -> None:
    head = table.commit(0, NOTHING, [Visit.now()])
    with TableClient.from_connection_string(account.connection_string, TABLE_NAME) as client:
        client.delete_entity("00", "stats")
    with pytest.raises(EtagMismatch):
        table.commit(0, head, [Visit.now()])


def test_totals_may_exceed_32_bits(table: VisitTable) -> None:
    many = 2**31 + 2**40
    before = Statistics(many, {"Linux": many}, {"Firefox": many}, {"Desktop": many})
    head = table.commit(0, ShardState(before, etag=None), [Visit.now()])
    head = table.commit(0, head, [Visit.now()])
    assert table.read(0) == head
    assert head.statistics.summary() == (
        many + 2,
        {"Linux": many, "Other": 2},
        {"Firefox": many, "Other": 2},
        {"byDevice": {"Desktop": many, "Other": 2}},
    )


def test_largest_statistics_fit_in_a_row(table: VisitTable) -> None:
    labels = {f"An operating system {number}": 2**53 - 1 for number in range(20)}
    head = table.commit(0, ShardState(Statistics(2**53 - 1, labels, labels, labels), etag=None), [Visit.now()])
    assert table.read(0) == head


def assert_permanent_error(table: VisitTable, reason: str) -> None:
    visit = Visit.now()
    for request in (
        lambda: table.read(0),
        lambda: table.holds(0, visit),
        lambda: table.commit(0, NOTHING, [visit]),
        lambda: table.commit(0, ShardState(Statistics(), etag="W/\"datetime'2026'\""), [visit]),
    ):
        with pytest.raises(PermanentError, match=reason) as caught:
            request()
        assert DEVELOPMENT_KEY not in str(caught.value)
        assert WRONG_KEY not in str(caught.value)


def test_missing_table_is_a_permanent_error(azurite: Azurite, unused_accounts: Iterator[str]) -> None:
    account = azurite.account(next(unused_accounts))
    assert_permanent_error(table_of(account), "the table SignInInfo does not exist: create it")


def test_wrong_key_is_a_permanent_error(account: Account) -> None:
    connection_string = account.connection_string.replace(DEVELOPMENT_KEY, WRONG_KEY)
    assert_permanent_error(
        VisitTable.from_connection_string(connection_string), "check the key in TableConnectionString"
    )


def test_error_contains_code_of_the_service(account: Account) -> None:
    """The SDK has some codes as members of an enumeration, whose text is their name in Python."""
    a_blob_service = VisitTable.from_connection_string(replace(account, table_url=account.blob_url).connection_string)
    with pytest.raises(PermanentError, match="InvalidResourceName"):
        a_blob_service.read(0)


def test_refused_connection_is_not_sent(account: Account) -> None:
    with nothing_listening() as url:
        table = table_of(replace(account, table_url=f"{url}/{account.name}"))
        with pytest.raises(NotSent, match="check that it runs"):
            table.read(0)
        with pytest.raises(NotSent, match="check that it runs"):
            table.commit(0, NOTHING, [Visit.now()])


@pytest.mark.parametrize("fault", BEFORE)
def test_lost_request_is_sent_once(proxied: Account, table_proxy: Proxy, table: VisitTable, fault: Fault) -> None:
    break_commits(table_proxy, fault)
    with pytest.raises(OutcomeUnknown):
        table_of(proxied).commit(0, NOTHING, [Visit.now()])
    assert len(table_proxy.requests) == 1, "the SDK sent the commit again"
    assert table.read(0) == NOTHING


@pytest.mark.parametrize("fault", AFTER)
def test_commit_with_lost_response_is_sent_once(
    proxied: Account, table_proxy: Proxy, table: VisitTable, fault: Fault
) -> None:
    visit = Visit.now()
    break_commits(table_proxy, fault)
    with pytest.raises(OutcomeUnknown):
        table_of(proxied).commit(0, NOTHING, [visit])
    assert len(table_proxy.requests) == 1, "the SDK sent the commit again"
    assert table.holds(0, visit)


def test_row_is_replaced_only_with_its_etag(table: VisitTable, account: Account) -> None:
    row = TableEntity(PartitionKey="broadcast", RowKey="turn", Seconds=1.0)
    etag = table.write(row, etag=None)
    with pytest.raises(EtagMismatch):
        table.write(row, etag=None)
    newer = table.write(row, etag)
    with pytest.raises(EtagMismatch):
        table.write(row, etag)
    with TableClient.from_connection_string(account.connection_string, TABLE_NAME) as client:
        client.delete_entity(row)
    assert table.row("broadcast", "turn") is None
    with pytest.raises(EtagMismatch):
        table.write(row, newer)
