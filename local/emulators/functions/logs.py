"""The log of the host and its workers: one format, on standard error."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_invoked: ContextVar[object] = ContextVar("_invoked", default=None)
_OURS = ("local", "asyncio", "aiohttp")


def configure_logging(*, of_worker: bool = False) -> None:
    """Log at INFO as `HH:MM:SS LEVEL name: message`; the Azure SDK and urllib3, which log every request, at WARNING.

    In a worker, records that the app logs outside of a function are dropped, as by the real host: there, only printed
    lines appear. The same holds for threads and tasks that a function has started.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"
    )
    for chatty in ("azure", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if of_worker:
        for handler in logging.getLogger().handlers:
            handler.addFilter(lambda record: record.name.split(".")[0] in _OURS or _invoked.get() is _who_runs())


@contextmanager
def invocation() -> Iterator[None]:
    """Mark the current task or thread as one that runs a function."""
    token = _invoked.set(_who_runs())
    try:
        yield
    finally:
        _invoked.reset(token)


def _who_runs() -> object:
    try:
        return asyncio.current_task()
    except RuntimeError:  # a thread without an event loop
        return threading.current_thread()
