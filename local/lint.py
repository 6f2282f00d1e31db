"""Static checks of the whole source. `python3 dev.py lint`, the git hook, CI and the tests run the same ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local import REPOSITORY
from local.node import NODE, NODE_MODULES

Command = Sequence[str | Path]

CHECKS: Mapping[str, Command] = {
    "ruff": [sys.executable, "-m", "ruff", "check"],
    "format": [sys.executable, "-m", "ruff", "format", "--check"],
    "mypy": [sys.executable, "-m", "mypy"],
    "eslint": [NODE, NODE_MODULES / "eslint/bin/eslint.js", "--max-warnings=0", "content", "tests", "local"],
    "tsc": [NODE, NODE_MODULES / "typescript/bin/tsc", "--project", "."],
}


def lint(names: Sequence[str]) -> list[str]:
    """Run the checks with these names, all if there are none, and return the names of those that fail.

    The checks print what they find. A failed one does not keep the others from running.
    """
    failed = []
    for name in names or CHECKS:
        print(f"{name}:", flush=True)
        if subprocess.run(CHECKS[name], cwd=REPOSITORY).returncode:
            failed.append(name)
    return failed
