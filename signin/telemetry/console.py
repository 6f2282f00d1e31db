"""Print log records to the console if they do not belong to a request.

The Functions host drops a log record that belongs to no running invocation, such as every record of a background thread
(azure-functions-python-worker, issues 1358 and 1860). It does log the console output of its workers: a line on standard
error as a warning or an error if the line contains that word, any other line as information.

So each record takes exactly one way: if a request logs it, it goes to the root logger, whose handler is the worker's
and adds the invocation; otherwise it is printed. The app's loggers do not propagate: the worker hands the invocation on
to the tasks that a function starts, and would log their records a second time.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

# The task or thread that handles a request. Other tasks and threads may inherit the context, and so the value.
_request_runner: ContextVar[object] = ContextVar("_request_runner", default=None)


@contextmanager
def request_scope() -> Iterator[None]:
    """Records of the current task or thread in this scope belong to a request; those of tasks that it starts do not."""
    token = _request_runner.set(_current_runner())
    try:
        yield
    finally:
        _request_runner.reset(token)


def use_console() -> None:
    """Print the app's log records outside of requests to the console. May be called again."""
    logger = logging.getLogger("signin")
    logger.propagate = False
    logger.addHandler(_console_handler)


class _ConsoleHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if _request_runner.get() is _current_runner():
            logging.getLogger().handle(record)
        else:
            stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
            with suppress(OSError, ValueError):  # a closed console must not end the thread that logs
                print(self.format(record), file=stream, flush=True)


_console_handler = _ConsoleHandler()
_console_handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))


def _current_runner() -> object:
    """The current task, or the current thread if it has no event loop."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop in this thread
        return threading.current_thread()
