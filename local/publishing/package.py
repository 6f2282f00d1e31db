"""The package that is deployed: a zip archive of the app and of nothing else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from local import REPOSITORY

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip archive can tell
_UNIX, _FILE = 3, 0o100644 << 16  # a plain file that all may read


def files() -> Iterator[Path]:
    """The app's files, sorted by name; `.funcignore` leaves over the same ones."""
    yield from sorted(
        [
            *(REPOSITORY / name for name in ("function_app.py", "host.json", "requirements.txt")),
            *(REPOSITORY / "signin").rglob("*.py"),
        ],
        key=name_of,
    )


def name_of(path: Path) -> str:
    """The name of a file in the package."""
    return path.relative_to(REPOSITORY).as_posix()


def build(package: Path) -> None:
    """Write the package. The same files give the same bytes, on any machine and at any time.

    Files are stored as they are, since what a compressor makes of them depends on its version.
    """
    package.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(package, "w") as archive:
        for path in files():
            entry = zipfile.ZipInfo(name_of(path), _EARLIEST)
            entry.create_system, entry.external_attr = _UNIX, _FILE
            archive.writestr(entry, path.read_bytes())
