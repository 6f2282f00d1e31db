"""How processes learn of each other's open pages, in virtual time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from signin.live.open_pages import NEW

from .open_pages import LIFETIME, PERIOD, Page, Process, World, world
from .table_service import no_answer, wrong_key


@pytest.fixture
def around() -> Iterator[World]:
    with world() as around:
        yield around


def opened(process: Process) -> Page:
    process.sign_in(page := Page())
    return page


def test_lone_process_looks_once_and_writes_nothing(around: World) -> None:
    process = around.process()
    pages = [opened(process) for _ in range(3)]
    for _ in range(20):
        around.clock.seconds += PERIOD / 4
        for page in pages:
            process.read(page)
        process.here.closed(pages[0].slot)
        pages[0].slot = NEW
    assert process.here.here_now().pages == 2
    assert process.requests == 1
    assert process.here.due_in is None
    assert process.wakes == 0


def test_processes_notice_each_other_by_their_visits(around: World) -> None:
    one, other = around.process(), around.process()
    pages = {one: opened(one), other: opened(other)}
    for _ in range(2):
        around.clock.seconds += 0.9 * PERIOD
        numbers = {process: process.read(page) for process, page in pages.items()}
    assert list(numbers.values()) == [2, 2]


def test_page_of_another_process_is_a_sign(around: World) -> None:
    """The second process has not committed, and the page reaches only the second one from now on."""
    one, other = around.process(), around.process()
    page, stays = opened(one), opened(one)
    around.clock.seconds += 0.9 * PERIOD
    assert other.read(page) == 1, "the first process has published nothing"
    assert around.rows() == {other.name: {stays.slot.second: -1, page.slot.second: 1}}
    around.clock.seconds += 0.05 * PERIOD
    assert one.read(stays) == 2, "the first process has noticed the touch"
    around.clock.seconds += 0.9 * PERIOD
    assert other.read(page) == 2


def test_page_itself_is_always_in_its_number(around: World) -> None:
    """Another process has added it to the same slot, and has published nothing yet."""
    one, other = around.process(), around.process()
    page = opened(one)
    other.read(page)
    assert other.here.here_now().pages == 0
    assert other.here.here_now(page.slot).pages == 1
    opened(one)
    assert one.here.here_now(page.slot).pages == 2


def test_new_process_finds_the_rows_of_the_others(around: World) -> None:
    one, other = around.process(), around.process()
    pages = [opened(one), opened(other), opened(one)]
    around.clock.seconds += 5.0
    for page in pages:
        one.read(page)
        other.read()
    around.clock.seconds += 5.0
    assert around.process().read() == 3


def test_process_that_ends_publishes_what_it_has_counted(around: World) -> None:
    """So a number survives a restart, and an instance that is stopped while no page reads."""
    one = around.process()
    page, _ = opened(one), opened(one)
    one.here.close()
    around.clock.seconds += PERIOD / 2
    next_one = around.process()
    assert next_one.read(page) == 2
    next_one.here.closed(page.slot)
    assert next_one.here.here_now().pages == 1


def test_process_that_ends_without_pages_writes_nothing(around: World) -> None:
    process = around.process()
    process.here.closed(opened(process).slot)
    process.here.close()
    assert around.rows() == {}


def test_pages_of_a_killed_process_are_counted_as_they_read(around: World) -> None:
    killed = around.process()
    pages = [opened(killed) for _ in range(3)]
    around.clock.seconds += PERIOD / 2
    process = around.process()
    for number, page in enumerate(pages, start=1):
        around.clock.seconds += 10.0
        assert process.read(page) == number
    around.clock.seconds += LIFETIME
    for page in pages:
        process.read(page)
    assert process.here.here_now().pages == 3


def test_rows_of_ended_processes_are_deleted(around: World) -> None:
    one, other = around.process(), around.process()
    page = opened(one)
    one.here.close()
    around.clock.seconds += 0.9 * PERIOD
    assert other.read(page) == 1
    assert around.rows().keys() == {one.name, other.name}
    for _ in range(3):
        around.clock.seconds += 0.9 * PERIOD
        other.read(page)
    assert around.rows().keys() == {other.name}


def test_process_whose_peers_have_ended_is_alone_again(around: World) -> None:
    one, other = around.process(), around.process()
    page = opened(one)
    one.here.close()
    for _ in range(6):
        around.clock.seconds += 0.9 * PERIOD
        other.read(page)
    before = other.requests
    for _ in range(6):
        around.clock.seconds += 0.9 * PERIOD
        assert other.read(page) == 1
    assert other.requests == before
    assert around.rows().keys() <= {other.name}


def test_process_whose_row_can_be_found_looks_for_others(around: World) -> None:
    """Its sign has expired, but not its row. A process that finds the row does not touch shard 0."""
    killed, one, other = (around.process() for _ in range(3))
    page = opened(killed)
    for around.clock.seconds in (0.9 * PERIOD, 1.8 * PERIOD, 2.7 * PERIOD):
        one.read(page)
    around.clock.seconds = one.here._sign_until + 1.0
    assert one.read() == 1
    around.clock.seconds += 20.0
    for reading in (page, Page()):
        other.read(reading)
    around.clock.seconds += 2.0
    assert other.read() == 2
    assert one.read() == 2


def test_exchange_is_every_two_seconds_at_most(around: World) -> None:
    one, other = around.process(), around.process()
    page = opened(one)
    other.read(page)
    before = other.service.pages
    for _ in range(100):
        around.clock.seconds += 0.1
        other.read(page)
    assert 4 <= other.service.pages - before <= 5


def test_broadcast_waits_for_no_pause(around: World) -> None:
    """Pages would show its number until their next reading."""
    one, other = around.process(), around.process()
    page, closed = opened(one), opened(one)
    around.clock.seconds += 0.5 * PERIOD
    other.read(page)
    one.read()
    around.clock.seconds += 0.1
    one.here.closed(closed.slot)
    for process in (one, other):
        process.here.exchange(without_pause=True)
    assert other.here.here_now().pages == 1
    other.service.before_pages.append(raising_no_answer)
    other.here.exchange(without_pause=True)
    pages = other.service.pages
    around.clock.seconds += 29.0
    other.here.exchange(without_pause=True)
    assert other.service.pages == pages, "a failing table delays no further broadcast"


def test_change_between_exchanges_is_published_when_due(around: World) -> None:
    """No request may follow for a long time. `due_in` is for the broadcaster's thread."""
    one, other = around.process(), around.process()
    first, second = opened(one), opened(one)
    other.read(first)
    before = other.wakes
    around.clock.seconds += 1.0
    other.here.closed(second.slot)
    assert other.wakes == before + 1
    assert other.here.due_in == pytest.approx(1.0)
    around.clock.seconds += 1.0
    other.here.exchange()
    assert other.here.due_in is None
    assert around.rows()[other.name] == {second.slot.second: -1}


