"""`VisitTable` on Azurite: the effect of each request, and the meaning of each response."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import TableClient, TableEntity, TableSasPermissions, generate_table_sas

from local.emulators.azurite import DEVELOPMENT_KEY, Account, Azurite
from signin.counting.errors import EtagMismatch, NoEffect, OutcomeUnknown, PermanentError
from signin.counting.rows import ABSENT, ADOPTED, ShardState
from signin.counting.table import MAX_VISITS, TABLE_NAME, VisitTable
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from tests.support import TEST_TIMEOUT
from tests.support.audit import audit
from tests.support.faults import AFTER, BEFORE, Fault, break_commits
from tests.support.proxy import Proxy
from tests.support.user_agents import EDGE_ON_WINDOWS, FIREFOX_ON_LINUX, SAFARI_ON_IPHONE, by
from tests.support.web_server import Request, Response, nothing_listening

WRONG_KEY = "d3Jvbmc="


def table_of(account: Account) -> VisitTable:
    return VisitTable.from_connection_string(account.connection_string)


@pytest.fixture
def table(account: Account) -> VisitTable:
    return table_of(account)


def test_missing_shard_reads_as_empty(table: VisitTable) -> None:
    assert table.read(0) == ABSENT
    assert not table.has_visit(0, Visit.now())


def test_first_commit_creates_shard_and_visits(table: VisitTable) -> None:
    visits = [Visit.now(by(EDGE_ON_WINDOWS)), Visit.now(by(SAFARI_ON_IPHONE))]
    state = table.commit(3, ABSENT, visits)
    counts = {"OS": {"Windows": 1, "iOS": 1}, "Browser": {"Edge": 1, "Safari": 1}, "Device": {"Desktop": 1, "Phone": 1}}
    assert state.statistics.summary() == Statistics.from_counts(2, counts).summary()
    assert table.read(3) == state
    assert all(table.has_visit(3, visit) for visit in visits)
    assert not table.has_visit(0, visits[0]), "the visit belongs to shard 3"


def test_commits_need_no_read_in_between(table: VisitTable, account: Account) -> None:
    state = ABSENT
    for total in range(1, 5):
        state = table.commit(0, state, [Visit.now(by(FIREFOX_ON_LINUX))])
        assert state.statistics.total == total
    assert table.read(0) == state
    assert audit(account).statistics == state.statistics


def test_99_visits_are_one_request(proxied: Account, table_proxy: Proxy, account: Account) -> None:
    visits = [Visit.now(by(user_agent)) for user_agent in (EDGE_ON_WINDOWS, SAFARI_ON_IPHONE, FIREFOX_ON_LINUX) * 33]
    assert len(visits) == MAX_VISITS
    table_of(proxied).commit(0, ABSENT, visits)
    assert len(table_proxy.requests) == 1
    assert audit(account).statistics == Statistics.of(visits)


def test_idempotency_key_is_found_among_many_rows(
    proxied: Account, table_proxy: Proxy, table: VisitTable, account: Account
) -> None:
    visits = [Visit.now(idempotency_key=token_hex(16)) for _ in range(12 * MAX_VISITS)]
    states = [ABSENT] * 3
    for number in range(0, len(visits), MAX_VISITS):
        states[0] = table.commit(0, states[0], visits[number : number + MAX_VISITS])
    for shard in (1, 2):
        visits.append(Visit.now(idempotency_key=token_hex(16)))
        states[shard] = table.commit(shard, ABSENT, [visits[-1], Visit.now()])
    table.close_shard(2, states[2])
    assert audit(account).statistics.total == len(visits) + 2 > 1000, "more than a page of rows"

    shards, start, seen = [0, 1, 2], visits[0].at, table_of(proxied)
    for visit in (visits[0], visits[len(visits) // 2], *visits[-3:]):
        assert visit.idempotency_key
        assert seen.has_idempotency_key(shards, visit.idempotency_key, start)
        assert seen.has_idempotency_key(shards, visit.idempotency_key, visit.at)
        assert not seen.has_idempotency_key(shards, visit.idempotency_key, visit.at + timedelta(microseconds=1))
    table_proxy.requests.clear()
    assert not seen.has_idempotency_key(shards, token_hex(16), start)
    assert len(table_proxy.requests) == len(shards)
    assert not seen.has_idempotency_key([0, 1], visits[-1].idempotency_key or "", start), "it is in shard 2"


def test_stale_etag_commits_nothing(table: VisitTable, account: Account) -> None:
    old = table.commit(0, ABSENT, [Visit.now()])
    new = table.commit(0, old, [Visit.now()])
    late = [Visit.now(), Visit.now()]
    with pytest.raises(EtagMismatch, match="UpdateConditionNotSatisfied"):
        table.commit(0, old, late)
    assert table.read(0) == new
    assert not any(table.has_visit(0, visit) for visit in late)
    assert audit(account).statistics.total == 2


def stats_row(account: Account, partition: str = "00") -> TableEntity:
    """The stats row as it is stored."""
    with TableClient.from_connection_string(account.connection_string, TABLE_NAME) as client:
        return client.get_entity(partition, "stats")


def test_touched_stats_row_rejects_a_commit(table: VisitTable, account: Account) -> None:
    old = table.commit(0, ABSENT, [Visit.now(by(EDGE_ON_WINDOWS))])
    before = stats_row(account)
    table.touch(0)
    with pytest.raises(EtagMismatch):
        table.commit(0, old, [Visit.now()])
    touched_row = stats_row(account)
    assert abs(touched_row.pop("Touched") - datetime.now(UTC)) < timedelta(hours=1)
    assert touched_row == before, "a touch changes another property"
    touched = table.read(0)
    assert touched.statistics == old.statistics
    assert table.commit(0, touched, [Visit.now()]).statistics.total == audit(account).statistics.total == 2
    assert "Touched" not in stats_row(account), "a commit replaces the row"


def test_each_touch_changes_the_etag(table: VisitTable) -> None:
    table.commit(0, ABSENT, [Visit.now()])
    etags = [table.read(0).etag]
    for _ in range(3):
        table.touch(0)
        etags.append(table.read(0).etag)
    assert len(set(etags)) == 4


def test_touch_of_missing_row_creates_nothing(table: VisitTable) -> None:
    with pytest.raises(EtagMismatch, match="ResourceNotFound"):
        table.touch(0)
    assert table.read(0) == ABSENT


def test_closing_keeps_the_statistics(table: VisitTable) -> None:
    opened = table.open_shard(1, ABSENT)
    assert opened == table.read(1)
    assert (opened.exists, opened.is_closed, opened.statistics) == (True, False, Statistics())
    committed = table.commit(1, opened, [Visit.now(by(EDGE_ON_WINDOWS))])
    closed = table.close_shard(1, committed)
    assert closed == table.read(1)
    assert (closed.is_closed, closed.statistics) == (True, committed.statistics)
    reopened = table.open_shard(1, closed)
    assert reopened == table.read(1)
    assert (reopened.is_closed, reopened.statistics) == (False, committed.statistics)
    assert len({state.etag for state in (opened, committed, closed, reopened)}) == 4


def test_closed_shard_rejects_a_commit_on_its_way(table: VisitTable, account: Account) -> None:
    opened = table.open_shard(0, ABSENT)
    table.close_shard(0, opened)
    with pytest.raises(EtagMismatch):
        table.commit(0, opened, [Visit.now()])
    assert audit(account).statistics.total == 0


def test_stale_etag_opens_and_closes_nothing(table: VisitTable) -> None:
    opened = table.open_shard(0, ABSENT)
    committed = table.commit(0, opened, [Visit.now()])
    for stale in (ABSENT, opened):
        with pytest.raises(EtagMismatch):
            table.open_shard(0, stale)
        with pytest.raises(EtagMismatch):
            table.close_shard(0, stale)
    assert table.read(0) == committed


def test_commit_and_touch_keep_a_shard_closed(table: VisitTable, account: Account) -> None:
    """The shard "adopted" is closed from its first commit on."""
    state = table.commit(ADOPTED, replace(ABSENT, is_closed=True), [Visit.now()])
    assert stats_row(account, "adopted")["Closed"] is True
    state = table.commit(ADOPTED, state, [Visit.now()])
    assert state.is_closed
    assert state == table.read(ADOPTED)
    table.touch(ADOPTED)
    touched = table.read(ADOPTED)
    assert touched.etag != state.etag
    assert replace(touched, etag=state.etag) == state


def test_read_all_returns_states_in_given_order(table: VisitTable) -> None:
    states = {shard: table.commit(shard, ABSENT, [Visit.now()]) for shard in (ADOPTED, 0, 1, 3)}
    states[3] = table.close_shard(3, states[3])
    shards = [3, 2, 1, 0, ADOPTED, *range(4, 40)]
    assert table.read_all(shards) == [states.get(shard, ABSENT) for shard in shards]


def test_read_all_sends_parallel_requests(proxied: Account, table_proxy: Proxy) -> None:
    all_arrived = threading.Barrier(8)

    def handler(request: Request) -> Response:
        all_arrived.wait(TEST_TIMEOUT)
        return table_proxy.forward(request)

    table_proxy.handler = handler
    assert table_of(proxied).read_all(range(8)) == [ABSENT] * 8
    assert len(table_proxy.requests) == 8


def test_parallel_reads_keep_their_connections(table: VisitTable, caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 logs a warning for each connection that it does not keep."""
    visits = [Visit.now() for _ in range(60)]
    table.commit(0, ABSENT, visits[:30])
    for _ in range(3):
        table.read_all(range(60))
        assert table.has_visits(0, visits) == [True] * 30 + [False] * 30
    assert caplog.messages == []


