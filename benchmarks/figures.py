"""What was measured, and whether it reaches what it must."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_TIMES = "\N{MULTIPLICATION SIGN}"
_HEAD = ("measure", "measured", "must reach", "")


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value with its unit; `of` tells what it was made of, the limits what it must reach."""

    measure: str
    value: float
    unit: str = ""
    of: str = ""
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
        measured = quantity(self.value, self.unit) + (f" ({self.of})" if self.of else "")
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
    """One value by another of the same unit."""
    of = f"{quantity(value, unit)} / {quantity(base, unit)}"
    return Figure(measure, value / base, _TIMES, of, at_most=at_most, at_least=at_least)


def quantity(value: float, unit: str = "") -> str:
    """A number with three significant digits, whole where it has more, and its unit."""
    rounded = f"{value:,.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):g}"
    return f"{rounded} {unit}".rstrip()


def processes_in_words(count: int) -> str:
    """1 process, 4 processes."""
    return f"{count} process{'es' if count > 1 else ''}"


def table(figures: Sequence[Figure]) -> str:
    """A Markdown table that is readable on a terminal, too."""
    rows = [_HEAD, *(figure.cells for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]) + "\n"