def test_unchanged_counts_are_not_published_again(around: World) -> None:
    one, other = around.process(), around.process()
    page = opened(one)
    other.read(page)
    writes = other.service.writes
    for _ in range(5):
        around.clock.seconds += 3.0
        other.read()
    assert other.service.writes == writes


def test_failed_request_leaves_the_page_in_its_slot(around: World) -> None:
    process = around.process()
    page = opened(process)
    around.clock.seconds += PERIOD / 2
    with pytest.raises(ZeroDivisionError), process.here.opened(page.slot):
        raise ZeroDivisionError
    assert process.here.here_now().pages == 1
    around.clock.seconds += 0.1 * PERIOD
    assert process.read(page) == 1
    with pytest.raises(ZeroDivisionError), process.here.opened(NEW):
        raise ZeroDivisionError
    assert process.here.here_now().pages == 1


def test_failing_exchange_fails_nothing_and_is_logged_once(around: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="signin.live.here")
    one, other = around.process(), around.process()
    page = opened(one)
    for _ in range(3):
        around.clock.seconds += 30.0
        other.service.before_pages.append(raising_no_answer)
        assert other.read(page) == 1
    around.clock.seconds += 30.0
    assert other.read(page) == 1
    messages = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert messages == [
        "the open pages of other processes cannot be read",
        "the open pages of other processes can be read again",
    ]
    assert around.rows().keys() == {other.name}


def test_failed_exchange_is_repeated_after_a_pause(around: World) -> None:
    one, other = around.process(), around.process()
    page = opened(one)
    around.clock.seconds += 30.0
    other.service.before_pages.append(raising_no_answer)
    other.read(page)
    assert other.here.due_in == pytest.approx(30.0)
    assert other.wakes >= 1
    pages = other.service.pages
    around.clock.seconds += 29.0
    other.read(page)
    assert other.service.pages == pages
    around.clock.seconds += 1.0
    other.here.exchange()
    assert around.rows().keys() == {other.name}


def test_defect_is_logged_with_its_traceback(
    around: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = around.process()
    monkeypatch.setattr(process.here._pages, "learn", None)
    process.read()
    [record] = caplog.records
    assert record.exc_info is not None


def test_end_of_a_process_waits_for_no_row(around: World) -> None:
    process = around.process()
    opened(process)

    def fail(*_: object, **__: object) -> None:
        raise wrong_key()

    process.service.upsert_entity = fail  # type: ignore[assignment, method-assign]
    process.here.close()


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"Slots": 3},
        *({"Slots": text} for text in ("", "[]", "null", '{"x": 1}', '{"SECOND": 1.5}', '{"SECOND": true}')),
        *({"Slots": text} for text in ('{"SECOND": 1e300}', '{"SECOND": 1000000001}', "[" * 100_000)),
    ],
)
def test_malformed_row_is_deleted(row: dict[str, Any], around: World) -> None:
    second = str(int(around.clock.now().timestamp()))
    row = {name: str(value).replace("SECOND", second) if value != 3 else 3 for name, value in row.items()}
    around.service.put("here", "0123abcd", **row)
    process = around.process()
    opened(process)
    assert process.here.here_now().pages == 1
    assert around.rows() == {}


def test_row_that_was_written_meanwhile_is_not_deleted(around: World) -> None:
    around.service.put("here", "0123abcd", Slots="{}")
    process = around.process()
    delete = process.service.delete_entity

    def delete_late(*arguments: object, **options: object) -> None:
        second = int(around.clock.now().timestamp())
        around.service.put("here", "0123abcd", Slots=f'{{"{second}": 1}}')
        delete(*arguments, **options)  # type: ignore[arg-type]

    process.service.delete_entity = delete_late  # type: ignore[method-assign]
    process.read()
    assert around.rows().keys() == {"0123abcd"}


def test_table_without_shard_0_is_not_touched(around: World) -> None:
    one, other = around.process(), around.process()
    one.read(page := Page())
    around.service.remove("00", "stats")
    around.clock.seconds += 30.0
    assert other.read(page) == 1
    assert around.rows().keys() == {other.name}


def raising_no_answer() -> None:
    raise no_answer()
