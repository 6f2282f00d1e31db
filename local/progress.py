"""Steps of a set-up, shown with their progress and time. Standard library only: dev.py runs without packages."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from local.files import REMEDIES, file_error
from local.hints import remedy

Note = Callable[[str], None]

_GUARD = Path(__file__).with_name("processes") / "guard.py"


class StepFailed(Exception):
    """A step failed. The message describes the problem and what to do next."""


@contextmanager
def file_errors_in_one_line() -> Iterator[None]:
    """Translate an error of a file into StepFailed, with one line: the file, the reason and the remedy."""
    try:
        yield
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        place = f"{error.filename}: " if error.filename else ""
        raise StepFailed(f"{place}{error.strerror}. {REMEDIES[error.errno]}") from error


@contextmanager
def step(title: str) -> Iterator[Note]:
    """Show a step with its time; on a terminal also while it runs, with its latest note."""
    started = time.monotonic()
    latest = ""
    done = threading.Event()

    def note(text: str) -> None:
        nonlocal latest
        latest = text

    def show(text: str, end: str) -> None:
        line = f"  {title:<28}{time.monotonic() - started:6.1f} s  {text}".rstrip()
        if sys.stdout.isatty():  # a line that wraps could not be overwritten
            line = f"\r\033[K{line[: shutil.get_terminal_size().columns - 1]}"
        print(line, end=end, flush=True)

    def repaint() -> None:
        while not done.wait(0.1):
            show(latest, end="")

    painter = threading.Thread(target=repaint, daemon=True)
    if sys.stdout.isatty():
        painter.start()
    outcome = "failed"
    try:
        yield note
        outcome = ""
    finally:
        done.set()
        if painter.is_alive():
            painter.join()
        show(outcome, end="\n")


def run(command: Sequence[str | Path], note: Note, hint: str, environment: Mapping[str, str] | None = None) -> None:
    """Run a command and note each line that it prints. Raises StepFailed with all its output.

    If the command reports an error of a file, such as a full disk, the message is that line with the remedy.
    Otherwise it ends with what to do about a known cause, or with the hint.

    The command never outlives this process: an interrupted installation must not continue beside the next one.
    """
    lines: list[str] = []
    with subprocess.Popen(
        [sys.executable, _GUARD, *command],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            note(line.strip())
    if process.returncode:
        if error := file_error(lines):
            raise StepFailed(error)
        end = f"{command[0]} ended with exit code {process.returncode}."
        raise StepFailed(f"{''.join(lines)}{end} {remedy(lines) or hint}")
