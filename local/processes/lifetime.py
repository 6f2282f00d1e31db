"""The lifetime of a child process: until a signal stops it, or until its parent has ended.

A parent holds the write end of each child's standard input open. When the parent ends, even by SIGKILL, the operating
system closes that end and the child reads end-of-file: no child is left behind, on any platform.
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
    """Wait for SIGINT, for SIGTERM, or for the end of the parent."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, since the process has stopped already
            loop.call_soon_threadsafe(stopped.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: stop())
    at_end_of_parent(stop)
    await stopped.wait()


def at_end_of_parent(stop: Callable[[], None]) -> None:
    """Call `stop` in a thread of its own at the end of standard input, if that is a pipe or a socket."""
    # On Python 3.11 the standard input of asyncio's subprocesses is one end of a socket pair.
    mode = os.fstat(sys.stdin.fileno()).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=_at_end_of_input, args=(stop,), name="lifeline", daemon=True).start()


def _at_end_of_input(stop: Callable[[], None]) -> None:
    # os.read, not sys.stdin: a daemon thread that blocks in the buffered reader aborts the interpreter's shutdown.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stop()
