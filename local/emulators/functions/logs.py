"""The log of the host and its workers: one format, on standard error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_invoked = ContextVar("_invoked", default=False)
_SYSTEM = ("local", "asyncio", "aiohttp")  # loggers of the host and the worker themselves


def configure_logging(*, of_worker: bool = False) -> None:
    """Log at INFO as `HH:MM:SS LEVEL name: message`; the Azure SDK and urllib3, which log every request, at WARNING.

    Like the real worker, a worker passes a record of the app to the host only if it belongs to an invocation: if a
    function logs it, or a task (or `asyncio.to_thread`) that a function has started, also after the function's end.
    All others, such as those of background threads, are dropped; there, only printed lines appear.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"
    )
    for chatty in ("azure", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if of_worker:
        for handler in logging.getLogger().handlers:
            handler.addFilter(lambda record: record.name.split(".")[0] in _SYSTEM or _invoked.get())


@contextmanager
def invocation() -> Iterator[None]:
    """Mark the current context as that of an invocation; tasks started in it copy the context."""
    token = _invoked.set(True)
    try:
        yield
    finally:
        _invoked.reset(token)
