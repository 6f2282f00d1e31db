"""Every interleaving of a small model of the shards' protocol: the rules are safe, and none can be left out."""

from __future__ import annotations

import pytest

from .conftest import Report
from .shard_protocol import Flaw, explore


def test_no_interleaving_misses_a_visit(report: Report) -> None:
    result = explore(others=1, shards=2)
    assert not result.violation, "\n".join(result.violation)
    assert result.states > 150_000, "the model has lost steps"
    report(f"{result.states:,} states")


@pytest.mark.parametrize(("others", "shards"), [(2, 2), (1, 3)])
def test_no_larger_interleaving_misses_a_visit(others: int, shards: int, soak: bool, report: Report) -> None:
    if not soak:
        pytest.skip("takes minutes and up to 8 GB of memory: --soak")
    result = explore(others=others, shards=shards)
    assert not result.violation, "\n".join(result.violation)
    assert result.states > 1_500_000, "the model has lost steps"
    report(f"{result.states:,} states")


@pytest.mark.parametrize("flaw", Flaw, ids=lambda flaw: flaw.name.lower())
def test_each_rule_is_needed(flaw: Flaw) -> None:
    *steps, last = explore(others=1, shards=2, flaw=flaw).violation
    assert last.endswith(("it misses the visit", "it has not found the visit"))
    assert any("commits the visit" in step for step in steps)
