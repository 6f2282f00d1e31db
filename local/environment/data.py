"""The folder in which Azurite keeps the data of an environment."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local import REPOSITORY
from local.progress import StepFailed

_ROOM = bytes(4 * 1024 * 1024)  # five times the published content
_SAVE_SECONDS = 2.0  # far more than it takes Azurite to write a database


class DataFolder:
    """Azurite's files: its databases, which are JSON, and folders with the content of blobs and queues.

    Azurite saves a database every five seconds if it has changed, and at its end. It writes a file with `~` after its
    name and renames it. If that fails it goes on, and reports nothing before its end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self) -> None:
        """Check the folder before Azurite starts.

        Raises StepFailed if a database is damaged: Azurite would end at a part of one, and replace an empty one by a
        new one. Raises OSError if a file cannot be read or written, or if the disk is full.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        for file in (self.path, *self.path.rglob("*")):
            if not os.access(file, os.R_OK | os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        for database in self.path.glob("__azurite_db_*.json"):
            if not _is_database(database):
                raise StepFailed(
                    f"{database} is damaged. Restore it from a copy, "
                    "or start with --fresh, which deletes the visits of earlier runs."
                )
        for unsaved in self._unsaved():  # by a run that was killed
            unsaved.unlink()
        room = self.path / "room"
        try:
            room.write_bytes(_ROOM)
        except OSError as error:
            error.filename = str(self.path)  # an error of a write has no name
            raise
        finally:
            room.unlink(missing_ok=True)

    def save_error(self, *, is_stopped: bool = False) -> str | None:
        """One line if Azurite could not save its latest changes."""
        ages = [time.time() - unsaved.stat().st_mtime for unsaved in self._unsaved()]
        if any(is_stopped or age > _SAVE_SECONDS for age in ages):
            return (
                f"{self.path}: The latest visits are not saved. Is the disk full? Free some space, and sign in again."
            )
        return None

    def _unsaved(self) -> list[Path]:
        return list(self.path.glob("__azurite_db_*.json~"))


def _is_database(path: Path) -> bool:
    try:
        content = json.loads(path.read_bytes())
    except (RecursionError, ValueError):
        return False
    return isinstance(content, dict) and "collections" in content


@contextmanager
def data_folder(table_port: int, *, fresh: bool) -> Iterator[DataFolder]:
    """The data of this table port, so that two environments never share one; a temporary folder for port 0.

    `fresh` deletes it first. Raises StepFailed or OSError, see `DataFolder.prepare`.
    """
    with ExitStack() as stack:
        if table_port == 0:
            path = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signin-")))
        else:
            path = REPOSITORY / ".local" / f"azurite-{table_port}"
            if fresh and path.exists():
                shutil.rmtree(path)
        folder = DataFolder(path)
        folder.prepare()
        yield folder
