"""A mapping of bounded size that forgets first what was used the longest ago."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


class LruMapping(Generic[T]):
    """Values by name, of which the weights add up to `capacity` at most."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: OrderedDict[str, tuple[T, int]] = OrderedDict()
        self._weight = 0

    def get(self, name: str) -> T | None:
        """The value, which thereby is the last to be forgotten."""
        if name not in self._items:
            return None
        self._items.move_to_end(name)
        return self._items[name][0]

    def put(self, name: str, value: T, weight: int) -> None:
        """Keep a value, in the place of one that has the same name."""
        self.drop(name)
        self._items[name] = (value, weight)
        self._weight += weight
        while self._weight > self._capacity:
            self.drop(next(iter(self._items)))

    def drop(self, name: str) -> None:
        """Forget a value, if it is there."""
        if name in self._items:
            self._weight -= self._items.pop(name)[1]
