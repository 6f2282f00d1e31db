"""The coalescing broadcaster: the newest statistics to every open page, at most once per interval."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import suppress

from signin.counting.shards import ShardCounter
from signin.counting.table import EtagMismatch, StorageError
from signin.live.hub import Hub, SignalRError
from signin.live.lease import BroadcastLease, ShardTotals
from signin.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

TARGET = "updateSignInStats"

_LONGEST_PAUSE = 30.0  # seconds between attempts while the service fails, unless it asks for more


class Broadcaster:
    """Sends at once when the last broadcast is older than the interval, else at the interval's end.

    The interval is kept by all processes together, see lease.py; one without company need not ask whose turn it is.
    One with company looks around once more, an interval after its last change or broadcast: another process may have
    died with something to tell.

    What is sent is the whole state at that moment, so that a failed broadcast loses nothing: the next one carries
    everything. After a failure it tries again by itself, at growing intervals.
    """

    def __init__(
        self, hub: Hub, counter: ShardCounter, lease: BroadcastLease, interval: float, metrics: Metrics | None = None
    ) -> None:
        self._hub = hub
        self._counter = counter
        self._turns = lease
        self._interval = interval
        self._metrics = metrics or Metrics()
        self._is_pending = False
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._is_failing = False
        self._back_off = interval
        self._thread = threading.Thread(target=self._run, name="broadcaster", daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Say that the statistics have changed. Does not block."""
        with self._changed:
            self._is_pending = True
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Send what is pending without waiting for the interval; return when done or after `timeout` seconds."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        is_watching = False
        while True:
            with self._changed:
                timeout = self._interval if is_watching else None
                self._changed.wait_for(lambda: self._is_pending or self._closing.is_set(), timeout)
                has_changed, self._is_pending = self._is_pending, False
            if not has_changed and self._closing.is_set():
                return
            is_watching = has_changed and self._counter.may_have_peers
            try:
                pause = self._round() if has_changed else self._watch()
            except Exception as error:  # whatever it is, this thread has to go on
                if self._closing.is_set():
                    return
                self.changed()
                pause = self._failed(error)
            self._closing.wait(pause)

    def _round(self) -> float:
        """Broadcast, if it is our turn and there is something to tell; the seconds until the next round."""
        if not self._counter.may_have_peers:
            next_round = time.monotonic() + self._interval
            self._send()
            return next_round - time.monotonic()
        last = self._turns.read()
        if last.covers(self._counter.totals()):
            return 0.0
        if last.remaining > 0 and not self._closing.is_set():
            self.changed()
            # Whoever sent last comes first: it costs the others a read to see that all is told, and no vain write.
            return last.remaining + random.uniform(0.02, 0.1) * self._interval
        try:
            turn = self._turns.acquire(last, self._interval)
        except EtagMismatch:
            self.changed()
            return 0.0
        next_round = time.monotonic() + self._interval  # not before the turn is over, or it would be another's
        try:
            told = self._send()
        except SignalRError as error:
            if error.retry_after:  # it is meant for all of us
                with suppress(StorageError):
                    self._turns.acquire(turn, error.retry_after)
            raise
        with suppress(StorageError):  # then somebody tells it again
            self._turns.record_sent(turn, told)
        return turn.remaining

    def _watch(self) -> float:
        """See to what nobody has told; the seconds until that is looked into."""
        self._counter.read_others()
        if not self._turns.read().covers(self._counter.totals()):
            self.changed()
        return 0.0

    def _send(self) -> ShardTotals:
        """Broadcast what is known now, and return how much that is. Raises StorageError and SignalRError."""
        self._counter.read_others()
        told = self._counter.totals()
        began = time.monotonic()
        self._hub.broadcast(TARGET, self._counter.value().summary())
        self._metrics.count("broadcasts")
        self._metrics.record_duration("broadcast", time.monotonic() - began)
        if self._is_failing:
            logger.info("broadcasts work again")
        self._is_failing = False
        self._back_off = self._interval
        return told

    def _failed(self, error: Exception) -> float:
        """Log it, unless that was done before, and return the seconds to wait before the next attempt."""
        self._metrics.count("broadcast_failures")
        if not self._is_failing:
            is_defect = not isinstance(error, SignalRError | StorageError)
            logger.warning("broadcasts fail, visits are counted all the same: %s", error, exc_info=is_defect)
        self._is_failing = True
        self._back_off = max(self._interval, min(2 * self._back_off, _LONGEST_PAUSE))
        asked_for = error.retry_after if isinstance(error, SignalRError) else 0.0
        return max(self._back_off, asked_for)
