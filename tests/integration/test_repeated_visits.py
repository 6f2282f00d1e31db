"""A visit that is sent again, to the same process or to another, is counted once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from typing import Any

from local.emulators.azurite import Account
from signin.counting.table import VisitTable
from tests.conftest import StartApp
from tests.support.audit import audit
from tests.support.faults import hangs_after
from tests.support.proxy import Proxy
from tests.support.running_host import RunningHost
from tests.support.web_server import Response

from .conftest import Site


def sign_in(host: RunningHost, key: str, *, is_repeated: bool = False, method: str = "POST") -> Any:
    """The content of the response to a visit, which is acknowledged."""
    reply = host.request(f"/signin?visit={key}{'&repeated=1' if is_repeated else ''}", method=method)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def total(content: Any) -> int:
    return int(content["stats"]["totalNumber"])


def test_attempts_at_once_count_once(site: Site) -> None:
    before, key = site.total(), token_hex(16)
    with ThreadPoolExecutor(10) as pool:
        responses = list(pool.map(lambda _: sign_in(site.host, key), range(20)))
    assert {total(response) for response in responses} == {before + 1}
    assert total(sign_in(site.host, key, is_repeated=True, method="GET")) == before + 1
    assert audit(site.account).statistics.total == before + 1


def test_repetition_of_a_commit_under_way_shares_its_outcome(site: Site) -> None:
    before, key = site.total(), token_hex(16)
    held = iter([hangs_after])
    commits = len(site.table.commits)
    site.table.handler = lambda request: (
        fault(site.table, request)
        if request.target.endswith("/$batch") and (fault := next(held, None))
        else site.table.forward(request)
    )
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(sign_in, site.host, key)
        site.table.wait_for(lambda: len(site.table.commits) > commits)
        assert total(sign_in(site.host, key)) == before + 1
        assert total(first.result()) == before + 1
    site.table.handler = site.table.forward
    assert audit(site.account).statistics.total == before + 1


def test_visit_that_another_host_counted_is_found(
    settings: Mapping[str, str], account: Account, start_app: StartApp
) -> None:
    first, second = start_app(settings), start_app(settings)
    for number in range(1, 4):
        key = token_hex(16)
        assert total(sign_in(first, key)) == number
        assert total(sign_in(second, key, is_repeated=True)) == number
    assert total(sign_in(second, token_hex(16), is_repeated=True)) == 4
    assert audit(account).statistics.total == 4


def test_visit_in_a_closed_shard_is_found(settings: Mapping[str, str], account: Account, start_app: StartApp) -> None:
    """As after a peak with several processes, of which one is left."""
    peak = start_app(settings, workers=4)
    keys = [token_hex(16) for _ in range(200)]
    with ThreadPoolExecutor(40) as pool:
        list(pool.map(lambda key: sign_in(peak, key), keys))
    peak.close()
    shards = audit(account).shards
    assert len(shards) > 1
    table = VisitTable.from_connection_string(account.connection_string)
    for shard in map(int, shards[1:]):
        table.close_shard(shard, table.read(shard))

    after = start_app(settings)
    with ThreadPoolExecutor(10) as pool:
        totals = set(pool.map(lambda key: total(sign_in(after, key, is_repeated=True)), keys))
    assert totals == {200}
    assert audit(account).statistics.total == 200


def test_lookup_that_fails_counts_nothing(
    settings: Mapping[str, str], proxied: Account, table_proxy: Proxy, account: Account, start_app: StartApp
) -> None:
    key = token_hex(16)
    assert total(sign_in(start_app(settings), key)) == 1
    app = start_app({**settings, "TableConnectionString": proxied.connection_string})
    table_proxy.handler = lambda request: Response(503) if "Key" in request.target else table_proxy.forward(request)
    reply = app.request(f"/signin?visit={key}&repeated=1", method="POST")
    assert reply.status == 503
    assert json.loads(reply.body)["recorded"] == "unknown"
    assert reply.headers["Retry-After"]
    assert len(table_proxy.commits) == 0

    table_proxy.handler = table_proxy.forward
    assert total(sign_in(app, key, is_repeated=True)) == 1
    assert audit(account).statistics.total == 1


def test_malformed_key_is_a_bad_request(site: Site) -> None:
    before = site.total()
    for query in ("visit=short", f"visit={'a' * 65}", f"visit={'a' * 16}%20", f"visit={'a' * 16}&visit={'b' * 16}"):
        reply = site.request(f"/signin?{query}", "POST")
        assert (reply.status, json.loads(reply.body)["recorded"]) == (400, "no")
    assert site.total() == before
