"""The coalescing broadcaster: the newest statistics to every open page, at most once per interval."""

from __future__ import annotations

import logging
import random
import threading
import time
from contextlib import suppress
from typing import Literal, NamedTuple

from signin.counting.errors import EtagMismatch, StorageError
from signin.counting.shards import Shards, ShardTotals
from signin.live.here import Here
from signin.live.hub import Hub, SignalRError
from signin.live.lease import BroadcastLease
from signin.live.pace import Pace
from signin.telemetry.metrics import Metrics
from signin.telemetry.outage import Outage

logger = logging.getLogger(__name__)

TARGET = "updateSignInStats"

_LONGEST_PAUSE = 30.0  # seconds between attempts while the service fails, unless it asks for more
_PATIENCE_INTERVALS = 2  # within which a process that lives broadcasts what it has committed


class _Watch(NamedTuple):
    """When to look for visits of other processes that were never broadcast, because their process died.

    `found`: the totals that a reading has found. None: none were found; peers may have committed during a lease.
    """

    at: float
    found: ShardTotals | None


class Broadcaster:
    """Sends at once if the last broadcast is older than the interval, else at the interval's end.

    All processes together keep the interval by the broadcast lease. The sole writer needs none: nothing else is there
    to broadcast. It uses the lease while the interval has grown: so a process that replaces it does not send early, and
    one that has found its visits by a reading does not send them again.

    A broadcast carries the whole state, so that a failed one loses nothing: the next one carries everything. After a
    failure it tries again by itself, with growing pauses.

    A broadcast also has the number of open pages, but is not sent because of it.
    """

    def __init__(
        self,
        hub: Hub,
        shards: Shards,
        lease: BroadcastLease,
        pace: Pace,
        metrics: Metrics | None = None,
        here: Here | None = None,
    ) -> None:
        """`here` is None if open pages are not counted."""
        self._hub = hub
        self._shards = shards
        self._lease = lease
        self._pace = pace
        self._interval = pace.shortest
        self._metrics = metrics or Metrics()
        self._here = here
        self._is_pending = False  # guarded by `_changed`, as is the next
        self._watch: _Watch | None = None
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._outage = Outage(  # the thread's own, as are the next two
            logger,
            "broadcasts fail, visits are counted all the same",
            "broadcasts work again",
            level=logging.WARNING,
        )
        self._back_off = self._interval
        self._is_slowed = False
        self._thread = threading.Thread(target=self._run, name="broadcaster", daemon=True)

    def start(self) -> None:
        """Begin to broadcast."""
        self._thread.start()

    def changed(self) -> None:
        """Broadcast soon: this process has committed visits. Does not block."""
        with self._changed:
            self._is_pending = True
            self._changed.notify()

    def found_others(self) -> None:
        """Broadcast soon what other processes have committed, unless they do. Does not block.

        A process may have died between a commit and its broadcast. If it lives, it broadcasts within an interval; and
        if it has committed more by the time that we look again, it lives.
        """
        with self._changed:
            at = time.monotonic() + _PATIENCE_INTERVALS * self._interval
            self._watch = _Watch(at, found=self._shards.totals())
            self._changed.notify()

    def wake(self) -> None:
        """Let the thread look when `Here` is due. Does not block."""
        with self._changed:
            self._changed.notify()

    def close(self, timeout: float) -> None:
        """Send what is pending without waiting for the interval; return when done or after `timeout` seconds."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(timeout)

    def _run(self) -> None:
        while (reason := self._next_reason()) is not None:
            try:
                pause = self._do(reason)
            except Exception as error:  # a defect of ours too: this thread has to go on
                if self._closing.is_set():
                    break
                self.changed()
                if isinstance(reason, _Watch):  # the others' shards may not have been read
                    with self._changed:
                        self._watch = self._watch or reason
                pause = self._failed(error)
            self._rest(pause)
        if self._here is not None:
            self._here.close()

    def _do(self, reason: Literal["changed", "here"] | _Watch) -> float:
        """Do what there is a reason for; the seconds until the next round."""
        pause = 0.0
        if reason != "here":
            pause = self._look(reason) if isinstance(reason, _Watch) else self._round(has_changed=True)
        if self._here is not None:  # also without a broadcast, if another process has sent one
            self._here.exchange()
        return pause

    def _rest(self, seconds: float) -> None:
        """Wait so long, or until the end. Meanwhile the open pages are exchanged when that is due."""
        until = time.monotonic() + seconds
        while not self._closing.is_set() and (rest := until - time.monotonic()) > 0.0:
            with self._changed:
                here_in = None if self._here is None else self._here.due_in
                if (here_in is None or here_in > 0.0) and not self._closing.is_set():
                    self._changed.wait(rest if here_in is None else min(rest, here_in))
            if self._here is not None and here_in is not None and here_in <= 0.0:
                self._here.exchange()

    def _next_reason(self) -> Literal["changed", "here"] | _Watch | None:
        """Wait for something to do; None at the end."""
        with self._changed:
            while not (self._is_pending or self._closing.is_set()):
                watch_in = None if self._watch is None else self._watch.at - time.monotonic()
                if watch_in is not None and watch_in <= 0.0:
                    watch, self._watch = self._watch, None
                    return watch
                here_in = None if self._here is None else self._here.due_in
                if here_in is not None and here_in <= 0.0:
                    return "here"
                self._changed.wait(min((due for due in (watch_in, here_in) if due is not None), default=None))
            has_changed, self._is_pending = self._is_pending, False
            if has_changed:
                return "changed"
            watch, self._watch = self._watch, None
            return watch if watch is not None and watch.found is not None else None  # else a peer looks

    def _look(self, watch: _Watch) -> float:
        """Read the other shards and broadcast what no process has; the seconds until the next round."""
        self._shards.read_all()
        if watch.found is None and not self._shards.may_have_peers:  # its own commits are broadcast anyway
            return 0.0
        if watch.found not in (None, self._shards.totals()):
            if not self._closing.is_set():
                self.found_others()  # the process may have died since
            return 0.0
        return self._round(has_changed=False)

    def _round(self, *, has_changed: bool) -> float:
        """Broadcast if something is left to send and the lease is free; the seconds until the next round.

        `has_changed`: this process has committed visits.
        """
        if not self._shards.may_have_peers and self._current_interval() <= self._interval:
            next_round = time.monotonic() + self._interval
            self._send()
            return next_round - time.monotonic()
        last = self._lease.read()
        if self._is_covered(last.sent):
            self._recovered()
            if has_changed and last.remaining > 0:
                self._watch_for_peers(last.expires_at)  # the process that has broadcast our visits may die, too
            return 0.0
        if last.remaining > 0 and not self._closing.is_set():
            self.changed()
            # Wait 2-10 % longer than the lease, so that its holder usually renews it first. The others then find out by
            # one read that nothing is left to send, instead of by a write that fails.
            return last.remaining + random.uniform(0.02, 0.1) * self._interval
        interval = self._current_interval()  # now that the visits of the last broadcast are known
        try:
            lease = self._lease.acquire(last, interval)
        except EtagMismatch:
            self.changed()
            return 0.0
        next_round = time.monotonic() + interval  # not before the lease expires, or it would be another's
        try:
            sent = self._send()
        except SignalRError as error:
            if error.retry_after:  # it applies to all processes
                with suppress(StorageError):
                    self._lease.acquire(lease, error.retry_after)
            raise
        with suppress(StorageError):  # then another process sends it again
            self._lease.record_sent(lease, sent)
        self._watch_for_peers(next_round)
        return next_round - time.monotonic()

    def _watch_for_peers(self, at: float) -> None:
        """When the lease ends, look for visits that a peer has committed during it, in case the peer has died."""
        with self._changed:
            self._watch = _Watch(at, found=None)

    def _current_interval(self) -> float:
        """The interval in seconds, which has grown if it is longer than `_interval`."""
        interval = self._pace.interval(self._shards.value().history)
        was_slowed, self._is_slowed = self._is_slowed, interval > self._interval
        if self._is_slowed and not was_slowed:
            logger.warning("the day's broadcasts run short, so they are sent less often (MaximumBroadcastsPerDay)")
        return interval

    def _is_covered(self, sent: ShardTotals) -> bool:
        """Whether the last broadcast covered every visit that is known.

        Reads the shards first if the broadcast covered visits that this process does not know, or if the outcome of its
        own last commit is unknown. If it still covered more than the shards hold, the table was recreated.
        """
        totals = self._shards.totals()
        if not self._shards.is_own_known or any(total > totals.get(shard, 0) for shard, total in sent.items()):
            self._shards.read_all()
            totals = self._shards.totals()
        return sent == totals

    def _send(self) -> ShardTotals:
        """Broadcast the statistics known now; their totals. Raises StorageError and SignalRError."""
        self._shards.read_others()
        totals = self._shards.totals()
        *of_the_sample, more = self._shards.value().summary()
        if self._here is not None:
            self._here.exchange(without_pause=True)
            more = {**more, "here": self._here.here_now().pages}
        began = time.monotonic()
        self._hub.broadcast(TARGET, (*of_the_sample, more))
        self._metrics.count("broadcasts")
        self._metrics.record_duration("broadcast", time.monotonic() - began)
        self._recovered()
        return totals

    def _recovered(self) -> None:
        """This process or another one has broadcast everything."""
        self._outage.succeeded()
        self._back_off = self._interval

    def _failed(self, error: Exception) -> float:
        """Log the first of a row of failures; the seconds to wait before the next attempt."""
        self._metrics.count("broadcast_failures")
        self._outage.failed(error, is_defect=not isinstance(error, SignalRError | StorageError))
        self._back_off = max(self._interval, min(2 * self._back_off, _LONGEST_PAUSE))
        retry_after = error.retry_after if isinstance(error, SignalRError) else 0.0
        return max(self._back_off, retry_after)
