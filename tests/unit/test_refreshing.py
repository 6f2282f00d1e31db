from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from types import SimpleNamespace

import pytest

from signin.identity import refreshing as tokens
from signin.identity.refreshing import Expiring, RefreshingValue

HOUR = 3600.0


class Source:
    """Gives out numbered tokens as the test says: each fetch waits for its outcome."""

    def __init__(self) -> None:
        self.asked: queue.Queue[int] = queue.Queue()
        self.outcomes: queue.Queue[Expiring[str] | Exception] = queue.Queue()
        self.fetches = 0

    def fetch(self) -> Expiring[str]:
        self.fetches += 1
        self.asked.put(self.fetches)
        outcome = self.outcomes.get(timeout=10)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.time()
        monkeypatch.setattr(tokens, "time", SimpleNamespace(time=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def renewed(source: Source, clock: Clock) -> Iterator[RefreshingValue[str]]:
    yield RefreshingValue(source.fetch)
    for thread in threading.enumerate():
        if thread.name == "renewal":
            thread.join(10)


def test_all_who_ask_at_the_same_time_share_one_fetch(
    source: Source, renewed: RefreshingValue[str], clock: Clock
) -> None:
    asking = [renewed.get() for _ in range(10)]
    assert not any(token.done() for token in asking)
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    assert {token.result(10) for token in asking} == {"first"}
    assert source.fetches == 1


def test_a_good_token_is_given_out_at_once(source: Source, renewed: RefreshingValue[str], clock: Clock) -> None:
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    renewed.get().result(10)
    clock.now += 0.4 * HOUR
    assert renewed.get().result(0) == "first"
    assert source.fetches == 1


def given_a_token_in_its_second_half(source: Source, renewed: RefreshingValue[str], clock: Clock) -> None:
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    renewed.get().result(10)
    clock.now += 0.6 * HOUR


def test_in_the_second_half_of_its_life_it_is_renewed_and_nobody_waits(
    source: Source, renewed: RefreshingValue[str], clock: Clock
) -> None:
    given_a_token_in_its_second_half(source, renewed, clock)
    assert [renewed.get().result(0) for _ in range(3)] == ["first"] * 3
    source.outcomes.put(Expiring("second", clock.now + HOUR))
    while renewed.get().result(0) != "second":
        threading.Event().wait(0.001)
    assert source.fetches == 2


def test_a_renewal_that_fails_is_repeated_after_a_pause_and_nobody_hears_of_it(
    source: Source, renewed: RefreshingValue[str], clock: Clock
) -> None:
    given_a_token_in_its_second_half(source, renewed, clock)
    assert source.asked.get(timeout=10) == 1
    renewed.get()
    source.outcomes.put(OSError("down"))
    assert source.asked.get(timeout=10) == 2
    while renewed._coming is not None:
        threading.Event().wait(0.001)
    assert renewed.get().result(0) == "first"
    assert source.fetches == 2
    clock.now += 31
    assert renewed.get().result(0) == "first"
    assert source.asked.get(timeout=10) == 3
    source.outcomes.put(Expiring("second", clock.now + HOUR))


def test_a_token_that_is_about_to_expire_is_not_given_out(
    source: Source, renewed: RefreshingValue[str], clock: Clock
) -> None:
    given_a_token_in_its_second_half(source, renewed, clock)
    clock.now += 0.4 * HOUR - 59
    token = renewed.get()
    assert not token.done()
    source.outcomes.put(Expiring("second", clock.now + HOUR))
    assert token.result(10) == "second"


def test_all_who_wait_hear_of_a_failure_and_the_next_one_has_it_tried_again(
    source: Source, renewed: RefreshingValue[str], clock: Clock
) -> None:
    waiting = [renewed.get() for _ in range(3)]
    source.outcomes.put(OSError("down"))
    assert all(isinstance(token.exception(10), OSError) for token in waiting)
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    assert renewed.get().result(10) == "first"


def test_who_stops_waiting_takes_nobody_along(source: Source, renewed: RefreshingValue[str], clock: Clock) -> None:
    leaving: Future[str] = renewed.get()
    assert not leaving.cancel()
    source.outcomes.put(Expiring("first", clock.now + HOUR))
    assert renewed.get().result(10) == "first"


def test_where_no_thread_can_be_started_nobody_is_kept_waiting(
    source: Source, renewed: RefreshingValue[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of a process, from Python 3.12 on."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            renewed.get().result(0)
    given_a_token_in_its_second_half(source, renewed, clock)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        assert renewed.get().result(0) == "first", "it is still good"
    source.outcomes.put(Expiring("second", clock.now + HOUR))
    while renewed.get().result(0) != "second":
        threading.Event().wait(0.001)
