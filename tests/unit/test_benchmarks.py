"""The figures of the benchmark and their table; the measurements are in tests/integration."""

from __future__ import annotations

import pytest

from benchmarks.figures import Figure, quantity, table
from benchmarks.suite import document, summary


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(0, "", "0"), (0.0131, "", "0.0131"), (1, "", "1"), (12.345, "ms", "12.3 ms"), (20000, "MB", "20,000 MB")],
)
def test_quantity_has_three_digits_and_its_unit(value: float, unit: str, text: str) -> None:
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("figure", "target", "verdict"),
    [
        (Figure("", 2.0, at_most=2), "≤ 2", "ok"),
        (Figure("", 2.1, at_most=2), "≤ 2", "missed"),
        (Figure("", 0.8, at_least=0.8), "≥ 0.8", "ok"),
        (Figure("", 0.7, "ms", at_least=0.8), "≥ 0.8 ms", "missed"),
        (Figure("", 0.7), "", ""),
    ],
)
def test_figure_is_compared_with_its_target(figure: Figure, target: str, verdict: str) -> None:
    assert figure.cells[2:] == (target, verdict)


def test_table_has_a_line_for_each_figure() -> None:
    assert table([Figure("speed", 2, "MB", basis="4 / 2"), Figure("depth", 1, at_most=0)]) == (
        "| measure | measured     | target |        |\n"
        "|---------|--------------|--------|--------|\n"
        "| speed   | 2 MB (4 / 2) |        |        |\n"
        "| depth   | 1            | ≤ 0    | missed |\n"
    )


@pytest.mark.parametrize(
    ("values", "words"), [([1, 9], "1 of 2 targets missed."), ([1, 1], "None of 2 targets missed.")]
)
def test_summary_counts_missed_targets(values: list[float], words: str) -> None:
    figures = [Figure("untargeted", 1), *(Figure("targeted", value, at_most=2) for value in values)]
    assert summary(figures).endswith(f"|\n\n{words}\n")
    assert words in document(figures)
