"""The command line of operators: `python -m signin audit | repair | adopt | export`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from typing import NamedTuple, Self

from signin.counting.errors import PermanentError, StorageError
from signin.counting.rows import ALL_SHARDS, rooms_of
from signin.counting.table import VisitTable
from signin.operators.adopt import SAMPLE, adopt
from signin.operators.audit import audit
from signin.operators.export import export, header
from signin.operators.repair import repair
from signin.settings import SettingsError, TableSettings, rooms_from
from signin.telemetry.outage import with_notes

_OK = 0
_PROBLEMS_FOUND = 1
_FAILED = 2
_INTERRUPTED = 130  # 128 + SIGINT, as in shells
_CLOSED_PIPE = 141  # 128 + SIGPIPE

_PROGRESS_SECONDS = 0.1  # between two updates of the progress line


class _Outcome(NamedTuple):
    """The exit code, the rest of standard output, and a line for standard error."""

    exit_code: int
    output: str = ""
    error: str = ""


class _Rooms(NamedTuple):
    """The rooms that the command is to work on, None for all counters; and those in the setting Rooms, with ""."""

    chosen: Sequence[str] | None
    listed: Set[str]

    def counters(self, table: VisitTable) -> Iterator[VisitTable]:
        """The table of each counter. Raises StorageError."""
        return map(table.of_room, self.chosen or rooms_of(table.partition_keys()))


class _Progress:
    """The number of rows so far, on one line of standard error if that is a terminal. The line is erased at the end."""

    def __init__(self) -> None:
        self.is_shown = sys.stderr.isatty()
        self._started = time.monotonic()
        self._updated = float("-inf")
        self._rows = 0
        self._expected = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_shown:
            sys.stderr.write("\r\033[K")

    def expect(self, count: Callable[[], int]) -> None:
        """Call `count` for the expected number of rows, if the progress is shown."""
        if self.is_shown:
            self._expected = count()

    def advance(self, rows: int) -> None:
        self._rows += rows
        now = time.monotonic()
        if self.is_shown and now - self._updated >= _PROGRESS_SECONDS:
            self._updated = now
            share = ""
            if 0 < self._rows <= self._expected:
                share = f" of {self._expected:,} ({self._rows / self._expected:.0%})"
            sys.stderr.write(f"\r\033[K{self._rows:,} rows{share}, {now - self._started:.0f} s")
            sys.stderr.flush()


def _audit(table: VisitTable, rooms: _Rooms, progress: _Progress) -> _Outcome:
    progress.expect(lambda: _total(table, rooms))
    result = audit(table, progress.advance, rooms.chosen)
    problems = list(result.problems())
    verdict = problems or ["Every visit is counted exactly once."]
    if result.needs_repair:
        verdict += ["", "Run `python -m signin repair` to replace the stats rows that do not match the rows."]
    if unlisted := sorted({shard.partitions.room for shard in result.shards} - rooms.listed):
        verdict += ["", f"Rooms that the setting Rooms does not list, so that they have no page: {', '.join(unlisted)}"]
    return _Outcome(_PROBLEMS_FOUND if problems else _OK, "\n".join([*result.table(), "", *verdict, ""]))


def _repair(table: VisitTable, rooms: _Rooms, progress: _Progress) -> _Outcome:
    with suppress(PermanentError):  # a malformed stats row
        progress.expect(lambda: _total(table, rooms))
    repairs = [
        (counter.partitions.of(one.shard), one)
        for counter in rooms.counters(table)
        for one in repair(counter, progress.advance)
    ]
    width = max([7, *(len(name) for name, _ in repairs)])
    lines = [f"{'shard':<{width}}{'visits before':>17}{'visits after':>17}"]
    for name, (_, before, after, is_changed) in repairs:
        change = "  repaired" if is_changed else ""
        lines.append(f"{name:<{width}}{'none' if before is None else f'{before:,}':>17}{after:>17,}{change}")
    return _Outcome(_OK, "\n".join([*lines, "", "Every stats row matches the rows of its shard.", ""]))


def _adopt(table: VisitTable, rooms: _Rooms, progress: _Progress) -> _Outcome:
    progress.expect(lambda: sum(1 for _ in table.rows(SAMPLE)))
    (room,) = rooms.chosen or [""]
    result = adopt(table.of_room(room), progress.advance)
    return _Outcome(
        _OK,
        f"adopted          {result.adopted:>12,}\n"
        f"already adopted  {result.already_adopted:>12,}\n"
        f"total            {result.total:>12,}\n",
    )


def _export(table: VisitTable, rooms: _Rooms, progress: _Progress) -> _Outcome:
    progress.is_shown &= not sys.stdout.isatty()  # the line would be among the visits
    progress.expect(lambda: _total(table, rooms))
    skipped = export(table, sys.stdout, progress.advance, rooms.chosen)
    if not skipped:
        return _Outcome(_OK)
    error = f"rows skipped because they are not visits: {skipped:,}; run `python -m signin audit` to list them"
    return _Outcome(_PROBLEMS_FOUND, error=error)


def _total(table: VisitTable, rooms: _Rooms) -> int:
    """The sum of the stats rows."""
    return sum(state.statistics.total for counter in rooms.counters(table) for state in counter.read_all(ALL_SHARDS))


class _Command(NamedTuple):
    run: Callable[[VisitTable, _Rooms, _Progress], _Outcome]
    summary: str
    description: str
    if_aborted: str  # follows the error if the command fails or is interrupted
    default_rooms: str = "all rooms, and the default counter"


_COMMANDS = {
    "audit": _Command(
        _audit,
        "recount all rows and compare them with the statistics",
        "Read the whole table, count the visits of each shard, and compare them with the shard's statistics. The app "
        "may be running. Exit code 0: every visit is counted exactly once; 1: the output lists the problems.",
        "Nothing was changed.",
    ),
    "repair": _Command(
        _repair,
        "replace the statistics of shards that do not match the rows",
        "Count the visits of each shard anew, and replace its statistics if they differ, are malformed or are missing. "
        "No visit is changed. The app may be running. Do so if an audit reports that it is needed, for instance after "
        "rows were changed or deleted by hand.",
        "Each shard is as it was or is repaired: run it again to continue.",
    ),
    "adopt": _Command(
        _adopt,
        "count the visits that the C# sample recorded",
        f"Count each row that the C# sample wrote (PartitionKey {SAMPLE}) exactly once, even if this is run again or "
        "interrupted. The rows are not changed. The app may be running. Run it again for rows that the C# sample adds "
        "later.",
        "No visit is lost or counted twice: run it again to continue.",
        "the default counter",
    ),
    "export": _Command(
        _export,
        "write all visits as CSV to standard output",
        f"Write every visit of every shard as CSV ({', '.join(header())}) to standard output, and if there are rooms, "
        "the room of each. Rows of the C# sample are included once they are adopted. Exit code 1: rows that are not "
        "visits were skipped.",
        "Nothing was changed.",
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Run a command and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m signin",
        description="Audit, repair, adopt or export the visits in the table of the setting TableConnectionString.",
        epilog="Exit code 2: the command failed, standard error has the reason; 130: interrupted by Ctrl-C.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        one = commands.add_parser(name, help=command.summary, description=command.description, epilog=parser.epilog)
        one.add_argument("--room", metavar="NAME", help="work on this room only; default: " + command.default_rooms)
    options = parser.parse_args(arguments)
    name = options.command
    command = _COMMANDS[name]

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each retry of the SDK
    try:
        table = TableSettings.from_environment(os.environ).connect()
        rooms = _Rooms([options.room] if options.room else None, rooms_from(os.environ).keys())
        if options.room and options.room not in {*rooms.listed, *rooms_of(table.partition_keys())}:
            raise SettingsError(f"Rooms has no room {options.room}, and neither has the table")
        with _Progress() as progress:
            outcome = command.run(table, rooms, progress)
        sys.stdout.write(outcome.output)
        sys.stdout.flush()
    except SettingsError as error:
        outcome = _Outcome(_FAILED, error=f"{error}: set it in the environment, to the same value as for the app")
    except StorageError as error:
        outcome = _Outcome(_FAILED, error=f"{with_notes(error)}. {command.if_aborted}")
    except KeyboardInterrupt:
        outcome = _Outcome(_INTERRUPTED, error=f"interrupted. {command.if_aborted}")
    except BrokenPipeError:
        # On exit Python flushes standard output, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        outcome = _Outcome(_CLOSED_PIPE)
    if outcome.error:
        sys.stderr.write(f"{name}: {outcome.error}\n")
    return outcome.exit_code
