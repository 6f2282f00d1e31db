"""Whether the three services behind the app do what the app needs of them.

`/health` is public. So a reason has only the app's own words; those of the services and of azure-identity go to the
log, once for an outage. And it is cheap: all who ask within a second share one check.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from signin.counting.errors import StorageError
from signin.counting.single_flight import SingleFlight
from signin.live.hub import SignalRError
from signin.telemetry.outage import Outage
from signin.website.blobs import ContentUnavailable

logger = logging.getLogger(__name__)

SHARED_SECONDS = 1.0  # for which the outcome of a check is returned, a failure too


class Health:
    """The checks of the parts, by name. A check blocks, and raises if its part fails. For one event loop."""

    def __init__(self, checks: Mapping[str, Callable[[], object]]) -> None:
        self._flights = {name: SingleFlight(_Part(name, check).problem, pause=0.0) for name, check in checks.items()}

    async def problems(self) -> Mapping[str, str | None]:
        """For each part None if it works, else a sentence that gives the reason and what to do.

        Takes until all have answered or timed out, some 15 seconds at most.
        """
        problems = await asyncio.gather(*(flight.recent(SHARED_SECONDS) for flight in self._flights.values()))
        return dict(zip(self._flights, problems, strict=True))


class _Part:
    def __init__(self, name: str, check: Callable[[], object]) -> None:
        self._name = name
        self._check = check
        self._outage = Outage(logger, f"the check of {name} fails", f"the check of {name} passes again")

    def problem(self) -> str | None:
        try:
            self._check()
        except (StorageError, ContentUnavailable, SignalRError) as error:
            self._outage.failed(error)
            return _sentence(str(error))
        except Exception as error:  # a defect, whose text may contain anything
            self._outage.failed(error, is_defect=True)
            return f"The check of {self._name} failed unexpectedly: the app's log has the reason."
        self._outage.succeeded()
        return None


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