def test_failed_read_fails_read_all(proxied: Account, table_proxy: Proxy) -> None:
    def handler(request: Request) -> Response:
        return Response(503) if "'05'" in request.target else table_proxy.forward(request)

    table_proxy.handler = handler
    with pytest.raises(OutcomeUnknown):
        table_of(proxied).read_all(range(8))


def test_second_creation_of_a_shard_fails(table: VisitTable, account: Account) -> None:
    table.commit(0, ABSENT, [Visit.now()])
    second = Visit.now()
    with pytest.raises(EtagMismatch, match="EntityAlreadyExists"):
        table.commit(0, ABSENT, [second])
    assert not table.has_visit(0, second)
    assert audit(account).statistics.total == 1


@pytest.mark.parametrize("earlier_visits", [0, 1], ids=["creating the shard", "updating it"])
def test_repeated_commit_counts_once(table: VisitTable, account: Account, earlier_visits: int) -> None:
    before = table.commit(0, ABSENT, [Visit.now()]) if earlier_visits else ABSENT
    visits = [Visit.now() for _ in range(3)]
    after = table.commit(0, before, visits)
    with pytest.raises(EtagMismatch, match="EntityAlreadyExists"):
        table.commit(0, before, visits)
    assert table.read(0) == after
    assert all(table.has_visit(0, visit) for visit in visits)
    assert audit(account).statistics.total == earlier_visits + 3


