from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from signin.app import App, current
from signin.counting import committer as committer_module
from signin.counting.committer import NotAcknowledged
from signin.counting.table import OutcomeUnknown, StorageError
from signin.live.hub import ClientAccess
from signin.settings import SettingsError
from signin.visits.statistics import Statistics
from tests.support.user_agents import CRAWLER, FIREFOX_ON_WINDOWS, SAFARI_ON_IPHONE

from . import table_service
from .table_service import Gate, request_lost
from .whole_app import Surroundings, running_app


@pytest.fixture
def app(around: Surroundings) -> Iterator[App]:
    with running_app(around) as app:
        yield app


async def test_a_visitor_is_told_the_statistics_with_the_own_visit_counted_in(app: App) -> None:
    assert (await app.sign_in({"user-agent": SAFARI_ON_IPHONE})).statistics.summary() == Statistics(
        1, {"iOS": 1}, {"Safari": 1}, {"Phone": 1}
    ).summary()
    assert (await app.sign_in({"user-agent": SAFARI_ON_IPHONE})).statistics.summary() == Statistics(
        2, {"iOS": 2}, {"Safari": 2}, {"Phone": 2}
    ).summary()


async def test_a_visitor_gets_access_to_the_live_updates(around: Surroundings, app: App) -> None:
    access = (await app.sign_in({})).access
    assert access.url == f"{around.signalr.url}/client/?hub=signinsamplehub"


async def test_visitors_at_the_same_time_share_transactions(around: Surroundings, app: App) -> None:
    around.table.faults.append(gate := Gate())
    visitors = [asyncio.ensure_future(app.sign_in({"user-agent": FIREFOX_ON_WINDOWS})) for _ in range(300)]
    await asyncio.to_thread(gate.wait_until_reached)
    assert not any(visitor.done() for visitor in visitors)
    gate.open()
    totals = [(await visitor).statistics.total for visitor in visitors]
    assert around.table.audited().total == max(totals) == 300
    assert len(around.table.attempts) <= 5


async def test_a_visitor_who_leaves_takes_nobody_along(around: Surroundings, app: App) -> None:
    """The visitors of a transaction wait for it together."""
    around.table.faults.append(gate := Gate())
    first = asyncio.ensure_future(app.sign_in({}))
    await asyncio.to_thread(gate.wait_until_reached)
    leaving, staying = (asyncio.ensure_future(app.sign_in({})) for _ in range(2))
    await asyncio.sleep(0)  # both have signed in
    leaving.cancel()
    gate.open()
    await first
    assert (await staying).statistics.total == 3
    assert leaving.cancelled()


async def test_visits_of_other_processes_are_counted_in(around: Surroundings, app: App) -> None:
    with running_app(around) as other:
        await other.sign_in({})
        around.table.commit_from_elsewhere("01")
        assert (await app.sign_in({})).statistics.total == 3


async def test_a_visit_is_broadcast(around: Surroundings, app: App) -> None:
    await app.sign_in({"user-agent": SAFARI_ON_IPHONE})
    app.close()
    assert around.broadcasts() == [[1, {"iOS": 1}, {"Safari": 1}, {"byDevice": {"Phone": 1}}]]


async def test_a_bot_gets_an_answer_and_is_not_counted(around: Surroundings, app: App) -> None:
    await app.sign_in({"user-agent": FIREFOX_ON_WINDOWS})
    answer = await app.sign_in({"user-agent": CRAWLER})
    assert answer.statistics.total == 1
    assert answer.access.token
    assert around.table.audited().total == 1


async def test_asking_for_the_statistics_counts_nothing(around: Surroundings, app: App) -> None:
    around.table.commit_from_elsewhere("00")
    assert (await app.statistics()).total == 1
    assert not around.table.attempts


async def test_the_statistics_have_every_visit_that_was_acknowledged_before(around: Surroundings, app: App) -> None:
    """A page that connected after a visit's broadcast learns of it by /stats, from whichever process, or never."""
    with running_app(around) as other:
        for total in range(1, 6):
            await other.sign_in({})
            assert (await app.statistics()).total == total


