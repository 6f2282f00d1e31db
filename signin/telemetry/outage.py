"""An outage of a service, logged when it begins and when it ends, and not for each request that fails."""

from __future__ import annotations

import logging


class Outage:
    """Call `failed` or `succeeded` after each request."""

    def __init__(self, logger: logging.Logger, beginning: str, end: str, *, level: int = logging.ERROR) -> None:
        """`beginning` is logged at `level`, with the error behind it; `end` as information."""
        self._logger = logger
        self._beginning = beginning
        self._end = end
        self._level = level
        self._lasts = False

    def failed(self, error: Exception, *, is_defect: bool = False) -> None:
        """Log the first of a row of failures, with a traceback if it is a defect of the app."""
        if not self._lasts:
            trace = error if is_defect else None
            self._logger.log(self._level, "%s: %s", self._beginning, with_notes(error), exc_info=trace)
        self._lasts = True

    def succeeded(self) -> None:
        """Log the first success after a failure."""
        if self._lasts:
            self._logger.info(self._end)
        self._lasts = False


def with_notes(error: BaseException) -> str:
    """The message of an error, and in parentheses the notes (PEP 678) of it and of its causes, in one line.

    The message of an expected error has only the app's own words and may be shown to everyone. Its notes have the words
    of a service or a library, which may name the tenant, the application or the account: they are for the log.
    """
    notes: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        notes += [" ".join(note.split()) for note in getattr(cause, "__notes__", ())]
        cause = cause.__cause__
    return f"{error} ({'; '.join(notes)})" if notes else str(error)