def test_deleted_shard_rejects_a_commit(table: VisitTable, account: Account) -> None:
    state = table.commit(0, ABSENT, [Visit.now()])
    with TableClient.from_connection_string(account.connection_string, TABLE_NAME) as client:
        client.delete_entity("00", "stats")
    with pytest.raises(EtagMismatch):
        table.commit(0, state, [Visit.now()])


def test_totals_may_exceed_32_bits(table: VisitTable) -> None:
    many = 2**31 + 2**40
    before = Statistics.from_counts(many, {"OS": {"Linux": many}})
    state = table.commit(0, ShardState(before, etag=None), [Visit.now()])
    state = table.commit(0, state, [Visit.now()])
    assert table.read(0) == state
    assert state.statistics.summary() == Statistics.from_counts(many + 2, {"OS": {"Linux": many}}).summary()
    assert state.statistics.counts["OS"] == {"Linux": many, "Other": 2}


def test_largest_statistics_fit_in_a_row(table: VisitTable) -> None:
    labels = {f"An operating system {number}": 2**53 - 1 for number in range(20)}
    state = table.commit(
        0,
        ShardState(Statistics.from_counts(2**53 - 1, {"OS": labels, "Browser": labels, "Device": labels}), etag=None),
        [Visit.now()],
    )
    assert table.read(0) == state


