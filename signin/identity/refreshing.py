"""A value that expires, such as an access token: cached, and refreshed in the background before it expires."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_MIN_REMAINING_SECONDS = 60.0  # a value that expires sooner counts as expired
# After a failed fetch, the seconds to the next one; they double with each further failure.
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 10.0


class Expiring(NamedTuple, Generic[T]):
    """A value, and when it expires in seconds since 1970."""

    value: T
    expires_at: float


class RefreshingValue(Generic[T]):
    """Caches the result of `fetch` and refreshes it in the background at half its lifetime.

    Concurrent callers share one fetch (single flight), which runs in a thread of its own. After a failed fetch there is
    a pause, which grows up to _LONGEST_PAUSE: until its end callers get the value while it is valid, else the failure,
    and nothing is fetched however many call. Thread-safe.
    """

    def __init__(self, fetch: Callable[[], Expiring[T]], clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._current: Future[T] = Future()
        self._valid_until = float("-inf")
        self._refresh_at = float("-inf")
        self._pending: Future[T] | None = None
        self._failed_at = float("-inf")
        self._pause = 0.0

    def get(self) -> Future[T]:
        """A future of the cached value, or of the fetch in progress if there is none or it is about to expire.

        If `fetch` raises, the future raises the same error, as do those of the calls in the pause after it.
        """
        with self._lock:
            now = self._clock()
            pending = self._pending
            is_pausing = 0.0 <= now - self._failed_at < self._pause  # negative if the clock was set back
            if now >= self._refresh_at and pending is None and not is_pausing:
                pending = self._pending = Future()
                pending.set_running_or_notify_cancel()  # a running future cannot be cancelled: other callers share it
                try:
                    threading.Thread(target=self._refresh, args=(pending,), name="refresh", daemon=True).start()
                except RuntimeError as error:  # there are too many threads, or the process is ending
                    self._pending = None
                    pending.set_exception(error)
            return self._current if now < self._valid_until or pending is None else pending

    def _refresh(self, pending: Future[T]) -> None:
        try:
            value, expires_at = self._fetch()
        except Exception as error:
            with self._lock:
                self._pending = None
                self._failed_at = self._clock()
                self._pause = min(2 * self._pause, _LONGEST_PAUSE) or _FIRST_PAUSE
                if self._failed_at >= self._valid_until:
                    self._current = pending
            pending.set_exception(error)
        else:
            with self._lock:
                self._pending = None
                self._pause = 0.0
                self._current = pending
                self._valid_until = expires_at - _MIN_REMAINING_SECONDS
                self._refresh_at = (self._clock() + expires_at) / 2
            pending.set_result(value)
