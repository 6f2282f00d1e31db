from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from azure.data.tables import TableEntity

from local import REPOSITORY
from signin import app as app_module
from signin.app import App, current_app, exit_on_sigterm
from signin.counting import committer as committer_module
from signin.counting.committer import NotAcknowledged
from signin.counting.errors import OutcomeUnknown, StorageError
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from signin.live import here as here_module
from signin.live.hub import ClientAccess
from signin.live.open_pages import NEW
from signin.settings import Settings, SettingsError
from signin.visits.dimensions import SignInRequest
from signin.visits.statistics import Statistics
from tests.support.user_agents import CRAWLER, FIREFOX_ON_WINDOWS, SAFARI_ON_IPHONE, by
from tests.support.web_server import Request, Response

from . import table_service
from .table_service import Gate, closed_after, closed_before
from .whole_app import Surroundings, running_app


@pytest.fixture
def app(around: Surroundings) -> Iterator[App]:
    with running_app(around) as app:
        yield app


async def test_sign_in_returns_statistics_with_own_visit(app: App) -> None:
    assert (await app.counter().sign_in(by(SAFARI_ON_IPHONE))).statistics.summary() == Statistics.from_counts(
        1, {"OS": {"iOS": 1}, "Browser": {"Safari": 1}, "Device": {"Phone": 1}}
    ).summary()
    assert (await app.counter().sign_in(by(SAFARI_ON_IPHONE))).statistics.summary() == Statistics.from_counts(
        2, {"OS": {"iOS": 2}, "Browser": {"Safari": 2}, "Device": {"Phone": 2}}
    ).summary()


async def test_sign_in_returns_access_to_live_updates(around: Surroundings, app: App) -> None:
    access = (await app.counter().sign_in(SignInRequest())).access
    assert access.url == f"{around.signalr.url}/client/?hub=signinsamplehub"


async def test_attempts_at_one_visit_count_once(around: Surroundings, app: App) -> None:
    answers = await asyncio.gather(*(app.counter().sign_in(SignInRequest(), "a" * 32) for _ in range(4)))
    answers.append(await app.counter().sign_in(SignInRequest(), "a" * 32, is_repeated=True))
    assert {answer.statistics.total for answer in answers} == {1}
    assert all(answer.access.token for answer in answers)
    assert around.table.audited().total == 1
    assert (await app.counter().sign_in(SignInRequest(), "b" * 32)).statistics.total == 2


async def test_repeated_visit_is_found_in_other_processes(around: Surroundings, app: App) -> None:
    with running_app(around) as other:
        for key in ("a" * 32, "b" * 32):
            await other.counter().sign_in(SignInRequest(), key)
            answer = await app.counter().sign_in(SignInRequest(), key, is_repeated=True)
            assert answer.statistics.total == around.table.audited().total


async def test_marked_visit_without_a_key_is_counted(around: Surroundings, app: App) -> None:
    for total in (1, 2):
        assert (await app.counter().sign_in(SignInRequest(), is_repeated=True)).statistics.total == total
    assert not [query for query in around.table.queries if " Key eq " in query]


async def test_concurrent_visitors_share_transactions(around: Surroundings, app: App) -> None:
    around.table.faults.append(gate := Gate())
    visitors = [asyncio.ensure_future(app.counter().sign_in(by(FIREFOX_ON_WINDOWS))) for _ in range(300)]
    await asyncio.to_thread(gate.wait_until_reached)
    assert not any(visitor.done() for visitor in visitors)
    gate.open()
    totals = [(await visitor).statistics.total for visitor in visitors]
    assert around.table.audited().total == max(totals) == 300
    assert len(around.table.attempts) <= 5


async def test_visitor_who_leaves_cancels_no_other(around: Surroundings, app: App) -> None:
    """The visitors of a transaction share its future."""
    around.table.faults.append(gate := Gate())
    first = asyncio.ensure_future(app.counter().sign_in(SignInRequest()))
    await asyncio.to_thread(gate.wait_until_reached)
    leaving, staying = (asyncio.ensure_future(app.counter().sign_in(SignInRequest())) for _ in range(2))
    await asyncio.sleep(0)  # both have signed in
    leaving.cancel()
    gate.open()
    await first
    assert (await staying).statistics.total == 3
    assert leaving.cancelled()


