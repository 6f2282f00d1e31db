"""The package that is deployed: a zip archive of the app, with or without its dependencies, and nothing else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

from local import REPOSITORY
from local.publishing.dependencies import FOLDER, installed
from signin.website.names import is_hidden

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can store
_UNIX, _FILE = 3, 0o100644 << 16  # a regular file with read permission for all


def files() -> Iterator[Path]:
    """The app's files, sorted by name: the same that `.funcignore` does not exclude."""
    yield from sorted(
        [
            *(REPOSITORY / name for name in ("function_app.py", "host.json", "requirements.txt")),
            *(path for path in (REPOSITORY / "signin").rglob("*.py") if not is_hidden(name_of(path))),
        ],
        key=name_of,
    )


def name_of(path: Path) -> str:
    """The name of a file in the package."""
    return path.relative_to(REPOSITORY).as_posix()


def build(package: Path, dependencies: Path | None = None) -> None:
    """Write the package. The same files give the same bytes, on any machine and at any time.

    `dependencies` is the folder of the installed packages that it contains, see `dependencies.install`. Files are
    stored uncompressed, since the output of a compressor depends on its version.
    """
    entries = {name_of(path): path for path in files()}
    if dependencies is not None:
        entries |= {f"{FOLDER}/{path.relative_to(dependencies).as_posix()}": path for path in installed(dependencies)}
    package.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(package, "w") as archive:
        for name, path in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, _EARLIEST)
            entry.create_system, entry.external_attr = _UNIX, _FILE
            archive.writestr(entry, path.read_bytes())