async def test_visits_whose_process_died_before_it_told_of_them_are_told_by_the_next_that_reads_them(
    around: Surroundings, app: App
) -> None:
    around.table.commit_from_elsewhere("00")
    await app.statistics()
    app.close()
    assert [arguments[0] for arguments in around.broadcasts()] == [1]


async def test_reading_what_is_known_is_no_reason_to_broadcast(around: Surroundings, app: App) -> None:
    await app.sign_in({})
    for _ in range(3):
        await app.statistics()
    app.close()
    assert len(around.broadcasts()) == 1


async def test_statistics_that_cannot_be_read_are_an_error(around: Surroundings, app: App) -> None:
    around.table.read_errors.append(table_service.wrong_key())
    with pytest.raises(StorageError):
        await app.statistics()


async def test_a_visit_that_is_not_durable_is_not_acknowledged(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer_module, "COMMIT_SECONDS", -1.0)
    around.table.faults.append(request_lost)
    with pytest.raises(NotAcknowledged):
        await app.sign_in({})


async def test_a_durable_visit_is_acknowledged_also_where_the_other_shards_cannot_be_read(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.table.faults.append(gate := Gate())  # the commit ends after the reading, so that it is not spared

    def fail(committing: int | None) -> None:
        gate.open()
        raise OutcomeUnknown("down")

    monkeypatch.setattr(app._counter, "refresh", fail)
    assert (await app.sign_in({})).statistics.total == 1


async def test_a_durable_visit_does_not_wait_for_a_slow_reading_of_the_other_shards(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    around.table.faults.append(gate := Gate())
    answered = threading.Event()

    def read_slowly(committing: int | None) -> None:
        gate.open()
        answered.wait(10)

    monkeypatch.setattr(app._counter, "refresh", read_slowly)
    try:
        assert (await app.sign_in({})).statistics.total == 1
        assert not answered.is_set()
    finally:
        answered.set()


class FailsOnceAwaited(Future[ClientAccess]):
    def add_done_callback(self, callback: Callable[[Future[ClientAccess]], object]) -> None:
        super().add_done_callback(callback)
        self.set_exception(RuntimeError("a token that nobody foresaw"))


async def test_a_durable_visit_is_acknowledged_whatever_else_fails(
    around: Surroundings, app: App, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(committing: int | None) -> None:
        raise RuntimeError("a reading that nobody foresaw")

    monkeypatch.setattr(app._counter, "refresh", fail)
    monkeypatch.setattr(app.hub, "client_access", FailsOnceAwaited)
    answer = await app.sign_in({})
    assert answer.statistics.total == around.table.audited().total == 1
    assert answer.access == app.hub.access_without_token
    for unforeseen in ("a reading that nobody foresaw", "a token that nobody foresaw"):
        assert unforeseen in caplog.text


async def test_the_statistics_asked_for_during_a_first_commit_are_complete(around: Surroundings, app: App) -> None:
    """A new process, a slow commit, and somebody who asks /stats meanwhile."""
    for _ in range(3):
        around.table.commit_from_elsewhere("00")
    around.table.faults.append(gate := Gate())
    visitor = asyncio.ensure_future(app.sign_in({}))
    await asyncio.to_thread(gate.wait_until_reached)
    try:
        assert (await app.statistics()).total == 3
    finally:
        gate.open()
        await visitor


def test_closing_is_possible_twice(app: App) -> None:
    app.close()
    app.close()


# The app of a process


def test_all_requests_share_one_app(environment: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(8) as pool:
        apps = list(pool.map(lambda _: current(), range(32)))
    assert len(set(map(id, apps))) == 1


def test_missing_settings_are_found_once_they_are_there(environment: pytest.MonkeyPatch, around: Surroundings) -> None:
    environment.delenv("BlobHost")
    for _ in range(2):
        with pytest.raises(SettingsError, match="BlobHost is not set"):
            current()
    environment.setenv("BlobHost", around.blobs.url)
    assert isinstance(current(), App)


def test_the_app_is_closed_when_the_process_ends(environment: pytest.MonkeyPatch) -> None:
    registered: list[object] = []
    environment.setattr(atexit, "register", registered.append)
    app = current()
    assert registered == [app.close]
