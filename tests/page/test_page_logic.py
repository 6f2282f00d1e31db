"""The homepage's logic, tested by Node's own test runner and reported as one test of this suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
NODE = Path(sys.executable).parent / ("node.exe" if os.name == "nt" else "node")


def test_the_logic_of_the_page() -> None:
    assert NODE.exists(), f"{NODE} is missing: install requirements-dev.txt into this environment."
    files = sorted(str(file) for file in TESTS.glob("*.test.mjs"))
    run = subprocess.run([NODE, "--test", *files], capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert run.returncode == 0, f"The page's own tests failed:\n{run.stdout}{run.stderr}"
