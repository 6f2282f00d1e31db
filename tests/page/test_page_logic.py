"""The homepage's scripts, by Node's tools: their own tests, their types and the linter, a test of this suite each."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from local import REPOSITORY
from local.node import NODE, NODE_MODULES

TESTS = Path(__file__).parent


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(["--test", *sorted(map(str, TESTS.glob("*.test.mjs")))], id="tests"),
        pytest.param([NODE_MODULES / "typescript/bin/tsc", "--project", "."], id="types"),
        pytest.param(
            [NODE_MODULES / "eslint/bin/eslint.js", "--max-warnings=0", "content", "tests", "local"], id="linter"
        ),
    ],
)
def test_the_scripts_of_the_page_pass(command: list[str | Path]) -> None:
    run = subprocess.run(
        [NODE, *command],
        cwd=REPOSITORY,
        env=os.environ | {"TZ": "America/New_York"},  # a day there is not one of UTC, whatever this machine's is
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0, f"{run.stdout}{run.stderr}"
