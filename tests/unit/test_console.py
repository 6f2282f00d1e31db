from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial

import azure.functions as func
import pytest

from signin.responses import errors_as_responses
from signin.telemetry import console

logger = logging.getLogger("signin.anything")


@pytest.fixture(autouse=True)
def _in_use(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.INFO, logger="signin")
    console.use_console()
    console.use_console()
    yield
    logging.getLogger("signin").removeHandler(console._console)


def in_a_thread(work: Callable[[], object]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_what_a_thread_says_is_on_the_console_once_as_the_host_tells_levels_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By the word, on standard error; and standard output is information, whatever words are in it."""
    for level, text in ((logging.INFO, "0 failures"), (logging.WARNING, "slow"), (logging.ERROR, "down")):
        in_a_thread(partial(logger.log, level, text))
    assert capsys.readouterr() == (
        "INFO signin.anything: 0 failures\n",
        "WARNING signin.anything: slow\nERROR signin.anything: down\n",
    )


async def test_what_a_request_says_is_left_to_the_worker_which_knows_whose_it_is(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    @errors_as_responses
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        logger.warning("a coroutine")
        return func.HttpResponse()

    @errors_as_responses
    def synchronous_handler(req: func.HttpRequest) -> func.HttpResponse:
        logger.warning("a function")
        return func.HttpResponse()

    req = func.HttpRequest("GET", "/", body=b"")
    await handler(req)
    in_a_thread(lambda: synchronous_handler(req))
    assert capsys.readouterr() == ("", "")
    assert caplog.messages == ["a coroutine", "a function"]


async def test_what_the_tasks_and_threads_of_a_request_say_is_on_the_console(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """They may outlive it, and the worker does not know them."""

    async def task() -> None:
        logger.info("a task")

    @errors_as_responses
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        await asyncio.create_task(task())
        await asyncio.to_thread(logger.info, "a thread")
        return func.HttpResponse()

    await handler(func.HttpRequest("GET", "/", body=b""))
    assert capsys.readouterr().out == "INFO signin.anything: a task\nINFO signin.anything: a thread\n"


async def test_after_a_request_its_task_is_between_requests(capsys: pytest.CaptureFixture[str]) -> None:
    @errors_as_responses
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()

    await handler(func.HttpRequest("GET", "/", body=b""))
    logger.info("afterwards")
    assert capsys.readouterr().out == "INFO signin.anything: afterwards\n"


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")], ids=repr)
def test_a_console_that_is_gone_ends_no_thread(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, text: str) -> None:
            raise error

    done: list[str] = []

    def work() -> None:
        logger.info("on standard output")
        logger.error("on standard error")
        done.append("afterwards")

    monkeypatch.setattr(sys, "stdout", Gone())
    monkeypatch.setattr(sys, "stderr", Gone())
    in_a_thread(work)
    assert done == ["afterwards"]
