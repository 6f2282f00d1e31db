"""The two destinations of the app's log records: the worker's handler, and the console for those of a thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable


class WorkerHandler(logging.Handler):
    """Like the worker's handler of the root logger. (`caplog` captures records that do not reach it, too.)"""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    @property
    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def in_a_thread(work: Callable[[], object]) -> None:
    """Run a function in a thread of its own, which belongs to no request."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
