"""Steps of a set-up, each shown with its progress and its time. Standard library only: dev.py needs it at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

Note = Callable[[str], None]

_GUARD = Path(__file__).with_name("processes") / "guard.py"


class StepFailed(Exception):
    """A step that could not be done; the message says what happened and what to do next."""


@contextmanager
def step(title: str) -> Iterator[Note]:
    """Show a step while it lasts, with the latest note on a terminal, and its time at the end."""
    started = time.monotonic()
    latest = ""
    done = threading.Event()

    def note(text: str) -> None:
        nonlocal latest
        latest = text

    def show(text: str, end: str) -> None:
        line = f"  {title:<28}{time.monotonic() - started:6.1f} s  {text}".rstrip()
        if sys.stdout.isatty():  # a line that wraps could not be painted over
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
    """Run a command to its end and note each line it prints. Raises StepFailed with all of them and the hint.

    However this process ends, the command does not outlive it: half an installation must not go on beside the next.
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
        raise StepFailed(f"{''.join(lines)}{command[0]} ended with exit code {process.returncode}. {hint}")
