"""Measured values with their targets, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_TIMES = "\N{MULTIPLICATION SIGN}"
_HEAD = ("measure", "measured", "target", "")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value with its unit. `basis` names the values it was computed from; the limits are its target."""

    measure: str
    value: float
    unit: str = ""
    basis: str = ""
    at_most: float | None = None
    at_least: float | None = None

    @property
    def has_target(self) -> bool:
        return self.at_most is not None or self.at_least is not None

    @property
    def is_missed(self) -> bool:
        return (self.at_most is not None and self.value > self.at_most) or (
            self.at_least is not None and self.value < self.at_least
        )

    @property
    def cells(self) -> tuple[str, str, str, str]:
        """The figure as a row of the table."""
        measured = quantity(self.value, self.unit) + (f" ({self.basis})" if self.basis else "")
        if self.at_most is not None:
            target = f"≤ {quantity(self.at_most, self.unit)}"
        elif self.at_least is not None:
            target = f"≥ {quantity(self.at_least, self.unit)}"
        else:
            return self.measure, measured, "", ""
        return self.measure, measured, target, "missed" if self.is_missed else "ok"


def ratio(
    measure: str,
    value: float,
    base: float,
    unit: str = "",
    *,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """The ratio of two values of the same unit."""
    basis = f"{quantity(value, unit)} / {quantity(base, unit)}"
    return Figure(measure, value / base, _TIMES, basis, at_most=at_most, at_least=at_least)


def quantity(value: float, unit: str = "") -> str:
    """A number with its unit. Three significant digits, or all digits of the integer part if there are more."""
    rounded = f"{value:,.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"
    return f"{rounded} {unit}".rstrip()


def process_count(count: int) -> str:
    """The count with its noun: "1 process", "4 processes"."""
    return f"{count} process{'es' if count > 1 else ''}"


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table whose columns are aligned on a terminal."""
    rows = [_HEAD, *(figure.cells for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]) + "\n"
