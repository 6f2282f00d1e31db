"""What operators do with the table: `python -m signin audit | adopt | export`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from signin.counting.table import MAX_SHARDS, StorageError, VisitTable
from signin.operators.adopt import SAMPLE, adopt
from signin.operators.audit import audit
from signin.operators.export import export
from signin.settings import SettingsError, TableSettings

_WELL = 0
_NOT_WELL = 1
_FAILED = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells have it
_CLOSED_PIPE = 141  # 128 + SIGPIPE

_PAINT_SECONDS = 0.1


class _Outcome(NamedTuple):
    """The exit code, what remains to be written to standard output, and a line for standard error."""

    exit_code: int
    output: str = ""
    complaint: str = ""


class _Progress:
    """Rows so far, painted over and over on one line of standard error, if that is a terminal; wiped at the end."""

    def __init__(self) -> None:
        self.is_shown = sys.stderr.isatty()
        self._started = time.monotonic()
        self._painted = float("-inf")
        self._rows = 0
        self._expected = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_shown:
            sys.stderr.write("\r\033[K")

    def expect(self, count: Callable[[], int]) -> None:
        """Let it be counted how many rows there will be, if anybody is looking."""
        if self.is_shown:
            self._expected = count()

    def advance(self, rows: int) -> None:
        self._rows += rows
        now = time.monotonic()
        if self.is_shown and now - self._painted >= _PAINT_SECONDS:
            self._painted = now
            share = ""
            if 0 < self._rows <= self._expected:
                share = f" of {self._expected:,} ({self._rows / self._expected:.0%})"
            sys.stderr.write(f"\r\033[K{self._rows:,} rows{share}, {now - self._started:.0f} s")
            sys.stderr.flush()


def _audit(table: VisitTable, progress: _Progress) -> _Outcome:
    progress.expect(lambda: _counted(table))
    result = audit(table, progress.advance)
    problems = list(result.problems())
    verdict = problems or ["Every visit is counted, and counted once."]
    return _Outcome(_NOT_WELL if problems else _WELL, "\n".join([*result.table(), "", *verdict, ""]))


def _adopt(table: VisitTable, progress: _Progress) -> _Outcome:
    progress.expect(lambda: sum(1 for _ in table.rows(SAMPLE)))
    result = adopt(table, progress.advance)
    return _Outcome(
        _WELL,
        f"adopted          {result.adopted:>12,}\n"
        f"already adopted  {result.already_adopted:>12,}\n"
        f"total            {result.total:>12,}\n",
    )


def _export(table: VisitTable, progress: _Progress) -> _Outcome:
    progress.is_shown &= not sys.stdout.isatty()  # there it would be painted into the visits
    progress.expect(lambda: _counted(table))
    left_out = export(table, sys.stdout, progress.advance)
    if not left_out:
        return _Outcome(_WELL)
    complaint = f"left out, since they are not visits: {left_out:,} rows; `python -m signin audit` names them"
    return _Outcome(_NOT_WELL, complaint=complaint)


def _counted(table: VisitTable) -> int:
    """How many visits the app says there are."""
    total = 0
    for shard in range(MAX_SHARDS):
        head = table.read(shard)
        if head.etag is None:
            break
        total += head.statistics.total
    return total


class _Command(NamedTuple):
    run: Callable[[VisitTable, _Progress], _Outcome]
    summary: str
    description: str
    if_ended: str  # what to tell whoever sees it end early


_COMMANDS = {
    "audit": _Command(
        _audit,
        "count all rows anew and compare them with the statistics",
        "Read the whole table, count the visits of each shard, and compare them with the shard's statistics. The app "
        "may be running. Exit code 0: every visit is counted, and counted once; 1: not so, as the output says.",
        "Nothing was changed.",
    ),
    "adopt": _Command(
        _adopt,
        "bring the visits that the C# sample recorded into the counts",
        f"Count the rows that the C# sample wrote (PartitionKey {SAMPLE}), each once, however often this is run and "
        "even if it is interrupted. The rows stay as they are. The app may be running. Run it again for rows that the "
        "C# sample adds later.",
        "Nothing is lost, and nothing counted twice: run it again, and it goes on from there.",
    ),
    "export": _Command(
        _export,
        "write all visits as CSV to standard output",
        "Write every visit of every shard as CSV (time, os, browser, device) to standard output. Rows of the C# sample "
        "are among them once they are adopted. Exit code 1: there were rows that are not visits, which are left out.",
        "Nothing was changed.",
    ),
}


def main(arguments: Sequence[str]) -> int:
    """Run a command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m signin",
        description="Look after the visits in the table that the setting TableConnectionString names.",
        epilog="Exit code 2: it could not be done, and standard error says why; 130: Ctrl-C.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in _COMMANDS.items():
        commands.add_parser(name, help=command.summary, description=command.description, epilog=parser.epilog)
    name = parser.parse_args(arguments).command
    command = _COMMANDS[name]

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of everything that the SDK sends again
    try:
        table = TableSettings.from_environment(os.environ).connect()
        with _Progress() as progress:
            outcome = command.run(table, progress)
        sys.stdout.write(outcome.output)
        sys.stdout.flush()
    except SettingsError as error:
        outcome = _Outcome(_FAILED, complaint=f"{error}: set it in the environment, as the app has it")
    except StorageError as error:
        outcome = _Outcome(_FAILED, complaint=f"{error}. {command.if_ended}")
    except KeyboardInterrupt:
        outcome = _Outcome(_INTERRUPTED, complaint=f"interrupted. {command.if_ended}")
    except BrokenPipeError:
        # What is still buffered would be flushed on exit, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        outcome = _Outcome(_CLOSED_PIPE)
    if outcome.complaint:
        sys.stderr.write(f"{name}: {outcome.complaint}\n")
    return outcome.exit_code
