"""The pages that one process has counted, by slot."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from signin.live.open_pages import LONGEST_PERIOD, NEW, NOW, SHORTEST_PERIOD, InvalidSlot, OpenPages, Slot

PERIOD = 300
LIFETIME = 360.0  # seconds
SLOT = 10  # seconds
START = 1_795_392_000.0


class Clock:
    def __init__(self) -> None:
        self.seconds = START

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pages(clock: Clock) -> OpenPages:
    return OpenPages(PERIOD, clock.now)


def test_slot_is_sent_as_text() -> None:
    slot = Slot(1_795_392_000, "0123abcd")
    assert str(slot) == "1795392000-0123abcd"
    assert Slot.parse(str(slot)) == slot
    assert Slot.parse("new") == NEW


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "New", "1795392000", "-0123abcd", "1795392000-", "1795392000-0123abc", "1795392000-0123ABCD"),
        *("1795392000-0123abcd\n", " 1795392000-0123abcd", "1.5-0123abcd", "-1-0123abcd", "1e9-0123abcd"),
        *("1" * 12 + "-0123abcd", "1" * 5000 + "-0123abcd", "\u0661-0123abcd"),
    ],
)
def test_other_text_is_no_slot(text: str) -> None:
    with pytest.raises(InvalidSlot, match='here has to be "new", "now" or the slot of an earlier response'):
        Slot.parse(text)


def test_pages_share_a_slot(pages: OpenPages, clock: Clock) -> None:
    first = pages.move(NEW)
    clock.seconds += SLOT - 1
    assert pages.move(NEW) == first
    clock.seconds += 1
    assert pages.move(NEW) == Slot(first.second + SLOT, pages.process)
    assert pages.number() == 3


@pytest.mark.parametrize("period", [SHORTEST_PERIOD, 100, LONGEST_PERIOD])
def test_slot_is_a_thirtieth_of_the_period(period: int, clock: Clock) -> None:
    pages = OpenPages(period, clock.now)
    slots = set()
    for _ in range(period):
        slots.add(pages.move(NEW))
        clock.seconds += 1
    assert 30 <= len(slots) <= 34


def test_page_that_reads_again_counts_once(pages: OpenPages, clock: Clock) -> None:
    slot = pages.move(NEW)
    for _ in range(10):
        clock.seconds += PERIOD
        slot = pages.move(slot)
        assert pages.number() == 1


def test_page_that_is_left_counts_no_more(pages: OpenPages) -> None:
    slots = [pages.move(NEW) for _ in range(3)]
    pages.remove(slots[0])
    assert pages.number() == 2


def test_crashed_page_is_forgotten_within_its_lifetime(pages: OpenPages, clock: Clock) -> None:
    pages.move(NEW)
    clock.seconds += LIFETIME - 1
    assert pages.number() == 1
    clock.seconds += 1
    assert pages.number() == 0
    assert pages.own() == {}


def test_page_that_read_before_it_expired_is_not_counted_twice(pages: OpenPages, clock: Clock) -> None:
    """A laptop that has slept for an hour: its page was forgotten, and nothing is subtracted now."""
    slot = pages.move(NEW)
    clock.seconds += 3600
    other = pages.move(NEW)
    pages.move(slot)
    assert pages.number() == 2
    assert pages.own() == {other.second: 2}


def test_negative_slot_counts_as_none(pages: OpenPages, clock: Clock) -> None:
    """A made-up leave, or a page of a process that was killed, subtracts at most the pages of its slot."""
    slot = pages.move(NEW)
    clock.seconds += SLOT
    pages.move(NEW)
    for _ in range(5):
        pages.remove(slot)
    assert pages.number() == 1
    clock.seconds += LIFETIME - SLOT
    pages.move(NEW)
    assert pages.number() == 2


@pytest.mark.parametrize("is_early", [False, True])
def test_page_that_is_left_during_a_request_leaves_the_present_slot(
    is_early: bool, pages: OpenPages, clock: Clock
) -> None:
    """The report may arrive before the request."""
    slot = pages.move(NEW)
    clock.seconds += 3 * SLOT
    if is_early:
        pages.remove(NOW)
    pages.move(slot)
    if not is_early:
        pages.remove(NOW)
    assert pages.number() == 0


def test_counts_of_other_processes_are_added_by_slot(clock: Clock) -> None:
    adding, moving = (OpenPages(PERIOD, clock.now) for _ in range(2))
    slot = adding.move(NEW)
    clock.seconds += PERIOD
    moving.move(slot)
    assert (adding.number(), moving.number()) == (1, 1)
    adding.learn([moving.own()])
    moving.learn([adding.own()])
    assert (adding.number(), moving.number()) == (1, 1)
    moving.learn([])
    assert moving.number() == 1
    moving.learn([{slot.second: 4}, {slot.second: 2, slot.second + SLOT: 1}])
    assert moving.number() == 1 + 5 + 1


@pytest.mark.parametrize("ahead", [-LIFETIME, LIFETIME, 10**9, -(10**9)])
def test_slot_of_another_time_changes_nothing(ahead: float, pages: OpenPages) -> None:
    pages.move(NEW)
    pages.remove(Slot(int(START + ahead), "0123abcd"))
    pages.learn([{int(START + ahead): 7}])
    assert pages.number() == 1
    assert list(pages.own().values()) == [1]


def test_memory_is_bounded(pages: OpenPages, clock: Clock) -> None:
    for _ in range(1000):
        clock.seconds += SLOT
        for ahead in (-200, -3, 0, 3, 200):
            pages.remove(Slot(int(clock.seconds) + ahead, "0123abcd"))
    assert len(pages._own) <= 2 * LIFETIME / SLOT + 1


def test_threads_lose_no_page(pages: OpenPages) -> None:
    barrier = threading.Barrier(4)

    def open_and_close(_: int) -> None:
        barrier.wait()
        for _ in range(500):
            pages.remove(pages.move(NEW))
        pages.move(NEW)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_and_close, range(4)))
    assert pages.number() == 4
