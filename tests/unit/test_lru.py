from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signin.website.lru import LruCache


def test_least_recently_used_is_evicted_first() -> None:
    cache: LruCache[int] = LruCache(3)
    for number, name in enumerate("abc"):
        cache.put(name, number, 1)
    assert cache.get("a") == 0
    cache.put("d", 3, 1)
    assert [cache.get(name) for name in "abcd"] == [0, None, 2, 3]


def test_heavy_value_evicts_several() -> None:
    cache: LruCache[int] = LruCache(3)
    for number, name in enumerate("abc"):
        cache.put(name, number, 1)
    cache.put("d", 3, 2)
    assert [cache.get(name) for name in "abcd"] == [None, None, 2, 3]


def test_value_above_capacity_is_not_kept() -> None:
    cache: LruCache[int] = LruCache(3)
    cache.put("a", 1, 4)
    assert cache.get("a") is None
    cache.put("b", 1, 3)
    assert cache.get("b") == 1


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12), st.booleans()), max_size=60))
def test_total_weight_never_exceeds_capacity(steps: list[tuple[str, int, bool]]) -> None:
    cache: LruCache[int] = LruCache(10)
    for name, weight, is_put in steps:
        if is_put:
            cache.put(name, weight, weight)
        else:
            cache.discard(name)
        weights = [cache.get(name) or 0 for name in "abcdef"]
        assert sum(weights) <= 10
        assert cache._weight == sum(weights)
