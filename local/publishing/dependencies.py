"""The app's dependencies as Azure runs them: on Linux with an x86-64 processor, whatever this machine is."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

from local import REPOSITORY
from local.installers import pip_environment
from local.progress import Note, run

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
DEFAULT_PYTHON = "3.12"
"""The default of infra/main.bicep, which also has the versions."""

FOLDER = ".python_packages/lib/site-packages"
"""Where the Functions worker looks for packages in the folder of the app."""

# Made by the installer: scripts contain the path of this machine's Python, RECORD the hashes of the scripts.
_SCRIPTS = ("bin", "Scripts")
_OF_INSTALLER = ("INSTALLER", "RECORD", "REQUESTED")


def install(python: str, folder: Path, note: Note) -> None:
    """Install the pins of requirements.txt for a Python version, e.g. "3.12", into an empty folder.

    Raises StepFailed, also if a package has no wheel for that version: nothing is compiled here.
    """
    requirements = folder.with_name(f"{folder.name}.txt")
    requirements.write_text("\n".join(_pins(python)), encoding="utf-8")
    pip = [sys.executable, "-m", "pip"]
    command = [
        *(*pip, "install", "--no-compile"),
        *("--no-deps", "--only-binary=:all:", "--implementation=cp", f"--python-version={python}"),
        "--ignore-requires-python",  # pip would compare it with its own version
        *(f"--platform={platform}" for platform in _platforms(python)),
        *(f"--target={folder}", f"--requirement={requirements}"),
    ]
    run(command, note, f"Is there a wheel of each package for Python {python}?", pip_environment(pip))


def installed(folder: Path) -> Iterator[Path]:
    """The files of the packages without those that the installer makes, which differ from machine to machine."""
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        is_of_installer = parts[0] in _SCRIPTS or (parts[0].endswith(".dist-info") and parts[-1] in _OF_INSTALLER)
        if path.is_file() and not is_of_installer:
            yield path


def _pins(python: str) -> Iterator[str]:
    """The lines of requirements.txt that apply to a Python version. pip would apply those of its own version."""
    environment = {
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "os_name": "posix",
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
    }
    for line in (REPOSITORY / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.lstrip().startswith("#"):
            pin = Requirement(line)
            if pin.marker is None or pin.marker.evaluate(environment):
                yield f"{pin.name}{pin.specifier}"


def _platforms(python: str) -> Iterator[str]:
    """The tags of wheels that run in Azure. manylinux_2_17, alias manylinux2014, is for glibc 2.17 and newer.

    pip takes only the tags that it is given, and from 2014 derives its predecessors 2010 and 1. For Python 3.13 and
    newer, packages begin to drop 2014 for 2_28: all Linux systems with these versions have glibc 2.28.
    """
    newest = 17 if python in ("3.11", "3.12") else 28
    yield from (f"manylinux_2_{minor}_x86_64" for minor in range(newest, 4, -1))
    yield "manylinux2014_x86_64"
