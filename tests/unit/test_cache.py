from __future__ import annotations

import asyncio
import gc
import logging
import threading
from collections.abc import Iterator

import pytest

from signin.website import cache as cache_module
from signin.website.blobs import MAX_BUFFERED, MB, Blob, BlobChanged, Container, ContentUnavailable
from signin.website.cache import FRESH_SECONDS, MAX_BYTES, MAX_NEGATIVE_ENTRIES, UNKNOWN_THREADS, BlobCache
from tests.support.clock import Clock

TIMEOUT = 10  # seconds
MAX_FILE = 100 * MB


class FakeContainer(Container):
    """Blobs by name; records the requests, responds only while `gate` is set, and raises `error` if there is one."""

    def __init__(self) -> None:
        self.blobs: dict[str, Blob] = {}
        self.requests: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def get(self, name: str, cached: Blob | None = None) -> Blob | None:
        self.requests.append(name)
        assert self.gate.wait(TIMEOUT), "the gate was not opened"
        if self.error is not None:
            raise self.error
        return self.blobs.get(name)

    def read(self, name: str, blob: Blob, part: range) -> bytes:
        if self.error is not None:
            raise self.error
        return bytes(part)


@pytest.fixture
def container() -> FakeContainer:
    container = FakeContainer()
    container.blobs["a"] = blob("first")
    return container


@pytest.fixture
def cache(container: FakeContainer, clock: Clock) -> Iterator[BlobCache]:
    cache = BlobCache(container, max_file=MAX_FILE, clock=clock)
    yield cache
    container.gate.set()
    cache.close()


def blob(text: str, size: int | None = None) -> Blob:
    body = text.encode() if size is None else bytes(size)
    return Blob(len(body), f'"{text}"', {}, body)


async def wait_for_requests(container: FakeContainer, count: int) -> None:
    async with asyncio.timeout(TIMEOUT):
        while len(container.requests) < count:  # noqa: ASYNC110
            await asyncio.sleep(0)  # requests run in other threads


# Freshness


async def test_fresh_entry_is_served_without_request(cache: BlobCache, container: FakeContainer, clock: Clock) -> None:
    first = await cache.get("a")
    clock.now += FRESH_SECONDS - 0.01
    assert await cache.get("a") is first
    assert container.requests == ["a"]


async def test_stale_entry_is_replaced_by_new_version(cache: BlobCache, container: FakeContainer, clock: Clock) -> None:
    await cache.get("a")
    container.blobs["a"] = new = blob("second")
    clock.now += FRESH_SECONDS
    assert await cache.get("a") is new


async def test_revalidated_entry_is_fresh_again(cache: BlobCache, container: FakeContainer, clock: Clock) -> None:
    await cache.get("a")
    clock.now += FRESH_SECONDS
    await cache.get("a")
    await cache.get("a")
    assert container.requests == ["a", "a"]


async def test_negative_entry_is_fresh_as_long(cache: BlobCache, container: FakeContainer, clock: Clock) -> None:
    assert await cache.get("b") is None
    assert await cache.get("b") is None
    assert container.requests == ["b"]
    container.blobs["b"] = new = blob("new")
    clock.now += FRESH_SECONDS
    assert await cache.get("b") is new


async def test_deleted_blob_is_never_served_again(cache: BlobCache, container: FakeContainer, clock: Clock) -> None:
    await cache.get("a")
    container.blobs.clear()
    clock.now += FRESH_SECONDS
    assert await cache.get("a") is None
    container.error = ContentUnavailable("down")
    clock.now += FRESH_SECONDS
    assert await cache.get("a") is None


async def test_new_blob_replaces_its_negative_entry(cache: BlobCache, container: FakeContainer, clock: Clock) -> None:
    await cache.get("b")
    container.blobs["b"] = blob("new")
    clock.now += FRESH_SECONDS
    await cache.get("b")
    cache.invalidate("b")
    container.error = ContentUnavailable("down")
    with pytest.raises(ContentUnavailable):
        await cache.get("b")


# Single flight


@pytest.mark.parametrize("name", ["a", "missing"])
async def test_concurrent_callers_share_one_response(name: str, cache: BlobCache, container: FakeContainer) -> None:
    container.gate.clear()
    waiting = [asyncio.create_task(cache.get(name)) for _ in range(1000)]
    await wait_for_requests(container, 1)
    container.gate.set()
    responses = await asyncio.gather(*waiting)
    assert set(responses) == {container.blobs.get(name)}
    assert container.requests == [name]


async def test_concurrent_callers_share_one_error(cache: BlobCache, container: FakeContainer) -> None:
    container.gate.clear()
    container.error = ContentUnavailable("down")
    waiting = [asyncio.create_task(cache.get("a")) for _ in range(100)]
    await wait_for_requests(container, 1)
    container.gate.set()
    responses = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(response) for response in responses} == {"down"}
    assert container.requests == ["a"]


