"""The coalescing broadcaster: the newest statistics to every open page, at most once per interval."""

from __future__ import annotations

import logging
import threading

from signin.counter import ShardCounter
from signin.signalr import Hub, SignalRError
from signin.table import StorageError

logger = logging.getLogger(__name__)

TARGET = "updateSignInStats"

_LONGEST_PAUSE = 30.0  # seconds between attempts while the service refuses


class Broadcaster:
    """Sends at once when the last broadcast is older than the interval, else at the interval's end.

    What is sent is the whole state at that moment, so that a failed broadcast loses nothing: the next one carries
    everything. After a failure it tries again by itself, at growing intervals.
    """

    def __init__(self, hub: Hub, counter: ShardCounter, interval: float) -> None:
        self._hub = hub
        self._counter = counter
        self._interval = interval
        self._is_pending = False
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._is_failing = False
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
        pause = self._interval
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._is_pending or self._closing.is_set())
                if not self._is_pending:
                    return
                self._is_pending = False
            if self._send():
                pause = self._interval
            elif self._closing.is_set():
                return
            else:
                self.changed()
                pause = max(self._interval, min(2 * pause, _LONGEST_PAUSE))
            self._closing.wait(pause)

    def _send(self) -> bool:
        """Broadcast what is known now; whether the service took it. Logs when that changes, not each time."""
        try:
            self._counter.look_around()
            self._hub.broadcast(TARGET, self._counter.value().summary())
        except Exception as error:  # whatever it is, this thread has to go on
            if not self._is_failing:
                is_defect = not isinstance(error, SignalRError | StorageError)
                logger.warning("broadcasts fail, visits are counted all the same: %s", error, exc_info=is_defect)
            self._is_failing = True
            return False
        if self._is_failing:
            logger.info("broadcasts work again")
        self._is_failing = False
        return True
