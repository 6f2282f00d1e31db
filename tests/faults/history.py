"""The outcomes of visits, checked against the table at the end of every fault test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from azure.data.tables import TableEntity

from signin.counting.table import VisitTable
from tests.support.audit import audit_rows

Outcome = Literal["acknowledged", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A total that a process returned. The request for it began and ended at these times of any clock."""

    process: int
    began: float
    ended: float
    total: int
    has_own_visit: bool


class Tally(NamedTuple):
    """How many visits there were of each kind. `landed` are those with the outcome "unknown" that are in the table."""

    attempted: int
    acknowledged: int
    not_recorded: int
    unknown: int
    landed: int
    rows: int
    shards: int

    def __str__(self) -> str:
        return ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in self._asdict().items())


@dataclass(slots=True)
class History:
    """The outcome of each visit by its key ("unknown" from the beginning), and every total that was shown."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    shown: list[Shown] = field(default_factory=list)

    def attempt(self, key: str) -> None:
        """Record that a visit is about to be made, with an unknown outcome until its response."""
        self.outcomes[key] = "unknown"

    def visits(self, outcome: Outcome) -> set[str]:
        """The keys of the visits with this outcome."""
        return {key for key, known in self.outcomes.items() if known == outcome}

    def check(self, table: VisitTable, rows: Iterable[TableEntity], others: Collection[str] = ()) -> Tally:
        """Fail unless the table agrees with the outcome of every visit.

        `rows` are all rows, after the last request has ended; `others` are the keys of visits by other processes.
        """
        _, recorded, shards = audit_rows(rows, table)
        acknowledged, unknown = self.visits("acknowledged"), self.visits("unknown")

        _expect_none(acknowledged - recorded, "were acknowledged and have no row")
        _expect_none(self.visits("no") & recorded, "were reported as not recorded and have a row")
        _expect_none(recorded - self.outcomes.keys() - set(others), "have a row and were never made")
        self.check_shown()
        return Tally(
            attempted=len(self.outcomes),
            acknowledged=len(acknowledged),
            not_recorded=len(self.visits("no")),
            unknown=len(unknown),
            landed=len(unknown & recorded),
            rows=len(recorded),
            shards=len(shards),
        )

    def check_shown(self) -> None:
        """No total of a process is below an earlier one, and the total of each visitor includes the own visit."""
        by_process = defaultdict(list)
        for shown in self.shown:
            by_process[shown.process].append(shown)
        for process, all_shown in by_process.items():
            earlier = iter(sorted(all_shown, key=lambda shown: shown.ended))
            next_earlier, largest = next(earlier), 0
            for shown in sorted(all_shown, key=lambda shown: shown.began):
                while next_earlier.ended < shown.began:
                    largest, next_earlier = max(largest, next_earlier.total), next(earlier)
                assert shown.total >= largest + shown.has_own_visit, (
                    f"process {process} showed {shown.total} after {largest}"
                    + (" to a visitor whose visit was not yet in that" if shown.has_own_visit else "")
                )


def _expect_none(keys: Iterable[str], problem: str) -> None:
    wrong = sorted(keys)
    assert not wrong, f"{len(wrong)} visits {problem}: {', '.join(wrong[:5])}"
