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
            self._logger.log(self._level, "%s: %s", self._beginning, error, exc_info=error if is_defect else None)
        self._lasts = True

    def succeeded(self) -> None:
        """Log the first success after a failure."""
        if self._lasts:
            self._logger.info(self._end)
        self._lasts = False
