"""What visitors were told, held against what the table holds: the one check at the end of every fault test."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from azure.data.tables import TableEntity

from signin.counting.table import STATISTICS_KEY, VisitTable, partition
from signin.live.lease import LEASE_PARTITION

Outcome = Literal["acknowledged", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A total that somebody was shown by a process, and when the asking began and ended, on the history's clock."""

    process: int
    began: float
    ended: float
    total: int
    has_own_visit: bool


class Tally(NamedTuple):
    """How many visits there were of each kind. `landed` are those told "unknown" that are in the table."""

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
        """Take note that a visit is about to be made; until it is answered nobody knows what becomes of it."""
        self.outcomes[key] = "unknown"

    def visits(self, outcome: Outcome) -> set[str]:
        """The keys of the visits with this outcome."""
        return {key for key, told in self.outcomes.items() if told == outcome}

    def check(self, table: VisitTable, rows: Iterable[TableEntity], others: Collection[str] = ()) -> Tally:
        """Fail unless every visit was counted as its visitor was told. `rows` are all there are, once no request is
        under way any more; `others` are the keys of visits made by somebody else.
        """
        shards = _by_shard(rows)
        _check_statistics(table, shards)
        recorded = Counter(row["RowKey"] for rows_of_shard in shards.values() for row in rows_of_shard)
        acknowledged, unknown = self.visits("acknowledged"), self.visits("unknown")

        _expect_none((key for key, times in recorded.items() if times > 1), "have more than one row")
        _expect_none(acknowledged - recorded.keys(), "were acknowledged and have no row")
        _expect_none(self.visits("no") & recorded.keys(), "were answered “not recorded” and have a row")
        _expect_none(recorded.keys() - self.outcomes.keys() - set(others), "have a row and were never made")
        self._check_what_was_shown()
        return Tally(
            attempted=len(self.outcomes),
            acknowledged=len(acknowledged),
            not_recorded=len(self.visits("no")),
            unknown=len(unknown),
            landed=len(unknown & recorded.keys()),
            rows=recorded.total(),
            shards=len(shards),
        )

    def _check_what_was_shown(self) -> None:
        """No total of a process is below one that it had shown before, and each visitor's has its own visit in it."""
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
                    + (" to somebody whose visit was not in that" if shown.has_own_visit else "")
                )


def _by_shard(rows: Iterable[TableEntity]) -> Mapping[str, list[TableEntity]]:
    """The visits of each partition."""
    shards: defaultdict[str, list[TableEntity]] = defaultdict(list)
    for row in rows:
        in_shard = shards[row["PartitionKey"]]
        if row["RowKey"] != STATISTICS_KEY:
            in_shard.append(row)
    shards.pop(LEASE_PARTITION, None)  # what the broadcasters agree by
    return shards


def _check_statistics(table: VisitTable, shards: Mapping[str, list[TableEntity]]) -> None:
    """Each shard counts its own rows, and there is none that readers, who walk from the first, would not find."""
    assert sorted(shards) == [partition(shard) for shard in range(len(shards))], f"a gap in shards {sorted(shards)}"
    for shard, rows in shards.items():
        counted = table.read(int(shard)).statistics
        assert counted.total == len(rows), f"shard {shard} counts {counted.total} visits and holds {len(rows)}"
        for name, counts in (("OS", counted.by_os), ("Browser", counted.by_browser), ("Device", counted.by_device)):
            held = Counter(row[name] for row in rows)
            assert counts == held, f"shard {shard} counts {counts} and holds {held}"
            assert sum(counts.values()) == counted.total


def _expect_none(keys: Iterable[str], what: str) -> None:
    wrong = sorted(keys)
    assert not wrong, f"{len(wrong)} visits {what}: {', '.join(wrong[:5])}"
