#!/usr/bin/env python3
"""Run, test, measure and package the app: `python3 dev.py [command] [options]`; `python3 dev.py --help` lists them.

Needs Python 3.11 or newer and nothing else. This file creates the project's own virtual environment and continues
as `python -m local` in it. The commands of a deployment need a small environment, or none.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = ENVIRONMENT / "installed"

# Each includes those before it.
FILES = ("requirements.txt", "requirements-publish.txt", "requirements-run.txt", "requirements-dev.txt")
_, PUBLISHING, RUNNING, ALL = FILES
REQUIREMENTS = {  # of a command; the others need the packages to run the app
    **dict.fromkeys(("publish", "package"), PUBLISHING),
    **dict.fromkeys(("test", "lint", "bench", "audit-page"), ALL),
}

sys.path.insert(0, str(ROOT))  # which Python leaves out if PYTHONSAFEPATH is set


def main() -> None:
    if sys.version_info < (3, 11):
        sys.exit(f"Python 3.11 or newer is required; this is {sys.version.split()[0]}.")
    from local.installers import isolate_python

    os.chdir(ROOT)
    isolate_python(ROOT / ".local")
    name = sys.argv[1] if len(sys.argv) > 1 else "run"
    try:
        if name == "wait":  # without the virtual environment, for machines that need it for nothing else
            from local import health

            sys.exit(health.main(sys.argv[2:]))
        prepare(REQUIREMENTS.get(name, RUNNING))
    except KeyboardInterrupt:
        sys.exit(130)
    if not PYTHON.exists():  # or it is a link to a Python that has been removed
        sys.exit(f"{PYTHON} does not exist. Delete the folder .venv, and run the command again.")
    command = [str(PYTHON), "-m", "local", *sys.argv[1:]]
    if os.name == "nt":  # exec would return the console to the shell while the program still runs
        sys.exit(subprocess.call(command))
    os.execv(PYTHON, command)


def prepare(requirements: str) -> None:
    """Create the virtual environment with the packages of a requirements file, unless it has them already.

    If it has those of a smaller file, the others are added, and commands that use it go on.
    """
    from local.files import install_once
    from local.progress import StepFailed, file_errors_in_one_line

    try:
        with file_errors_in_one_line():
            place = FILES.index(requirements)
            accepted, smaller = map(fingerprint, FILES[place:]), map(fingerprint, FILES[:place])
            lock = ROOT / ".local/installation.lock"
            install_once(STAMP, [*accepted], lock, lambda: install(requirements), smaller=[*smaller])
    except StepFailed as error:
        sys.exit(str(error))


def install(requirements: str) -> None:
    from local.hints import GO_ON
    from local.installers import pip_environment
    from local.progress import run, step

    if not STAMP.exists():
        with step("Virtual environment") as note:
            run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], note, GO_ON)
    with step("Python packages") as note:
        pip = [str(PYTHON), "-m", "pip"]
        run([*pip, "install", "--requirement", requirements], note, GO_ON, environment=pip_environment(pip))


def fingerprint(requirements: str) -> str:
    """A hash of the input of the virtual environment: this Python's version, and the requirements files."""
    digest = hashlib.sha256(sys.version.encode())
    for name in FILES[: FILES.index(requirements) + 1]:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
