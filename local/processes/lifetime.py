"""How long a child process lives: until it is told to stop, or until its parent is gone.

A parent holds the write end of each child's standard input open. However the parent ends, SIGKILL included,
the operating system closes that end and the child reads end-of-file: no orphan survives, on any platform.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable


async def until_stopped() -> None:
    """Wait for SIGINT, SIGTERM, or the end of standard input where that is a pipe held by a parent."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: it has already stopped
            loop.call_soon_threadsafe(stopped.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: stop())
    # asyncio's own subprocesses get one end of a socket pair as their standard input on Python 3.11.
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=_at_end_of_input, args=(stop,), name="lifeline", daemon=True).start()
    await stopped.wait()


def _at_end_of_input(stop: Callable[[], None]) -> None:
    # os.read, not sys.stdin: a daemon thread inside the buffered reader aborts the interpreter's shutdown.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop()
