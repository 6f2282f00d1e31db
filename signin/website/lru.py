"""A least-recently-used (LRU) cache that is bounded by the total weight of its values."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class LruCache(Generic[T]):
    """Values by name; the least recently used ones are evicted while the weights add up to more than `capacity`.

    `functools.lru_cache` knows neither weights nor the removal of one entry.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._weight = 0

    def get(self, name: str) -> T | None:
        """The value, which becomes the most recently used one; None if it is not cached."""
        if name not in self._items:
            return None
        self._items.move_to_end(name)
        return self._items[name][0]

    def put(self, name: str, value: T, weight: int) -> None:
        """Add or replace a value. One that is heavier than the capacity evicts all others and itself."""
        self.discard(name)
        self._items[name] = (value, weight)
        self._weight += weight
        while self._weight > self._capacity:
            self.discard(next(iter(self._items)))

    def discard(self, name: str) -> None:
        """Remove a value if it is cached."""
        if name in self._items:
            self._weight -= self._items.pop(name)[1]
