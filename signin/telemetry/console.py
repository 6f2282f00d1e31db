"""What happens between the requests, on the console.

The Functions host drops a log record that belongs to no request under way, as are all those of threads
(azure-functions-python-worker, issues 1358 and 1860). What a worker writes to its console, the host does log: as a
warning or an error where a line on standard error has that word in it, else as information.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

_handles_a_request: ContextVar[object] = ContextVar("_handles_a_request", default=None)


@contextmanager
def request_scope() -> Iterator[None]:
    """For a function that the worker calls: what it logs is the request's, unless another task or thread says it."""
    token = _handles_a_request.set(_who_runs())
    try:
        yield
    finally:
        _handles_a_request.reset(token)


def use_console() -> None:
    """Write to the console what the app logs outside of requests. May be called again."""
    logging.getLogger("signin").addHandler(_console)


class _Console(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if _handles_a_request.get() is not _who_runs():
            stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
            with suppress(OSError, ValueError):  # a console that is closed must not end the thread that speaks
                print(self.format(record), file=stream, flush=True)


_console = _Console()
_console.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))


def _who_runs() -> object:
    """The task, or the thread where there is none: a context is inherited by others of both."""
    try:
        return asyncio.current_task()
    except RuntimeError:  # no event loop in this thread
        return threading.current_thread()
