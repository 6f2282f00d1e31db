"""The commands of dev.py that start another program."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from local import REPOSITORY, commands
from local.browser import chromium


class ProcessReplaced(Exception):
    """Stands for the end of this process in `os.execv`."""


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed, and `os.execv` raises ProcessReplaced with the new command."""

    def execv(path: str, command: Sequence[str]) -> None:
        assert path == sys.executable
        raise ProcessReplaced(*command)

    monkeypatch.setattr(commands, "install_packages", lambda: None)
    monkeypatch.setattr(chromium, "install", lambda: None)
    monkeypatch.setattr(os, "execv", execv)


on_posix = pytest.mark.skipif(sys.platform == "win32", reason="On Windows the program is a child process")


@on_posix
@pytest.mark.usefixtures("replaced")
@pytest.mark.parametrize(("quick", "options"), [(False, []), (True, ["--quick"])])
def test_bench_continues_as_benchmark_program(quick: bool, options: Sequence[str]) -> None:
    with pytest.raises(ProcessReplaced) as replaced:
        commands.bench(quick=quick)
    assert replaced.value.args == (sys.executable, "-m", "benchmarks", *options)


@on_posix
@pytest.mark.usefixtures("replaced")
@pytest.mark.parametrize(
    ("arguments", "options"),
    [([], ["--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile"]), (["-k", "lease"], ["-k", "lease"])],
)
def test_test_continues_as_pytest(arguments: Sequence[str], options: Sequence[str]) -> None:
    with pytest.raises(ProcessReplaced) as replaced:
        commands.test(arguments)
    assert replaced.value.args == (sys.executable, "-m", "pytest", *options)


def test_benchmark_program_has_quick_option() -> None:
    command = [sys.executable, "-m", "benchmarks", "--help"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "--quick" in ended.stdout
