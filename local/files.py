"""The files that the local environment needs: errors in one line, and one installation at a time.

Standard library only: dev.py runs without packages.
"""

from __future__ import annotations

import errno
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

AGAIN = "and run the command again."
_OWNER = f"If it or its folder belongs to another user, change the owner or the permissions, {AGAIN}"
_SPACE = f"Free some space, {AGAIN}"
_COPY = "Copy this folder to a disk that can be written, and run the command there."
_IN_THE_WAY = f"Move away what has this name or that of a folder above, {AGAIN}"

REMEDIES = {
    errno.EACCES: _OWNER,
    errno.EPERM: _OWNER,
    errno.EROFS: _COPY,
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EEXIST: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.ENOENT: f"Restore it, or delete .venv or node_modules if it belongs there, {AGAIN}",
    errno.EIO: f"Check the disk, {AGAIN}",
}
"""What to do about an error of a file. Errors with other numbers are of the network, or of the program."""

_POLL_SECONDS = 0.1


_REMEDIES_BY_TEXT = {
    "permission denied": _OWNER,
    "operation not permitted": _OWNER,
    "read-only file system": _COPY,
    "no space left on device": _SPACE,
    "disk quota exceeded": _SPACE,
}
_ERROR_LINE = re.compile(rf"(?:npm error |\w*error: |\[errno \d+\]).*?({'|'.join(_REMEDIES_BY_TEXT)})", re.IGNORECASE)


def file_error(output: Sequence[str]) -> str | None:
    """The last line in the output of venv, pip or npm that reports an error of a file, with the remedy."""
    for line in reversed(output):
        if found := _ERROR_LINE.match(line):
            return f"{line.strip()}. {_REMEDIES_BY_TEXT[found[1].lower()]}"
    return None


def install_once(
    stamp: Path, accepted: Sequence[str], lock: Path, install: Callable[[], None], smaller: Sequence[str] = ()
) -> None:
    """Call `install` unless the stamp has one of the accepted texts; then write the first of them.

    During the call the stamp exists only if it has the text of a smaller installation: `install` must add to that one,
    which stays usable if it fails. If another process installs with the same lock, wait until it has ended.
    """
    if _is_installed(stamp, accepted):
        return
    with _locked(lock):
        if _is_installed(stamp, accepted):  # by the process that held the lock
            return
        if not _is_installed(stamp, smaller):
            stamp.unlink(missing_ok=True)  # first, since this installation may fail
        install()
        stamp.write_text(accepted[0])


def _is_installed(stamp: Path, accepted: Sequence[str]) -> bool:
    return stamp.exists() and stamp.read_text() in accepted


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock on a file. The system releases it if this process is killed."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as file:
        if not _lock(file):
            print("Another command installs into this folder; waiting until it has ended.", flush=True)
            while not _lock(file):
                time.sleep(_POLL_SECONDS)
        yield


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str]) -> bool:
        """Lock the file, unless another process has locked it."""
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(file: IO[str]) -> bool:
        """Lock the file, unless another process has locked it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