async def test_error_is_not_cached(cache: BlobCache, container: FakeContainer) -> None:
    container.error = ContentUnavailable("down")
    with pytest.raises(ContentUnavailable):
        await cache.get("a")
    container.error = None
    assert await cache.get("a") is container.blobs["a"]


async def test_different_names_are_fetched_concurrently(cache: BlobCache, container: FakeContainer) -> None:
    container.gate.clear()
    waiting = [asyncio.create_task(cache.get(name)) for name in ("a", "b", "c")]
    await wait_for_requests(container, 3)
    container.gate.set()
    await asyncio.gather(*waiting)


@pytest.mark.parametrize("is_cached", [False, True])
async def test_cancelled_caller_does_not_cancel_others(
    is_cached: bool, cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    if is_cached:
        await cache.get("a")
        clock.now += FRESH_SECONDS
    container.gate.clear()
    first, second = (asyncio.create_task(cache.get("a")) for _ in range(2))
    await wait_for_requests(container, 1 + is_cached)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    container.gate.set()
    assert await second is container.blobs["a"]
    assert len(container.requests) == 1 + is_cached


async def test_flight_outlives_its_only_caller(cache: BlobCache, container: FakeContainer) -> None:
    container.gate.clear()
    only = asyncio.create_task(cache.get("a"))
    await wait_for_requests(container, 1)
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    container.gate.set()
    assert await cache.get("a") is container.blobs["a"]
    assert container.requests == ["a"]


async def test_asyncio_logs_no_error_of_abandoned_flight(
    cache: BlobCache, container: FakeContainer, caplog: pytest.LogCaptureFixture
) -> None:
    container.gate.clear()
    container.error = ContentUnavailable("down")
    only = asyncio.create_task(cache.get("a"))
    await wait_for_requests(container, 1)
    flight = cache._flights["a"]
    only.cancel()
    container.gate.set()
    await asyncio.wait([flight, only])
    del flight, only
    gc.collect()
    assert [record.name for record in caplog.records] == ["signin.website.cache"]


async def test_unexpected_error_is_raised_not_cached(cache: BlobCache, container: FakeContainer) -> None:
    container.error = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await cache.get("a")
    container.error = None
    assert await cache.get("a") is container.blobs["a"]


# While Blob Storage is down


async def test_stale_entry_is_served_while_service_fails(
    cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    first = await cache.get("a")
    container.error = ContentUnavailable("down")
    for _ in range(5):
        clock.now += 1_000_000
        assert await cache.get("a") is first
    container.error = None
    container.blobs["a"] = new = blob("second")
    clock.now += FRESH_SECONDS
    assert await cache.get("a") is new


async def test_failing_service_is_not_requested_each_time(
    cache: BlobCache, container: FakeContainer, clock: Clock
) -> None:
    await cache.get("a")
    container.error = ContentUnavailable("down")
    clock.now += FRESH_SECONDS
    for _ in range(100):
        await cache.get("a")
    assert container.requests == ["a", "a"]


async def test_slow_revalidation_serves_the_stale_entry(
    cache: BlobCache, container: FakeContainer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_REVALIDATION_TIMEOUT", 0.01)
    old = await cache.get("a")
    container.blobs["a"] = new = blob("second")
    container.gate.clear()
    clock.now += FRESH_SECONDS
    assert await cache.get("a") is old
    monkeypatch.setattr(cache_module, "_REVALIDATION_TIMEOUT", TIMEOUT)
    assert await cache.get("a") is old, "the next caller does not wait"
    [flight] = cache._flights.values()
    container.gate.set()
    await flight
    assert await cache.get("a") is new
    assert container.requests == ["a", "a"]


async def test_failure_and_recovery_are_logged_once_each(
    cache: BlobCache, container: FakeContainer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    await cache.get("a")
    for _ in range(3):
        container.error = ContentUnavailable("answered 503")
        for name in ("a", "b", "c"):
            clock.now += FRESH_SECONDS
            await asyncio.gather(cache.get(name), return_exceptions=True)
        container.error = None
        for name in ("a", "b", "c"):
            clock.now += FRESH_SECONDS
            await cache.get(name)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"] * 3
    assert "answered 503" in caplog.text


# Bounds


async def test_size_includes_compressed_bodies_and_is_bounded(cache: BlobCache, container: FakeContainer) -> None:
    size = MAX_BYTES // 8
    for number in range(8):
        container.blobs[str(number)] = Blob(size, "", {}, bytes(size // 2), bytes(size // 2))
        await cache.get(str(number))
    await cache.get("7")
    assert len(container.requests) == 8, "the most recent blob is cached"
    await cache.get("0")
    assert len(container.requests) == 9, "eight blobs and their overhead exceed the bound"


async def test_number_of_empty_blobs_is_bounded(container: FakeContainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_BYTES", 100_000)
    cache = BlobCache(container, max_file=MAX_FILE)
    container.blobs = {str(number): Blob(0, "", {}, b"") for number in range(200)}
    for name in container.blobs:
        await cache.get(name)
    cache.close()
    assert 50 <= len(cache._entries._items) <= 100


async def test_negative_entries_are_bounded_separately(cache: BlobCache, container: FakeContainer) -> None:
    await cache.get("a")
    for number in range(2 * MAX_NEGATIVE_ENTRIES):
        await cache.get(f"missing {number}")
    assert len(cache._negative_entries._items) == MAX_NEGATIVE_ENTRIES
    container.error = ContentUnavailable("down")
    assert await cache.get("a") is container.blobs["a"]


async def test_scan_evicts_no_negative_entry_that_was_used_again(cache: BlobCache, container: FakeContainer) -> None:
    for _ in range(2):
        await cache.get("favicon.ico")
    for number in range(2 * MAX_NEGATIVE_ENTRIES):
        await cache.get(f"scan {number}")
    container.requests.clear()
    assert await cache.get("favicon.ico") is None
    assert container.requests == []


async def test_negative_entries_used_again_are_bounded(
    cache: BlobCache, container: FakeContainer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(2 * MAX_NEGATIVE_ENTRIES):
        await cache.get(f"missing {number}")
        await cache.get(f"missing {number}")
    assert len(cache._repeated_negative_entries._items) == MAX_NEGATIVE_ENTRIES
    clock.now += FRESH_SECONDS
    container.blobs["missing 1999"] = new = blob("new")
    assert await cache.get("missing 1999") is new
    assert len(cache._repeated_negative_entries._items) == MAX_NEGATIVE_ENTRIES - 1


async def test_linked_name_is_unknown_once_it_is_missing(cache: BlobCache, container: FakeContainer) -> None:
    container.blobs["index.html"] = Blob(0, "", {}, b"", links=("main.js", "missing.js"))
    await cache.get("index.html")
    assert "missing.js" in cache._known
    await cache.get("missing.js")
    assert "missing.js" not in cache._known
    assert "main.js" in cache._known


async def test_too_large_file_is_logged_once_a_version(
    cache: BlobCache, container: FakeContainer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    container.blobs |= {"film.mp4": Blob(MAX_FILE + 1, '"1"'), "large.pdf": Blob(MAX_FILE, '"1"')}
    for _ in range(3):
        await cache.get("film.mp4")
        await cache.get("large.pdf")
        clock.now += FRESH_SECONDS
    [record] = caplog.records
    assert record.getMessage() == "film.mp4 has 101 MB: files above MaxFileMB, which is 100, are served in parts only"


async def test_large_bodies_together_are_bounded(container: FakeContainer) -> None:
    held: list[int] = []
    most = 0

    def read(name: str, blob: Blob, part: range) -> bytes:
        nonlocal most
        held.append(max(len(part), MAX_BUFFERED))
        most = max(most, sum(held))
        container.gate.wait(0.01)  # so that the others arrive meanwhile
        held.remove(max(len(part), MAX_BUFFERED))
        return b""

    container.read = read  # type: ignore[method-assign]
    container.gate.clear()
    cache = BlobCache(container, max_file=2 * MAX_BUFFERED)
    large = Blob(10 * MAX_BUFFERED, '"1"')
    parts = [range(1), range(2 * MAX_BUFFERED), range(MAX_BUFFERED + 1)] * 3
    assert await asyncio.gather(*(cache.read("large", large, part) for part in parts)) == [b""] * 9
    cache.close()
    assert most == 2 * MAX_BUFFERED


async def test_large_file_is_refused_after_a_wait(
    cache: BlobCache, container: FakeContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "_BUDGET_TIMEOUT", 0.01)
    large = Blob(2 * MAX_FILE, '"1"')
    async with cache._budget.reserve(MAX_FILE, TIMEOUT):
        with pytest.raises(ContentUnavailable, match="large files"):
            await cache.read("large", large, range(1))
    assert await cache.read("large", large, range(1)) == b"\0"


async def test_parts_of_a_large_blob_are_not_cached(cache: BlobCache, container: FakeContainer) -> None:
    large = Blob(200, '"1"')
    assert await cache.read("large", large, range(100, 102)) == b"de"
    container.error = BlobChanged()
    with pytest.raises(BlobChanged):
        await cache.read("large", large, range(2))


async def test_invalidated_entry_is_fetched_again(cache: BlobCache, container: FakeContainer) -> None:
    await cache.get("a")
    cache.invalidate("a")
    cache.invalidate("b")
    await cache.get("a")
    assert container.requests == ["a", "a"]


async def test_hanging_service_blocks_no_other_threads(cache: BlobCache, container: FakeContainer) -> None:
    container.gate.clear()
    hanging = [asyncio.create_task(cache.get(str(number))) for number in range(100)]
    await wait_for_requests(container, UNKNOWN_THREADS + 1)
    assert await asyncio.wait_for(asyncio.to_thread(str, "done"), TIMEOUT) == "done"
    assert sorted(container.requests) == ["0", "1", "2", "3", "index.html"]
    container.gate.set()
    await asyncio.gather(*hanging)