def assert_permanent_error(table: VisitTable, reason: str) -> None:
    visit = Visit.now()
    for request in (
        lambda: table.read(0),
        lambda: table.has_visit(0, visit),
        lambda: table.commit(0, ABSENT, [visit]),
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


def test_error_note_has_the_code_of_the_service(account: Account) -> None:
    """The SDK has some codes as members of an enumeration, whose text is their name in Python."""
    blob_service = VisitTable.from_connection_string(replace(account, table_url=account.blob_url).connection_string)
    with pytest.raises(PermanentError) as raised:
        blob_service.read(0)
    assert raised.value.__notes__ == ["400 InvalidResourceName"]


# Health


def table_with(account: Account, **permissions: bool) -> VisitTable:
    """The table by a shared access signature with these permissions."""
    signature = generate_table_sas(
        AzureNamedKeyCredential(account.name, DEVELOPMENT_KEY),
        TABLE_NAME,
        permission=TableSasPermissions(**permissions),
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    return VisitTable.from_connection_string(f"TableEndpoint={account.table_url};SharedAccessSignature={signature}")


@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "with visits"])
def test_check_changes_nothing_in_the_table(is_empty: bool, account: Account, table: VisitTable) -> None:
    if not is_empty:
        table.commit(0, ABSENT, [Visit.now()])
    before, partitions = table.read(0), list(table.partition_keys())
    for _ in range(3):
        table.check()
        table_with(account, read=True, add=True, update=True).check()
    assert list(table.partition_keys()) == partitions
    assert table.read(0) == before, "a process relies on the ETag"


def test_check_overwrites_no_row(account: Account, table: VisitTable) -> None:
    table.write(TableEntity(PartitionKey="health", RowKey="none", Note="of an operator"), etag=None)
    table.check()
    row = table.row("health", "none")
    assert row is not None
    assert row["Note"] == "of an operator"


def test_check_fails_for_a_reader(account: Account, table: VisitTable) -> None:
    """Azurite knows no roles; a shared access signature gives the same answer, AuthorizationPermissionMismatch."""
    reader = table_with(account, read=True)
    reader.read(0)
    with pytest.raises(PermanentError, match="refuses access: the shared access signature") as raised:
        reader.check()
    assert raised.value.__notes__ == ["403 AuthorizationPermissionMismatch"]


def test_refused_connection_is_not_sent(account: Account) -> None:
    with nothing_listening() as url:
        table = table_of(replace(account, table_url=f"{url}/{account.name}"))
        with pytest.raises(NoEffect, match="check that it runs"):
            table.read(0)
        with pytest.raises(NoEffect, match="check that it runs"):
            table.commit(0, ABSENT, [Visit.now()])


@pytest.mark.parametrize("fault", BEFORE)
def test_lost_request_is_sent_once(proxied: Account, table_proxy: Proxy, table: VisitTable, fault: Fault) -> None:
    break_commits(table_proxy, fault)
    with pytest.raises(OutcomeUnknown):
        table_of(proxied).commit(0, ABSENT, [Visit.now()])
    assert len(table_proxy.requests) == 1, "the SDK sent the commit again"
    assert table.read(0) == ABSENT


@pytest.mark.parametrize("fault", AFTER)
def test_commit_with_lost_response_is_sent_once(
    proxied: Account, table_proxy: Proxy, table: VisitTable, fault: Fault
) -> None:
    visit = Visit.now()
    break_commits(table_proxy, fault)
    with pytest.raises(OutcomeUnknown):
        table_of(proxied).commit(0, ABSENT, [visit])
    assert len(table_proxy.requests) == 1, "the SDK sent the commit again"
    assert table.has_visit(0, visit)


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


def test_inserted_rows_are_not_returned(proxied: Account, table_proxy: Proxy) -> None:
    table_of(proxied).commit(0, ABSENT, [Visit.now(), Visit.now()])
    [request] = table_proxy.requests
    assert request.body.count(b"Prefer: return-no-content") == 2
