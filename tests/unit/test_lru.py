from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signin.website.lru import LruMapping


def test_what_was_used_the_longest_ago_is_forgotten_first() -> None:
    kept: LruMapping[int] = LruMapping(3)
    for number, name in enumerate("abc"):
        kept.put(name, number, 1)
    assert kept.get("a") == 0
    kept.put("d", 3, 1)
    assert [kept.get(name) for name in "abcd"] == [0, None, 2, 3]


def test_a_heavy_value_takes_the_place_of_several() -> None:
    kept: LruMapping[int] = LruMapping(3)
    for number, name in enumerate("abc"):
        kept.put(name, number, 1)
    kept.put("d", 3, 2)
    assert [kept.get(name) for name in "abcd"] == [None, None, 2, 3]


def test_a_value_that_is_too_heavy_is_not_kept() -> None:
    kept: LruMapping[int] = LruMapping(3)
    kept.put("a", 1, 4)
    assert kept.get("a") is None
    kept.put("b", 1, 3)
    assert kept.get("b") == 1


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12), st.booleans()), max_size=60))
def test_the_weights_of_what_is_kept_never_exceed_the_capacity(steps: list[tuple[str, int, bool]]) -> None:
    kept: LruMapping[int] = LruMapping(10)
    for name, weight, is_put in steps:
        if is_put:
            kept.put(name, weight, weight)
        else:
            kept.drop(name)
        held = [kept.get(name) or 0 for name in "abcdef"]
        assert sum(held) <= 10
        assert kept._weight == sum(held)
