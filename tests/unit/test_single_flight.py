from __future__ import annotations

import asyncio
import threading

import pytest

from signin.counting.single_flight import SingleFlight

LONG = 3600.0  # seconds: a pause that no test waits for


class Work:
    """A function that the test lets return; `runs` counts how often it began."""

    def __init__(self) -> None:
        self.runs = 0
        self.error: Exception | None = None
        self._begun = threading.Semaphore(0)
        self._gate = threading.Semaphore(0)

    def __call__(self) -> None:
        self.runs += 1
        self._begun.release()
        assert self._gate.acquire(timeout=10), "the run was not ended"
        if self.error is not None:
            raise self.error

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.acquire, timeout=10), "no run has begun"

    def let_return(self, runs: int = 1) -> None:
        self._gate.release(runs)


@pytest.fixture
def work() -> Work:
    return Work()


async def test_concurrent_callers_share_a_run(work: Work) -> None:
    single_flight = SingleFlight(work, pause=0)
    work.let_return()
    await asyncio.gather(*(single_flight.run() for _ in range(100)))
    assert work.runs == 1


async def test_callers_during_a_run_share_the_next_one(work: Work) -> None:
    """The run under way may have read its values before they changed."""
    single_flight = SingleFlight(work, pause=0)
    first = asyncio.create_task(single_flight.run())
    await work.begun()
    later = [asyncio.create_task(single_flight.run()) for _ in range(100)]
    await asyncio.sleep(0)
    work.let_return()
    await first
    assert not any(call.done() for call in later)
    work.let_return()
    await asyncio.gather(*later)
    assert work.runs == 2


async def test_runs_begin_at_least_a_pause_apart(work: Work) -> None:
    single_flight = SingleFlight(work, pause=LONG)
    work.let_return(2)
    await single_flight.run()
    early = asyncio.create_task(single_flight.run())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(early, 0.05)
    assert work.runs == 1


async def test_failure_is_raised_in_all_callers_of_the_run(work: Work) -> None:
    single_flight = SingleFlight(work, pause=0)
    work.error = ValueError("down")
    work.let_return(2)
    outcomes = await asyncio.gather(*(single_flight.run() for _ in range(10)), return_exceptions=True)
    assert all(isinstance(outcome, ValueError) for outcome in outcomes)
    work.error = None
    await single_flight.run()
    assert work.runs == 2


async def test_cancelled_caller_cancels_no_other(work: Work) -> None:
    single_flight = SingleFlight(work, pause=0)
    leaving, staying = (asyncio.create_task(single_flight.run()) for _ in range(2))
    await work.begun()
    leaving.cancel()
    work.let_return()
    await staying
    assert leaving.cancelled()


async def test_recent_joins_the_run_under_way(work: Work) -> None:
    single_flight = SingleFlight(work, pause=0)
    first = asyncio.create_task(single_flight.recent(LONG))
    await work.begun()
    others = [asyncio.create_task(single_flight.recent(0)) for _ in range(100)]
    work.let_return()
    await asyncio.gather(first, *others)
    assert work.runs == 1


@pytest.mark.parametrize("error", [None, ValueError("down")])
async def test_recent_shares_the_outcome_for_its_age(error: Exception | None, work: Work) -> None:
    single_flight = SingleFlight(work, pause=0)
    work.error = error
    work.let_return(2)
    for max_age, runs in [(LONG, 1), (LONG, 1), (LONG, 1), (0, 2)]:
        [outcome] = await asyncio.gather(single_flight.recent(max_age), return_exceptions=True)
        assert (outcome, work.runs) == (error, runs)


async def test_run_begins_anew_whatever_is_recent(work: Work) -> None:
    single_flight = SingleFlight(work, pause=0)
    work.let_return(2)
    await single_flight.recent(LONG)
    await single_flight.run()
    assert work.runs == 2


async def test_all_callers_get_the_result() -> None:
    single_flight = SingleFlight(lambda: "result", pause=0)
    assert set(await asyncio.gather(single_flight.run(), single_flight.recent(0))) == {"result"}
