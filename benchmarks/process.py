"""A process that runs loads on request."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import ParamSpec, TypeVar

from local.progress import StepFailed

P = ParamSpec("P")
T = TypeVar("T")

_EXIT_SECONDS = 15.0  # the app takes up to 10 s to finish its work


class Process:
    """A new Python process with these settings in its environment. It ends with its parent."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        context = get_context("spawn")
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, dict(settings)), daemon=True)
        self._process.start()
        theirs.close()

    def start(self, load: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> Callable[[], T]:
        """Run a load in the process. The returned function waits for its result, or raises StepFailed."""
        self._ours.send((load, arguments, options))

        def result() -> T:
            try:
                outcome = self._ours.recv()
            except EOFError:
                raise StepFailed(f"The process ended during {load.__name__}.") from None
            if isinstance(outcome, StepFailed):
                raise outcome
            return outcome  # type: ignore[no-any-return]

        return result

    def run(self, load: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Run a load in the process and return its result. Raises StepFailed."""
        return self.start(load, *arguments, **options)()

    def stop(self) -> None:
        """Let the process exit normally, and kill it if it does not within 15 s."""
        self._ours.close()
        self._process.join(_EXIT_SECONDS)
        self._process.kill()
        self._process.join()


def _serve(connection: Connection, settings: Mapping[str, str]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C stops the parent, and this process ends with it
    os.environ.update(settings)
    with suppress(EOFError, BrokenPipeError):  # the parent has closed the connection, or has ended
        while True:
            load, arguments, options = connection.recv()
            try:
                outcome = load(*arguments, **options)
            except Exception as error:
                outcome = StepFailed(f"{load.__name__} failed: {type(error).__name__}: {error}")
            connection.send(outcome)
