"""A token that others give us: kept as long as it is good, and fetched anew before anybody has to wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

_LEAST_SECONDS = 60.0  # to be left of a token that is given out
_PAUSE_SECONDS = 30.0  # before the next attempt to renew a token that is still good


class Expiring(NamedTuple, Generic[T]):
    """Something that is good until then, in seconds since 1970."""

    value: T
    until: float


class RefreshingValue(Generic[T]):
    """What `fetch` gets, once for all who ask, in a thread of its own.

    It is fetched anew after half of its life, while the old one is still given out. Thread-safe.
    """

    def __init__(self, fetch: Callable[[], Expiring[T]]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._fetched: Future[T] = Future()
        self._until = float("-inf")
        self._renew_at = float("-inf")
        self._coming: Future[T] | None = None

    def get(self) -> Future[T]:
        """A good one: done already, or to come. Fails with what `fetch` raised; who asks next has it tried again."""
        with self._lock:
            now = time.time()
            coming = self._coming
            if now >= self._renew_at and coming is None:
                coming = self._coming = Future()
                coming.set_running_or_notify_cancel()  # whoever stops waiting must not cancel it for the others
                try:
                    threading.Thread(target=self._renew, args=(coming,), name="renewal", daemon=True).start()
                except RuntimeError as error:  # there are too many threads, or the process is ending
                    self._coming = None
                    coming.set_exception(error)
            is_good = now < self._until - _LEAST_SECONDS
            return self._fetched if is_good or coming is None else coming

    def _renew(self, coming: Future[T]) -> None:
        try:
            value, until = self._fetch()
        except Exception as error:
            with self._lock:
                self._coming = None
                if time.time() < self._until - _LEAST_SECONDS:
                    self._renew_at = time.time() + _PAUSE_SECONDS
            coming.set_exception(error)
        else:
            with self._lock:
                self._coming = None
                self._fetched, self._until = coming, until
                self._renew_at = (time.time() + until) / 2
            coming.set_result(value)
