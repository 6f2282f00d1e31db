from __future__ import annotations

import asyncio

import pytest

from signin.website.budget import ByteBudget

TIMEOUT = 10  # seconds


class Reader:
    """A task that reserves bytes until `done` is set."""

    def __init__(self, budget: ByteBudget, size: int) -> None:
        self.has_bytes = False
        self.done = asyncio.Event()
        self.task = asyncio.create_task(self._read(budget, size))

    async def _read(self, budget: ByteBudget, size: int) -> None:
        async with budget.reserve(size, TIMEOUT):
            self.has_bytes = True
            await self.done.wait()


async def readers(budget: ByteBudget, *sizes: int) -> list[Reader]:
    readers = [Reader(budget, size) for size in sizes]
    await pause()
    return readers


async def pause() -> None:
    """Let all tasks run until they wait."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_reservations_never_exceed_the_total() -> None:
    waiting = await readers(ByteBudget(10), 6, 4, 3, 3)
    assert [reader.has_bytes for reader in waiting] == [True, True, False, False]
    waiting[0].done.set()
    await pause()
    assert [reader.has_bytes for reader in waiting] == [True, True, True, True]
    for reader in waiting:
        reader.done.set()
    await asyncio.gather(*(reader.task for reader in waiting))


async def test_large_reservation_is_not_overtaken() -> None:
    waiting = await readers(ByteBudget(10), 6, 10, 1)
    assert [reader.has_bytes for reader in waiting] == [True, False, False]
    for reader in waiting[:2]:
        reader.done.set()
    await pause()
    assert waiting[2].has_bytes
    waiting[2].done.set()
    await asyncio.gather(*(reader.task for reader in waiting))


async def test_wait_for_bytes_is_limited() -> None:
    budget = ByteBudget(10)
    async with budget.reserve(10, TIMEOUT):
        with pytest.raises(TimeoutError):
            async with budget.reserve(1, 0.01):
                pass
    async with budget.reserve(10, TIMEOUT):
        pass


async def test_failed_and_cancelled_readers_release_their_bytes() -> None:
    budget = ByteBudget(10)
    with pytest.raises(ZeroDivisionError):
        async with budget.reserve(10, TIMEOUT):
            raise ZeroDivisionError
    holding, waiting = await readers(budget, 10, 10)
    for reader in (waiting, holding):
        reader.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader.task
    async with budget.reserve(10, TIMEOUT):
        pass
