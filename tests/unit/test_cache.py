from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator

import pytest

from signin.website import cache as cache_module
from signin.website.blobs import Blob, BlobChanged, Container, ContentUnavailable
from signin.website.cache import FRESH_SECONDS, MAX_ABSENT, MAX_BYTES, BlobCache

PATIENCE = 10  # seconds until a test gives up


class FakeContainer(Container):
    """Blobs by name, and a list of what was asked for; `gate` holds the answers back, `problem` is raised instead."""

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.asked: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.problem: Exception | None = None

    def get(self, name: str, known: Blob | None = None) -> Blob | None:
        self.asked.append(name)
        assert self.gate.wait(PATIENCE), "the gate was not opened"
        if self.problem is not None:
            raise self.problem
        return self.blobs.get(name)

    def read(self, name: str, blob: Blob, part: range) -> bytes:
        if self.problem is not None:
            raise self.problem
        return bytes(part)


class Clock:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def pass_time(self) -> None:
        """Let what is held be no longer fresh."""
        self.now += FRESH_SECONDS


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("signin.website.cache.time", clock)
    return clock


@pytest.fixture
def container() -> FakeContainer:
    container = FakeContainer()
    container.blobs["a"] = blob("first")
    return container


@pytest.fixture
def cache(container: FakeContainer) -> Iterator[BlobCache]:
    cache = BlobCache(container, threads=4)
    yield cache
    container.gate.set()
    cache.close()


def blob(text: str, size: int | None = None) -> Blob:
    body = text.encode() if size is None else bytes(size)
    return Blob(len(body), f'"{text}"', {}, body)


async def started(container: FakeContainer, count: int) -> None:
    """Wait until the container has been asked so often."""
    async with asyncio.timeout(PATIENCE):
        while len(container.asked) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)  # it is asked in another thread


# Freshness


