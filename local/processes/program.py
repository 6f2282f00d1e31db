"""How a program that people start ends: in good order after every signal, and with a message instead of a traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from local.progress import StepFailed, file_errors_in_one_line


@contextmanager
def main_program() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGINT, SIGTERM and SIGHUP, and translate errors of the body into exit codes.

    StepFailed and errors of files print one line and exit with 1, KeyboardInterrupt exits with 130, and a closed
    standard output (BrokenPipeError) with 1.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # SIGHUP: the terminal was closed; Windows lacks it
        number = getattr(signal, name, None)
        if number and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):  # nohup ignores SIGHUP
            signal.signal(number, _interrupt)
    try:
        with file_errors_in_one_line():
            yield
            sys.stdout.flush()  # here, since an error in the flush at exit is a traceback
    except StepFailed as error:
        _discard_unwritten_output()
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of standard output has ended
        _discard_unwritten_output()
        sys.exit(1)


def _discard_unwritten_output() -> None:
    """Discard what cannot be written to standard output, which the interpreter flushes again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _interrupt(*_: int | FrameType | None) -> None:
    raise KeyboardInterrupt
