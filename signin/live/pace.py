"""The interval between broadcasts, which grows on a day that would otherwise have too many of them.

SignalR bills a message for each broadcast and open page. Its REST API neither lists nor counts the connections of a
hub, so broadcasts are limited instead: a day's broadcasts times the open pages are its messages. A day begins at 0:00
UTC, as for SignalR's quota (Azure/azure-signalr, docs/tsg.md).

Nothing counts the day's broadcasts. Their upper bound follows from the visits of each hour. The stats rows have those
anyway, and every process that broadcasts knows them: a sole writer by its own commits, any other because it reads the
shards if they hold less than the last broadcast covered. So the limit costs no request, no row can be edited to evade
it, and a new process needs nothing from the one before it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from signin.visits.history import History

FEWEST_A_DAY = 1_000  # to as many pages as a unit takes: exactly the messages that the unit includes
MOST_A_DAY = 1_000_000  # more than the shortest interval allows

_DAY, _HOUR, _STEP = 86400, 3600, 60  # seconds
# By the process that counted it; and by one that found it by a reading, if the first one used no lease.
_BROADCASTS_OF_A_VISIT = 2


class Pace:
    """The interval between the broadcasts of a counter by all processes together, in seconds.

    Half of the day's broadcasts may be sent at any time, the other half becomes available evenly over the day. The
    interval is the shortest one as long as more than an eighth of the day's broadcasts is available. From then on it
    grows in inverse proportion to that number, up to the interval at which broadcasts become available.
    """

    def __init__(self, shortest: float, per_day: int | None, now: Callable[[], datetime]) -> None:
        """`per_day`: the most broadcasts of a day; None if there is no limit. `now`: the clock that dates visits."""
        self.shortest = shortest
        self._per_day = per_day
        self._now = now

    def interval(self, history: History) -> float:
        """The interval from now on, if these are all visits.

        Each minute is assumed to have had as many broadcasts as its interval allowed, until the visits of its hour were
        broadcast. The current minute counts in full.
        """
        if self._per_day is None:
            return self.shortest
        now = int(self._now().timestamp())
        midnight = now - now % _DAY
        visits = history.series["hours"]
        sent = unsent = available = 0.0
        for start in range(midnight, now + 1, _STEP):
            available = self._per_day / 2 * (1 + (start + _STEP - midnight) / _DAY) - sent
            if start % _HOUR == 0:  # of the visits before, one broadcast may be left to send
                left = min(unsent, _BROADCASTS_OF_A_VISIT)
                unsent = left + min(_BROADCASTS_OF_A_VISIT * visits.get(start // _HOUR, 0), MOST_A_DAY)
            if unsent > 0:
                sending = min(unsent, available, _STEP / self._interval(self._per_day, available))
                sent, unsent, available = sent + sending, unsent - sending, available - sending
        return self._interval(self._per_day, available)

    def _interval(self, per_day: int, available: float) -> float:
        longest = _DAY / (per_day / 2)
        grown = self.shortest * per_day / 8 / available if available > 0 else longest
        return max(self.shortest, min(grown, longest))