async def test_what_is_fresh_is_given_out_without_a_question(
    cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    first = await cache.get("a")
    clock.now += FRESH_SECONDS - 0.01
    assert await cache.get("a") is first
    assert container.asked == ["a"]


async def test_a_new_version_shows_once_the_old_one_is_no_longer_fresh(
    cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    await cache.get("a")
    container.blobs["a"] = new = blob("second")
    clock.pass_time()
    assert await cache.get("a") is new


async def test_what_is_confirmed_is_fresh_again(cache: BlobCache, container: FakeContainer, clock: Clock) -> None:
    await cache.get("a")
    clock.pass_time()
    await cache.get("a")
    await cache.get("a")
    assert container.asked == ["a", "a"]


async def test_what_is_not_there_is_remembered_as_long(
    cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    assert await cache.get("b") is None
    assert await cache.get("b") is None
    assert container.asked == ["b"]
    container.blobs["b"] = new = blob("new")
    clock.pass_time()
    assert await cache.get("b") is new


async def test_what_is_deleted_goes(cache: BlobCache, container: FakeContainer, clock: Clock) -> None:
    await cache.get("a")
    container.blobs.clear()
    clock.pass_time()
    assert await cache.get("a") is None
    container.problem = ContentUnavailable("down")
    clock.pass_time()
    assert await cache.get("a") is None


async def test_what_was_not_there_once_is_forgotten_when_it_is(
    cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    await cache.get("b")
    container.blobs["b"] = blob("new")
    clock.pass_time()
    await cache.get("b")
    cache.forget("b")
    container.problem = ContentUnavailable("down")
    with pytest.raises(ContentUnavailable):
        await cache.get("b")


# One question for all


@pytest.mark.parametrize("name", ["a", "missing"])
async def test_all_who_ask_at_the_same_time_share_one_answer(
    name: str, cache: BlobCache, container: FakeContainer
) -> None:
    container.gate.clear()
    waiting = [asyncio.create_task(cache.get(name)) for _ in range(1000)]
    await started(container, 1)
    container.gate.set()
    answers = await asyncio.gather(*waiting)
    assert set(answers) == {container.blobs.get(name)}
    assert container.asked == [name]


async def test_all_who_ask_at_the_same_time_share_one_error(cache: BlobCache, container: FakeContainer) -> None:
    container.gate.clear()
    container.problem = ContentUnavailable("down")
    waiting = [asyncio.create_task(cache.get("a")) for _ in range(100)]
    await started(container, 1)
    container.gate.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(answer) for answer in answers} == {"down"}
    assert container.asked == ["a"]


async def test_an_error_is_not_remembered(cache: BlobCache, container: FakeContainer) -> None:
    container.problem = ContentUnavailable("down")
    with pytest.raises(ContentUnavailable):
        await cache.get("a")
    container.problem = None
    assert await cache.get("a") is container.blobs["a"]


async def test_different_names_are_asked_for_side_by_side(cache: BlobCache, container: FakeContainer) -> None:
    container.gate.clear()
    waiting = [asyncio.create_task(cache.get(name)) for name in ("a", "b", "c")]
    await started(container, 3)
    container.gate.set()
    await asyncio.gather(*waiting)


@pytest.mark.parametrize("is_held", [False, True])
async def test_the_first_who_asks_may_go_away(
    is_held: bool, cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    if is_held:
        await cache.get("a")
        clock.pass_time()
    container.gate.clear()
    first, second = (asyncio.create_task(cache.get("a")) for _ in range(2))
    await started(container, 1 + is_held)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    container.gate.set()
    assert await second is container.blobs["a"]
    assert len(container.asked) == 1 + is_held


async def test_all_may_go_away(cache: BlobCache, container: FakeContainer) -> None:
    container.gate.clear()
    only = asyncio.create_task(cache.get("a"))
    await started(container, 1)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    container.gate.set()
    assert await cache.get("a") is container.blobs["a"]
    assert container.asked == ["a"]


async def test_an_error_that_nobody_waits_for_any_more_is_no_noise(
    cache: BlobCache, container: FakeContainer, caplog: pytest.LogCaptureFixture
) -> None:
    container.gate.clear()
    container.problem = ContentUnavailable("down")
    only = asyncio.create_task(cache.get("a"))
    await started(container, 1)
    flight = cache._flights["a"]
    only.cancel()
    container.gate.set()
    await asyncio.wait([flight, only])
    del flight, only
    gc.collect()
    assert [record.name for record in caplog.records] == ["signin.website.cache"]


async def test_a_defect_reaches_those_who_wait_and_does_not_stay(cache: BlobCache, container: FakeContainer) -> None:
    container.problem = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await cache.get("a")
    container.problem = None
    assert await cache.get("a") is container.blobs["a"]


# While Blob Storage is down


async def test_while_the_service_is_down_what_is_held_is_given_out(
    cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    first = await cache.get("a")
    container.problem = ContentUnavailable("down")
    for _ in range(5):
        clock.now += 1_000_000
        assert await cache.get("a") is first
    container.problem = None
    container.blobs["a"] = new = blob("second")
    clock.pass_time()
    assert await cache.get("a") is new


async def test_a_service_that_is_down_is_not_asked_for_every_visitor(
    cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    await cache.get("a")
    container.problem = ContentUnavailable("down")
    clock.pass_time()
    for _ in range(100):
        await cache.get("a")
    assert container.asked == ["a", "a"]


async def test_where_the_service_is_slow_one_visitor_waits_a_moment_and_gets_the_old_version(
    cache: BlobCache, container: FakeContainer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_PATIENCE", 0.01)
    old = await cache.get("a")
    container.blobs["a"] = new = blob("second")
    container.gate.clear()
    clock.pass_time()
    assert await cache.get("a") is old
    monkeypatch.setattr(cache_module, "_PATIENCE", PATIENCE)
    assert await cache.get("a") is old, "the next visitor need not wait"
    [flight] = cache._flights.values()
    container.gate.set()
    await flight
    assert await cache.get("a") is new
    assert container.asked == ["a", "a"]


async def test_a_failing_service_is_logged_once_and_once_more_when_it_works_again(
    cache: BlobCache, container: FakeContainer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await cache.get("a")
    for _ in range(3):
        container.problem = ContentUnavailable("answered 503")
        for name in ("a", "b", "c"):
            clock.pass_time()
            await asyncio.gather(cache.get(name), return_exceptions=True)
        container.problem = None
        for name in ("a", "b", "c"):
            clock.pass_time()
            await cache.get(name)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"] * 3
    assert "answered 503" in caplog.text


# Bounds


async def test_what_is_held_is_bounded_in_bytes_compressed_variants_included(
    cache: BlobCache, container: FakeContainer
) -> None:
    size = MAX_BYTES // 8
    for number in range(8):
        container.blobs[str(number)] = Blob(size, "", {}, bytes(size // 2), bytes(size // 2))
        await cache.get(str(number))
    await cache.get("7")
    assert len(container.asked) == 8, "what was asked for last is held"
    await cache.get("0")
    assert len(container.asked) == 9, "eight and what they take besides are too much"


async def test_empty_blobs_are_not_held_without_bounds(
    container: FakeContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "MAX_BYTES", 100_000)
    cache = BlobCache(container, threads=4)
    container.blobs = {str(number): Blob(0, "", {}, b"") for number in range(200)}
    for name in container.blobs:
        await cache.get(name)
    cache.close()
    assert 50 <= len(cache._held._items) <= 100


async def test_names_of_what_is_not_there_are_bounded_and_crowd_out_no_page(
    cache: BlobCache, container: FakeContainer
) -> None:
    await cache.get("a")
    for number in range(2 * MAX_ABSENT):
        await cache.get(f"missing {number}")
    assert len(cache._absent._items) == MAX_ABSENT
    container.problem = ContentUnavailable("down")
    assert await cache.get("a") is container.blobs["a"]


async def test_the_parts_of_a_large_blob_are_not_held(cache: BlobCache, container: FakeContainer) -> None:
    large = Blob(200, '"1"')
    assert await cache.read("large", large, range(100, 102)) == b"de"
    container.problem = BlobChanged()
    with pytest.raises(BlobChanged):
        await cache.read("large", large, range(2))


async def test_what_is_forgotten_is_asked_for_again(cache: BlobCache, container: FakeContainer) -> None:
    await cache.get("a")
    cache.forget("a")
    cache.forget("b")
    await cache.get("a")
    assert container.asked == ["a", "a"]


async def test_a_service_that_hangs_takes_no_thread_from_others(cache: BlobCache, container: FakeContainer) -> None:
    container.gate.clear()
    hanging = [asyncio.create_task(cache.get(str(number))) for number in range(100)]
    await started(container, 4)
    assert await asyncio.wait_for(asyncio.to_thread(str, "done"), PATIENCE) == "done"
    assert len(container.asked) == 4
    container.gate.set()
    await asyncio.gather(*hanging)
