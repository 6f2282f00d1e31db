from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from signin.identity.refreshing import Expiring, RefreshingValue
from tests.support.clock import Clock

HOUR = 3600.0
TIMEOUT = 10  # seconds


class Source:
    """A fetch function whose calls wait until the test provides their outcome."""

    def __init__(self) -> None:
        self.started: queue.Queue[int] = queue.Queue()
        self.outcomes: queue.Queue[Expiring[str] | Exception] = queue.Queue()
        self.fetches = 0

    def fetch(self) -> Expiring[str]:
        self.fetches += 1
        self.started.put(self.fetches)
        outcome = self.outcomes.get(timeout=TIMEOUT)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def refreshing(source: Source, clock: Clock) -> Iterator[RefreshingValue[str]]:
    yield RefreshingValue(source.fetch, clock)
    for thread in threading.enumerate():
        if thread.name == "refresh":
            thread.join(TIMEOUT)


def test_concurrent_callers_share_one_fetch(source: Source, refreshing: RefreshingValue[str], clock: Clock) -> None:
    futures = [refreshing.get() for _ in range(10)]
    assert not any(future.done() for future in futures)
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    assert {future.result(TIMEOUT) for future in futures} == {"first"}
    assert source.fetches == 1


def test_valid_value_is_returned_without_fetch(source: Source, refreshing: RefreshingValue[str], clock: Clock) -> None:
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    refreshing.get().result(TIMEOUT)
    clock.now += 0.4 * HOUR
    assert refreshing.get().result(0) == "first"
    assert source.fetches == 1


def fetch_and_pass_half_the_lifetime(source: Source, refreshing: RefreshingValue[str], clock: Clock) -> None:
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    refreshing.get().result(TIMEOUT)
    clock.now += 0.6 * HOUR


def test_refresh_runs_in_background_at_half_lifetime(
    source: Source, refreshing: RefreshingValue[str], clock: Clock
) -> None:
    fetch_and_pass_half_the_lifetime(source, refreshing, clock)
    assert [refreshing.get().result(0) for _ in range(3)] == ["first"] * 3
    source.outcomes.put(Expiring("second", clock.now + HOUR))
    while refreshing.get().result(0) != "second":
        threading.Event().wait(0.001)
    assert source.fetches == 2


def test_failed_refresh_is_retried_after_a_pause(
    source: Source, refreshing: RefreshingValue[str], clock: Clock
) -> None:
    fetch_and_pass_half_the_lifetime(source, refreshing, clock)
    assert source.started.get(timeout=TIMEOUT) == 1
    refreshing.get()
    source.outcomes.put(OSError("down"))
    assert source.started.get(timeout=TIMEOUT) == 2
    while refreshing._pending is not None:
        threading.Event().wait(0.001)
    assert refreshing.get().result(0) == "first"
    assert source.fetches == 2
    clock.now += 31
    assert refreshing.get().result(0) == "first"
    assert source.started.get(timeout=TIMEOUT) == 3
    source.outcomes.put(Expiring("second", clock.now + HOUR))


def test_value_about_to_expire_is_not_returned(source: Source, refreshing: RefreshingValue[str], clock: Clock) -> None:
    fetch_and_pass_half_the_lifetime(source, refreshing, clock)
    clock.now += 0.4 * HOUR - 59
    future = refreshing.get()
    assert not future.done()
    source.outcomes.put(Expiring("second", clock.now + HOUR))
    assert future.result(TIMEOUT) == "second"


def test_failed_fetch_is_shared_and_then_retried(
    source: Source, refreshing: RefreshingValue[str], clock: Clock
) -> None:
    futures = [refreshing.get() for _ in range(3)]
    source.outcomes.put(OSError("down"))
    assert all(isinstance(future.exception(TIMEOUT), OSError) for future in futures)
    clock.now += 1
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    assert refreshing.get().result(TIMEOUT) == "first"


def test_outage_is_answered_from_the_last_failure(
    source: Source, refreshing: RefreshingValue[str], clock: Clock
) -> None:
    for _ in range(8):
        source.outcomes.put(OSError("down"))
    fetched_at: list[float] = []
    for _ in range(400):  # each tenth of a second
        fetches = source.fetches
        assert isinstance(refreshing.get().exception(TIMEOUT), OSError)
        if source.fetches > fetches:
            fetched_at.append(clock.now - 1000)
        clock.now += 0.1
    assert fetched_at == pytest.approx([0, 1, 3, 7, 15, 25, 35], abs=0.6)


def test_recovery_is_noticed_within_the_longest_pause(
    source: Source, refreshing: RefreshingValue[str], clock: Clock
) -> None:
    for _ in range(10):
        source.outcomes.put(OSError("down"))
        refreshing.get().exception(TIMEOUT)
        clock.now += 10
    source.outcomes.put(Expiring("back", clock.now + HOUR))
    assert refreshing.get().result(TIMEOUT) == "back"


def test_success_resets_the_pause(source: Source, refreshing: RefreshingValue[str], clock: Clock) -> None:
    for _ in range(5):
        source.outcomes.put(OSError("down"))
        refreshing.get().exception(TIMEOUT)
        clock.now += 10
    fetch_and_pass_half_the_lifetime(source, refreshing, clock)
    clock.now += HOUR
    source.outcomes.put(OSError("down"))
    assert isinstance(refreshing.get().exception(TIMEOUT), OSError)
    clock.now += 1
    source.outcomes.put(Expiring("back", clock.now + HOUR))
    assert refreshing.get().result(TIMEOUT) == "back"


def test_valid_value_is_returned_during_an_outage(
    source: Source, refreshing: RefreshingValue[str], clock: Clock
) -> None:
    fetch_and_pass_half_the_lifetime(source, refreshing, clock)
    for _ in range(100):
        source.outcomes.put(OSError("down"))
    for _ in range(100):
        assert refreshing.get().result(0) == "first"
        while refreshing._pending is not None:
            threading.Event().wait(0.001)
        clock.now += 1
    assert source.fetches <= 15


def test_clock_that_was_set_back_ends_the_pause(source: Source, refreshing: RefreshingValue[str], clock: Clock) -> None:
    source.outcomes.put(OSError("down"))
    refreshing.get().exception(TIMEOUT)
    clock.now -= HOUR
    source.outcomes.put(Expiring("back", clock.now + HOUR))
    assert refreshing.get().result(TIMEOUT) == "back"


def test_caller_cannot_cancel_the_shared_fetch(source: Source, refreshing: RefreshingValue[str], clock: Clock) -> None:
    shared: Future[str] = refreshing.get()
    assert not shared.cancel()
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    assert refreshing.get().result(TIMEOUT) == "first"


def test_failure_to_start_a_thread_blocks_no_caller(
    source: Source, refreshing: RefreshingValue[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.12 and later start no thread while the process ends."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            refreshing.get().result(0)
    fetch_and_pass_half_the_lifetime(source, refreshing, clock)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert refreshing.get().result(0) == "first", "it is still valid"
    source.outcomes.put(Expiring("second", clock.now + HOUR))
    while refreshing.get().result(0) != "second":
        threading.Event().wait(0.001)
