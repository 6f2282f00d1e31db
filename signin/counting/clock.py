"""The time by which visits are dated and shown: the clock of the host, or Table Storage's if that one is wrong.

The processes share one table, so its clock is the one that they agree on. The service sends its time with every
response (the header Date, in whole seconds).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from azure.core.pipeline import PipelineResponse

from signin.visits.history import CLOCK_TOLERANCE


class ServiceClock:
    """The current time (UTC) for every process that uses the table. Thread-safe.

    Until the first response arrives it is the host's time.
    """

    def __init__(self) -> None:
        self._correction = timedelta()

    def now(self) -> datetime:
        """The host's time, corrected if it was more than CLOCK_TOLERANCE off at the latest response."""
        return datetime.now(UTC) + self._correction

    def observe(self, response: PipelineResponse[Any, Any]) -> None:
        """Compare the host's time with the Date of a response that has just arrived."""
        try:
            ahead = parsedate_to_datetime(response.http_response.headers["Date"]) - datetime.now(UTC)
        except (KeyError, TypeError, ValueError):  # no Date, or a malformed one
            return
        self._correction = ahead if abs(ahead) > CLOCK_TOLERANCE else timedelta()
