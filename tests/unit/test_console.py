from __future__ import annotations

import asyncio
import logging
import sys
from functools import partial

import azure.functions as func
import pytest

from signin.responses import errors_as_responses
from signin.telemetry import console

from .logs import WorkerHandler, in_a_thread

logger = logging.getLogger("signin.anything")


pytestmark = pytest.mark.usefixtures("console_in_use")


def test_record_of_a_thread_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The host reads the level from the line on standard error. Standard output is always information."""
    for level, text in ((logging.INFO, "0 failures"), (logging.WARNING, "slow"), (logging.ERROR, "down")):
        in_a_thread(partial(logger.log, level, text))
    assert capsys.readouterr() == (
        "INFO signin.anything: 0 failures\n",
        "WARNING signin.anything: slow\nERROR signin.anything: down\n",
    )


async def test_record_of_a_request_is_left_to_the_worker(
    capsys: pytest.CaptureFixture[str], worker: WorkerHandler
) -> None:
    @errors_as_responses
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        logger.warning("a coroutine")
        return func.HttpResponse()

    def function() -> None:
        with console.request_scope():
            logger.warning("a function")

    await handler(func.HttpRequest("GET", "/", body=b""))
    in_a_thread(function)
    assert capsys.readouterr() == ("", "")
    assert worker.messages == ["a coroutine", "a function"]


async def test_records_of_tasks_and_threads_are_printed(
    capsys: pytest.CaptureFixture[str], worker: WorkerHandler
) -> None:
    """Tasks and threads that a request starts may outlive it. The worker would log the records of tasks, too."""

    async def task() -> None:
        logger.info("a task")

    @errors_as_responses
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        await asyncio.create_task(task())
        await asyncio.to_thread(logger.info, "a thread")
        return func.HttpResponse()

    await handler(func.HttpRequest("GET", "/", body=b""))
    assert capsys.readouterr().out == "INFO signin.anything: a task\nINFO signin.anything: a thread\n"
    assert worker.messages == []


async def test_record_after_a_request_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    @errors_as_responses
    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()

    await handler(func.HttpRequest("GET", "/", body=b""))
    logger.info("afterwards")
    assert capsys.readouterr().out == "INFO signin.anything: afterwards\n"


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")], ids=repr)
def test_closed_console_ends_no_thread(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class ClosedStream:
        def write(self, text: str) -> None:
            raise error

    done: list[str] = []

    def work() -> None:
        logger.info("on standard output")
        logger.error("on standard error")
        done.append("afterwards")

    monkeypatch.setattr(sys, "stdout", ClosedStream())
    monkeypatch.setattr(sys, "stderr", ClosedStream())
    in_a_thread(work)
    assert done == ["afterwards"]
