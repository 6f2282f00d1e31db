"""The commands of dev.py that start another program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from local import REPOSITORY, commands


class ProcessReplaced(Exception):
    """Stands for the end of this process in `os.execv`."""


@pytest.mark.skipif(sys.platform == "win32", reason="On Windows the program is a child process")
@pytest.mark.parametrize(("quick", "options"), [(False, []), (True, ["--quick"])])
def test_bench_continues_as_benchmark_program(
    monkeypatch: pytest.MonkeyPatch, quick: bool, options: Sequence[str]
) -> None:
    def execv(path: str, command: Sequence[str]) -> None:
        assert path == sys.executable
        raise ProcessReplaced(*command)

    monkeypatch.setattr(commands, "install_packages", lambda: None)
    monkeypatch.setattr(os, "execv", execv)
    with pytest.raises(ProcessReplaced) as replaced:
        commands.bench(quick=quick)
    assert replaced.value.args == (sys.executable, "-m", "benchmarks", *options)


def test_benchmark_program_has_quick_option() -> None:
    command = [sys.executable, "-m", "benchmarks", "--help"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "--quick" in ended.stdout
