"""Programs that only some tests need: each set in a virtual environment of its own, kept in .local/tools."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from local import REPOSITORY

_TOOLS = REPOSITORY / ".local" / "tools"


def environment(*requirements: Path) -> Path:
    """The folder of the programs that requirements files name; the first call installs them.

    A lock keeps concurrent test runs from installing into the same folder. Skips the test on Windows, which has no
    fcntl and other names for the folders of a virtual environment.
    """
    fcntl = pytest.importorskip("fcntl")
    texts = [path.read_text(encoding="utf-8") for path in requirements]
    digest = hashlib.sha256("\n".join([sys.version, *texts]).encode()).hexdigest()[:16]
    folder = _TOOLS / f"{requirements[-1].stem}-{digest}"
    _TOOLS.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "installed").exists():
            _install(folder, requirements)
            (folder / "installed").touch()
    return folder / "bin"


def _install(folder: Path, requirements: Sequence[Path]) -> None:
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    commands: list[list[str | Path]] = [
        [sys.executable, "-m", "venv", "--clear", folder],
        [folder / "bin/python", *install, *(f"--requirement={path}" for path in requirements)],
    ]
    for command in commands:
        result = subprocess.run(command, capture_output=True, text=True)
        assert result.returncode == 0, f"{requirements[-1]} could not be installed:\n{result.stderr}"
