"""The homepage's scripts: their own tests, run by Node. `python3 dev.py lint` checks their style and types."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from local import REPOSITORY
from local.node import NODE

TESTS = Path(__file__).parent


def test_scripts_of_the_page_pass_their_tests() -> None:
    run = subprocess.run(
        [NODE, "--test", *sorted(TESTS.glob("*.test.mjs"))],
        cwd=REPOSITORY,
        env=os.environ | {"TZ": "America/New_York"},  # a day there is not one of UTC, whatever this machine's is
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )
    assert run.returncode == 0, f"{run.stdout}{run.stderr}"
