"""How a browser is found on this machine, and how a package of Debian is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from local.progress import Note, run


def find(commands: Iterable[str], paths: Iterable[str]) -> Path | None:
    """The first of the commands that is on the PATH, else the first of the files that exists, else None."""
    for command in commands:
        if path := shutil.which(command):
            return Path(path)
    return next((path for path in map(Path, paths) if path.is_file()), None)


def can_install_packages() -> bool:
    """Whether this system has packages of Debian, and this user may install them."""
    return shutil.which("apt-get") is not None and os.geteuid() == 0


def install_packages(packages: Iterable[str], note: Note, hint: str) -> None:
    """Install packages of Debian. Raises StepFailed with the hint."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update"], note, hint, environment)
    run(["apt-get", "install", "--yes", "--no-install-recommends", *packages], note, hint, environment)
