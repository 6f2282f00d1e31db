"""The files of `content/` that are published, and the reason for each one that is not."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from signin.website.names import HOMEPAGE, is_blob_name, is_hidden

ROUTES = ("badge.json", "badge.svg", "health", "leave", "negotiate", "signin", "stats")
"""The routes of function_app.py, which hide files of these names."""


@dataclass(frozen=True, slots=True)
class Content:
    """The files to publish, by the name of their blob, and one line for each file that cannot be published.

    Hidden files are in neither.
    """

    files: dict[str, Path] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def read_folder(folder: Path) -> Content:
    """The content in a folder, sorted by path. Raises OSError if the folder itself cannot be read.

    Names are in the composed form of Unicode (NFC), in which browsers send an address that was typed; some file systems
    of Apple decompose them.
    """
    content = Content()
    unreadable: list[OSError] = []
    for path in sorted(_paths(folder, unreadable)):
        name = unicodedata.normalize("NFC", path.relative_to(folder).as_posix())
        reason = _file_problem(folder, path) or _name_problem(name)
        if reason is None and name in content.files:
            reason = "another file has this name in another form of Unicode"
        if reason is None:
            content.files[name] = path
        else:
            content.refused.append(f"{name} is not published: {reason}.")
    for error in unreadable:
        name = Path(error.filename).relative_to(folder).as_posix()
        content.refused.append(f"{name}/ is not published: it cannot be read ({error.strerror}).")
    return content


def _paths(folder: Path, unreadable: list[OSError]) -> Iterator[Path]:
    """All files, and links to folders, but those that are hidden. Links are not followed."""

    def on_error(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise error
        unreadable.append(error)

    for parent, folders, files in os.walk(folder, onerror=on_error):
        shown = [Path(parent, name) for name in folders if not is_hidden(name)]
        folders[:] = [path.name for path in shown if not path.is_symlink()]
        yield from (path for path in shown if path.is_symlink())
        yield from (Path(parent, name) for name in files if not is_hidden(name))


def _file_problem(folder: Path, path: Path) -> str | None:
    """Why a file cannot be read, or must not be published."""
    if path.is_symlink():
        if not os.path.exists(path):  # noqa: PTH110 (Path.exists raises PermissionError)
            return "it is a link to a file that does not exist"
        root, target = folder.resolve(), path.resolve()
        if not target.is_relative_to(root):
            return "it is a link to a place outside of the folder; copy the file"
        if is_hidden(target.relative_to(root).as_posix()):
            return "it is a link to a hidden file"
    if path.is_dir():
        return "it is a link to a folder; copy the folder"
    if not path.is_file():
        return "it is not a regular file"
    if not os.access(path, os.R_OK):
        return "it cannot be read; change its permissions or its owner"
    return None


def _name_problem(name: str) -> str | None:
    """Why the app cannot serve a file with this name."""
    if name.lower().removeprefix("api/").removesuffix(f"/{HOMEPAGE}") in ROUTES:
        return "the app has a route of this name; rename it"
    if any(segment.endswith(".") for segment in name.split("/")):
        return "Blob Storage does not keep a dot at the end of a name; rename it"
    if not name.isprintable():
        return "its name contains an invisible character; rename it"
    for character in "\\?#%":
        if character in name and not is_blob_name(name):
            return f"the app serves no name with {character!r}"
    if not is_blob_name(name):
        return "its name is too long; rename it"
    return None
