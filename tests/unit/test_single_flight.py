from __future__ import annotations

import asyncio
import threading

import pytest

from signin.counting.single_flight import SingleFlight

LONG = 3600.0  # seconds: a pause that no test waits for


class Work:
    """A function that a test holds and lets go; `runs` is how often it was begun."""

    def __init__(self) -> None:
        self.runs = 0
        self.error: Exception | None = None
        self._begun = threading.Semaphore(0)
        self._gate = threading.Semaphore(0)

    def __call__(self) -> None:
        self.runs += 1
        self._begun.release()
        assert self._gate.acquire(timeout=10), "the run was not let go"
        if self.error is not None:
            raise self.error

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.acquire, timeout=10), "no run has begun"

    def let_go(self, runs: int = 1) -> None:
        self._gate.release(runs)


@pytest.fixture
def work() -> Work:
    return Work()


async def test_callers_who_ask_at_once_share_a_run(work: Work) -> None:
    joined = SingleFlight(work, pause=0)
    work.let_go()
    await asyncio.gather(*(joined.run() for _ in range(100)))
    assert work.runs == 1


async def test_whoever_calls_during_a_run_gets_the_next_one(work: Work) -> None:
    """The run under way may have read already what has changed since."""
    joined = SingleFlight(work, pause=0)
    first = asyncio.create_task(joined.run())
    await work.begun()
    later = [asyncio.create_task(joined.run()) for _ in range(100)]
    await asyncio.sleep(0)
    work.let_go()
    await first
    assert not any(call.done() for call in later)
    work.let_go()
    await asyncio.gather(*later)
    assert work.runs == 2


async def test_runs_begin_a_pause_apart(work: Work) -> None:
    joined = SingleFlight(work, pause=LONG)
    work.let_go(2)
    await joined.run()
    early = asyncio.create_task(joined.run())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(early, 0.05)
    assert work.runs == 1


async def test_a_failure_is_told_to_all_who_share_it_and_to_nobody_else(work: Work) -> None:
    joined = SingleFlight(work, pause=0)
    work.error = ValueError("down")
    work.let_go(2)
    outcomes = await asyncio.gather(*(joined.run() for _ in range(10)), return_exceptions=True)
    assert all(isinstance(outcome, ValueError) for outcome in outcomes)
    work.error = None
    await joined.run()
    assert work.runs == 2


async def test_a_caller_who_leaves_takes_nobody_along(work: Work) -> None:
    joined = SingleFlight(work, pause=0)
    leaving, staying = (asyncio.create_task(joined.run()) for _ in range(2))
    await work.begun()
    leaving.cancel()
    work.let_go()
    await staying
    assert leaving.cancelled()