async def test_sign_in_counts_visits_of_other_processes(around: Surroundings, app: App) -> None:
    with running_app(around) as other:
        await other.counter().sign_in(SignInRequest())
        around.table.commit_from_elsewhere("01")
        assert (await app.counter().sign_in(SignInRequest())).statistics.total == 3


async def test_visit_is_broadcast(around: Surroundings, app: App) -> None:
    await app.counter().sign_in(by(SAFARI_ON_IPHONE))
    app.close()
    [(*of_the_sample, others)] = around.broadcasts()
    assert of_the_sample == [1, {"iOS": 1}, {"Safari": 1}]
    assert others["byDevice"] == {"Phone": 1}


async def test_setting_limits_the_broadcasts_of_a_day(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the table's clock, by which the visits are dated."""
    monkeypatch.setattr(VisitTable, "now", lambda table: datetime(2026, 11, 23, 9, 15, tzinfo=UTC))
    with running_app(around, MaximumBroadcastsPerDay="1000") as app:
        await asyncio.gather(*(app.counter().sign_in(SignInRequest()) for _ in range(600)))
        before = len(around.broadcasts())
        for _ in range(15):
            await app.counter().sign_in(SignInRequest())
            await asyncio.sleep(0.1)
        assert len(around.broadcasts()) - before <= 2
    assert around.broadcasts()[-1][0] == 615


async def test_visits_are_dated_and_shown_by_the_clock_of_the_table(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)
    monkeypatch.setattr(VisitTable, "now", lambda table: at)
    answer = await app.counter().sign_in(by(SAFARI_ON_IPHONE))
    assert around.table.visits()[0].startswith("20261123T091500.000000Z-")
    assert answer.statistics.history.to_json(answer.at)["minutes"]["counts"][-1] == 1
    assert app.counter().now() == at


async def test_lone_process_sends_nothing_more_for_open_pages(around: Surroundings) -> None:
    """With and without them it sends as many requests: for visits, for readings, and for pages that are left."""

    async def requests_of_pages(**settings: str) -> int:
        with running_app(around, **settings) as app:
            counter = app.counter()
            for _ in range(2):
                await counter.sign_in(SignInRequest(), slot=NEW)
            await until(lambda: not counter._shards.may_have_peers)
            before = around.table.requests
            signed_in = await counter.sign_in(SignInRequest(), slot=NEW)
            reading = await counter.read(SignInRequest(), NEW)
            for here in (signed_in.here, reading.here):
                slot = here.slot if here and here.slot else NEW
                await counter.read(SignInRequest(), slot)
                counter.leave(SignInRequest(), slot)
            await asyncio.sleep(0.2)
            return around.table.requests - before

    assert await requests_of_pages(HereSeconds="30") == await requests_of_pages(HereSeconds="0")


async def test_broadcast_of_a_visit_counts_its_page(around: Surroundings, app: App) -> None:
    for _ in range(2):
        await app.counter().sign_in(SignInRequest(), slot=NEW)
    await app.counter().sign_in(SignInRequest())  # a client that is no page
    app.close()
    numbers = [(arguments[0], arguments[3]["here"]) for arguments in around.broadcasts()]
    assert numbers[-1] == (3, 2)
    assert all(here >= min(total, 2) for total, here in numbers)


async def test_broadcast_has_no_open_pages_if_they_are_off(around: Surroundings) -> None:
    with running_app(around, HereSeconds="0") as app:
        await app.counter().sign_in(SignInRequest(), slot=NEW)
        app.close()
    assert "here" not in around.broadcasts()[-1][3]


async def test_page_whose_visit_was_not_acknowledged_is_not_counted(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It signs in again, as a page that is in no slot."""
    monkeypatch.setattr(committer_module, "COMMIT_SECONDS", -1.0)
    around.table.faults.append(closed_before)
    with pytest.raises(NotAcknowledged):
        await app.counter().sign_in(SignInRequest(), slot=NEW)
    here = (await app.counter().sign_in(SignInRequest(), slot=NEW)).here
    assert here is not None
    assert here.pages == 1


async def test_open_pages_of_all_processes_are_counted(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here_module, "_PAUSE_SECONDS", 0.1)
    with running_app(around) as other:
        for process in (app, other, app):
            await process.counter().sign_in(SignInRequest(), slot=NEW)
        await until(lambda: [number_of(process) for process in (app, other)] == [3, 3], [app, other])
        app.close()
        assert number_of(other) == 3, "the other process knows what this one has counted"


async def test_next_process_knows_the_pages_of_one_that_has_ended(around: Surroundings, app: App) -> None:
    await app.counter().sign_in(SignInRequest(), slot=NEW)
    app.close()
    with running_app(around) as next_one:
        here = (await next_one.counter().read(SignInRequest(), NEW)).here
        assert here is not None
        assert here.pages == 2


def number_of(app: App) -> int:
    here = app.counter().here()
    assert here is not None
    return here.pages


async def until(condition: Callable[[], bool], read: Sequence[App] = ()) -> None:
    """Wait until the condition holds, while these apps are read."""
    for _ in range(100):
        for app in read:
            await app.counter().statistics()
        if condition():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the condition does not come true")


async def test_bot_gets_statistics_and_is_not_counted(around: Surroundings, app: App) -> None:
    assert (await app.counter().sign_in(by(FIREFOX_ON_WINDOWS))).is_counted
    answer = await app.counter().sign_in(by(CRAWLER))
    assert not answer.is_counted
    assert answer.statistics.total == 1
    assert answer.access.token
    assert around.table.audited().total == 1


async def test_statistics_count_nothing(around: Surroundings, app: App) -> None:
    around.table.commit_from_elsewhere("00")
    assert (await app.counter().statistics()).total == 1
    assert not around.table.attempts


async def test_statistics_have_every_acknowledged_visit(around: Surroundings, app: App) -> None:
    """A page that connects after the broadcast of a visit gets it by /stats of any process, or not at all."""
    with running_app(around) as other:
        for total in range(1, 6):
            await other.counter().sign_in(SignInRequest())
            assert (await app.counter().statistics()).total == total


async def test_visits_of_a_dead_process_are_broadcast(around: Surroundings, app: App) -> None:
    """By the next process that reads them."""
    around.table.commit_from_elsewhere("00")
    await app.counter().statistics()
    app.close()
    assert [arguments[0] for arguments in around.broadcasts()] == [1]


async def test_known_visits_are_not_broadcast_again(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[None] = []
    monkeypatch.setattr(app.counter().broadcaster, "found_others", lambda: found.append(None))
    await app.counter().sign_in(SignInRequest())
    for _ in range(3):
        await app.counter().statistics()
    app.close()
    assert len(around.broadcasts()) == 1
    assert found == []


async def test_failing_readings_are_logged_once(
    around: Surroundings, app: App, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="signin.counter")
    read = around.table.get_entity

    def fail(*key: str, **options: object) -> TableEntity:
        raise table_service.wrong_key()

    around.table.get_entity = fail  # type: ignore[method-assign]
    for _ in range(3):
        await asyncio.gather(*(app.counter().statistics() for _ in range(50)), return_exceptions=True)
    around.table.get_entity = read  # type: ignore[method-assign]
    await app.counter().statistics()
    messages = [record.getMessage() for record in caplog.records if record.name == "signin.counter"]
    assert [message.partition(":")[0] for message in messages] == [
        "the statistics cannot be read",
        "the statistics can be read again",
    ]


async def test_unreadable_statistics_are_an_error(around: Surroundings, app: App) -> None:
    around.table.read_errors.append(table_service.wrong_key())
    with pytest.raises(StorageError):
        await app.counter().statistics()


async def test_visit_that_is_not_durable_is_an_error(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "COMMIT_SECONDS", -1.0)
    around.table.faults.append(closed_before)
    with pytest.raises(NotAcknowledged):
        await app.counter().sign_in(SignInRequest())


@pytest.fixture
def _needs_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other shards have to be read for each visitor, even if a broadcast has just read them."""
    monkeypatch.setattr(Shards, "is_current", False)


@pytest.mark.usefixtures("_needs_reading")
async def test_visit_is_acknowledged_if_others_cannot_be_read(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OutcomeUnknown("down")

    monkeypatch.setattr(app.counter()._refreshing, "_function", fail)
    assert (await app.counter().sign_in(SignInRequest())).statistics.total == 1


@pytest.mark.usefixtures("_needs_reading")
async def test_visit_does_not_wait_for_a_slow_reading(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    has_ended = threading.Event()
    monkeypatch.setattr(app.counter()._shards, "refresh_if_stale", lambda: has_ended.wait(30))
    try:
        assert (await app.counter().sign_in(SignInRequest())).statistics.total == 1
        assert not has_ended.is_set()
    finally:
        has_ended.set()


class FailsOnceAwaited(Future[ClientAccess]):
    def add_done_callback(self, callback: Callable[[Future[ClientAccess]], object]) -> None:
        super().add_done_callback(callback)
        self.set_exception(RuntimeError("an unexpected token error"))


@pytest.mark.usefixtures("_needs_reading")
async def test_visit_is_acknowledged_whatever_else_fails(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("an unexpected reading error")

    monkeypatch.setattr(app.counter()._refreshing, "_function", fail)
    monkeypatch.setattr(app.counter()._hub, "client_access", FailsOnceAwaited)
    answer = await app.counter().sign_in(SignInRequest())
    assert answer.statistics.total == around.table.audited().total == 1
    assert answer.access == app.counter()._hub.access_without_token
    for unexpected in ("an unexpected reading error", "an unexpected token error"):
        assert unexpected in caplog.text


async def test_visit_with_unknown_outcome_is_broadcast(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been recorded, and no other visit may follow."""
    monkeypatch.setattr(committer_module, "COMMIT_SECONDS", -1.0)
    around.table.faults.append(closed_after)
    with pytest.raises(NotAcknowledged) as raised:
        await app.counter().sign_in(SignInRequest())
    assert raised.value.recorded == "unknown"
    app.close()
    assert [arguments[0] for arguments in around.broadcasts()] == [1]


async def test_negotiation_returns_access_and_counts_nothing(around: Surroundings, app: App) -> None:
    access = await app.counter().negotiate()
    assert access.url == f"{around.signalr.url}/client/?hub=signinsamplehub"
    assert access.token.count(".") == 2
    assert not around.table.attempts


async def test_statistics_during_first_commit_are_complete(around: Surroundings, app: App) -> None:
    """A new process, a slow commit, and a request for /stats meanwhile."""
    for _ in range(3):
        around.table.commit_from_elsewhere("00")
    around.table.faults.append(gate := Gate())
    visitor = asyncio.ensure_future(app.counter().sign_in(SignInRequest()))
    await asyncio.to_thread(gate.wait_until_reached)
    try:
        assert (await app.counter().statistics()).total == 3
    finally:
        gate.open()
        await visitor


async def test_close_broadcasts_the_last_commit(around: Surroundings, app: App) -> None:
    around.table.faults.append(gate := Gate())
    visitor = asyncio.ensure_future(app.counter().sign_in(SignInRequest()))
    await asyncio.to_thread(gate.wait_until_reached)
    closing = asyncio.ensure_future(asyncio.to_thread(app.close))
    await asyncio.to_thread(wait_until, lambda: app.counter().committer._is_closing)
    gate.open()
    await closing
    assert (await visitor).statistics.total == 1
    assert [arguments[0] for arguments in around.broadcasts()] == [1]


def test_threads_start_when_they_are_needed(around: Surroundings) -> None:
    before = set(threading.enumerate())

    def started() -> list[str]:
        return sorted(thread.name for thread in set(threading.enumerate()) - before)

    app = App(Settings.from_environment(around.environment | {"Rooms": "hall-a; hall-b"}))
    assert started() == []
    app.start()
    assert started() == ["metrics"]
    assert app.counter("hall-a") is app.counter("hall-a")
    assert started() == ["broadcaster", "committer", "metrics"]
    app.counter()
    assert started() == ["broadcaster"] * 2 + ["committer"] * 2 + ["metrics"]
    assert not around.table.reads
    assert not around.signalr.requests
    app.close()
    assert set(threading.enumerate()) == before


def test_app_may_be_closed_twice(app: App) -> None:
    app.close()
    app.close()


# The app of a process


def test_all_requests_share_one_app(environment: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(8) as pool:
        apps = list(pool.map(lambda _: current_app(), range(32)))
    assert len(set(map(id, apps))) == 1


def test_settings_are_read_until_they_are_complete(environment: pytest.MonkeyPatch, around: Surroundings) -> None:
    environment.delenv("BlobHost")
    for _ in range(2):
        with pytest.raises(SettingsError, match="BlobHost is not set"):
            current_app()
    environment.setenv("BlobHost", around.blobs.url)
    assert isinstance(current_app(), App)


def test_app_is_started_and_closed_at_exit(environment: pytest.MonkeyPatch) -> None:
    registered: list[object] = []
    environment.setattr(atexit, "register", registered.append)
    app = current_app()
    assert app._metrics._thread is not None
    assert app._metrics._thread.is_alive()
    assert registered == [app.close]


def test_handler_is_set_in_the_main_thread_only() -> None:
    """In another thread Python raises ValueError."""
    previous = signal.getsignal(signal.SIGTERM)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(exit_on_sigterm).result()
    assert signal.getsignal(signal.SIGTERM) is previous


WORKER = """
import asyncio
import json
import os

import azure.functions as func

import function_app
from signin.counting.table import VisitTable
from tests.unit.table_service import TableService

service = TableService()
service.commit_from_elsewhere("00")
service.commit_from_elsewhere("01")  # another process: a broadcast has to read its shard
table = service.visit_table()
VisitTable.from_connection_string = lambda text: table
functions = {function.get_function_name(): function for function in function_app.app.get_functions()}

async def serve() -> None:
    for _ in range(2):
        await asyncio.to_thread(input)
        response = await functions["signin"].get_user_function()(func.HttpRequest("POST", "/signin", body=b""))
        print(response.status_code, flush=True)
    await asyncio.Event().wait()

asyncio.run(serve())
"""


ENDING = """
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import signin.app
from signin.counting.table import VisitTable
from signin.visits.dimensions import SignInRequest
from signin.visits.visit import Visit
from tests.unit.table_service import TableService

table = TableService().visit_table()
VisitTable.from_connection_string = lambda text: table
commit = VisitTable.commit

def commit_at_the_end(*arguments):
    while not app.counter().committer._is_closing:
        time.sleep(0.01)
    with ThreadPoolExecutor() as pool:  # as azure-core has for each transaction (pipeline/_base.py)
        state = pool.submit(commit, *arguments).result()
    print(state.statistics.total, flush=True)
    return state

close = signin.app.App.close

def close_and_report(app):
    close(app)
    print("closed", flush=True)

VisitTable.commit = commit_at_the_end
signin.app.App.close = close_and_report
signin.app.exit_on_sigterm()
app = signin.app.current_app()
app.counter().committer.submit(Visit.from_request(SignInRequest(), None, at=app.counter().now()))
os.kill(os.getpid(), signal.SIGTERM)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a signal")
def test_sigterm_commits_waiting_visits_and_closes_once(around: Surroundings) -> None:
    """The SDK sends a transaction by a thread pool, which the interpreter stops before its `atexit` handlers run."""
    worker = subprocess.run(
        [sys.executable, "-W", "error", "-c", ENDING],
        cwd=REPOSITORY,
        env={**os.environ, **around.environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (worker.returncode, worker.stdout, worker.stderr) == (0, "1\nclosed\n", "")
    assert [arguments[0] for arguments in around.broadcasts()] == [1]


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process without a signal")
def test_sigterm_sends_pending_broadcast_and_exits(around: Surroundings) -> None:
    """The second visit would be broadcast at the end of an interval that no test waits for."""
    environment = {**os.environ, **around.environment, "BroadcastIntervalSeconds": "3600"}
    worker = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WORKER],
        cwd=REPOSITORY,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )
    try:
        assert worker.stdin is not None
        assert worker.stdout is not None
        for _ in range(2):
            worker.stdin.write("visit\n")
            assert worker.stdout.readline() == "200\n"
            wait_until(lambda: len(around.broadcasts()) == 1)
        worker.send_signal(signal.SIGTERM)
        _, errors = worker.communicate(timeout=30)
    finally:
        worker.kill()
        worker.communicate()
    assert worker.returncode == 0, errors
    assert [arguments[0] for arguments in around.broadcasts()] == [3, 4]
    assert "Traceback" not in errors


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen within 10 seconds")


# Rooms

ROOMS = "keynote=Opening keynote; hall-a"


async def test_counters_broadcast_to_their_hubs(around: Surroundings) -> None:
    with running_app(around, Rooms=ROOMS) as app:
        await app.counter("keynote").sign_in(SignInRequest())
        for _ in range(2):
            await app.counter("hall-a").sign_in(SignInRequest())
        await app.counter().sign_in(SignInRequest())
        app.close()
    last = {
        request.target.removeprefix("/api/v1/hubs/"): json.loads(request.body)["arguments"][0]
        for request in around.signalr.requests
        if request.method == "POST"
    }
    assert last == {"signinsamplehub": 1, "signinsamplehub_keynote": 1, "signinsamplehub_hall_a": 2}


async def test_key_in_one_room_is_another_visit_in_another(around: Surroundings) -> None:
    with running_app(around, Rooms=ROOMS) as app:
        for room in app.rooms:
            answer = await app.counter(room).sign_in(SignInRequest(), "a" * 32, is_repeated=True)
            assert answer.statistics.total == 1


async def test_idle_room_sends_nothing(around: Surroundings) -> None:
    with running_app(around, Rooms=ROOMS) as app:
        app.counter("keynote")
        await asyncio.sleep(0.3)
    assert not around.table.reads
    assert not around.signalr.requests


async def test_visit_in_a_room_costs_what_it_costs_elsewhere(around: Surroundings) -> None:
    with running_app(around, Rooms=ROOMS) as app:
        for room in app.rooms:
            for _ in range(3):
                await app.counter(room).sign_in(SignInRequest())
        counters = [app.counter(room) for room in app.rooms]
        await asyncio.to_thread(wait_until, lambda: not any(counter._shards.may_have_peers for counter in counters))
        sent = [len(around.table.reads), len(around.table.attempts)]
        for room in app.rooms:
            await app.counter(room).sign_in(SignInRequest())
        assert [len(around.table.reads) - sent[0], len(around.table.attempts) - sent[1]] == [0, 3]


async def test_rooms_are_closed_side_by_side(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time to close is bounded, however many rooms hang."""
    monkeypatch.setattr(app_module, "_CLOSE_SECONDS", 0.5)
    with running_app(around, Rooms=ROOMS) as app:
        around.table.faults.extend(gates := [Gate() for _ in app.rooms])
        visitors = [asyncio.ensure_future(app.counter(room).sign_in(SignInRequest())) for room in app.rooms]
        for gate in gates:
            await asyncio.to_thread(gate.wait_until_reached)
        began = time.monotonic()
        await asyncio.to_thread(app.close)
        assert 0.5 <= time.monotonic() - began < 1.4
        for gate in gates:
            gate.open()
        assert {(await visitor).statistics.total for visitor in visitors} == {1}


async def test_hub_that_hangs_costs_no_other_room_its_broadcast(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the first room closes, the others do too."""
    monkeypatch.setattr(app_module, "_CLOSE_SECONDS", 1.0)
    has_ended = threading.Event()
    respond = around.signalr.handler

    def sent() -> list[str]:
        return [request.target.rpartition("/")[2] for request in around.signalr.requests if request.method == "POST"]

    def hang(request: Request) -> Response | None:
        if request.target.endswith("keynote"):
            has_ended.wait(10)
        return respond(request)

    with running_app(around, Rooms=ROOMS, BroadcastIntervalSeconds="3600") as app:
        for number in (1, 2):
            for room in ("keynote", "hall-a"):
                await app.counter(room).sign_in(SignInRequest())
            await asyncio.to_thread(wait_until, lambda: len(sent()) == 2)
            if number == 1:
                around.signalr.handler = hang
        await asyncio.to_thread(app.close)
        assert sent().count("signinsamplehub_hall_a") == 2
        has_ended.set()


def test_rooms_share_one_credential(around: Surroundings) -> None:
    signalr = "Endpoint=https://x.service.signalr.net;AuthType=azure.msi;Version=1.0;"
    with running_app(around, Rooms=ROOMS, AzureSignalRConnectionString=signalr) as app:
        assert len({id(app.counter(room)._hub._credential) for room in app.rooms}) == 1
        assert app.counter()._hub._credential is not None
