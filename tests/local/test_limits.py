"""The limit of open files, which each connection counts towards."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import resource

from local.processes.limits import allow_connections

resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_connections(500)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [(256, 1000, "700 1000"), (800, 1000, "800 1000"), (256, 600, "600 600")],
    ids=["raised", "already high enough", "raised to the maximum of the system"],
)
def test_limit_of_open_files_is_raised_if_needed(soft: int, hard: int, expected: str) -> None:
    program = PROGRAM.format(soft=soft, hard=hard)
    assert subprocess.check_output([sys.executable, "-c", program], text=True).split() == expected.split()
