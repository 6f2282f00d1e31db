"""dev.py creates the virtual environment that a command needs, and renews it if its requirements or Python change."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

import dev
from local import REPOSITORY, files, health, installers, progress
from local.progress import StepFailed
from tests.support import TEST_TIMEOUT
from tests.support.web_server import Response, WebServer


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which dev.py has not run yet."""
    environment = tmp_path / ".venv"
    monkeypatch.setattr(dev, "ROOT", tmp_path)
    monkeypatch.setattr(dev, "ENVIRONMENT", environment)
    monkeypatch.setattr(dev, "PYTHON", environment / "bin" / "python")
    monkeypatch.setattr(dev, "STAMP", environment / "installed")
    (tmp_path / "requirements.txt").write_text("PyJWT\n")
    (tmp_path / "requirements-publish.txt").write_text("-r requirements.txt\nazure-storage-blob\n")
    (tmp_path / "requirements-run.txt").write_text("-r requirements-publish.txt\naiohttp\n")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements-run.txt\npytest\n")
    return tmp_path


class Commands(list[list[str]]):
    """Stands in for `run`: records the commands, creates the folder of `venv`, and fails the one named `fails`."""

    fails = ""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, command: Sequence[str | Path], note: object, hint: str, environment: object = None) -> None:
        self.append([str(argument) for argument in command])
        if self.fails in self[-1]:
            raise StepFailed(f"{self.fails} failed. {hint}")
        if "venv" in command:
            dev.ENVIRONMENT.mkdir(exist_ok=True)
        assert self.go_on.wait(TEST_TIMEOUT)

    @property
    def modules(self) -> list[str]:
        return [command[command.index("-m") + 1] for command in self]


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands()
    monkeypatch.setattr(progress, "run", commands)
    monkeypatch.setattr(installers, "pip_environment", lambda pip: {})
    return commands


def test_first_start_creates_environment(root: Path, commands: Commands) -> None:
    dev.prepare(dev.ALL)
    assert commands == [
        [sys.executable, "-m", "venv", "--clear", str(root / ".venv")],
        [str(dev.PYTHON), "-m", "pip", "install", "--requirement", "requirements-dev.txt"],
    ]


def test_later_start_runs_no_command(root: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    dev.prepare(dev.ALL)
    commands.clear()
    capsys.readouterr()
    dev.prepare(dev.ALL)
    assert commands == []
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", dev.FILES)
def test_changed_requirements_renew_environment(root: Path, commands: Commands, name: str) -> None:
    dev.prepare(dev.ALL)
    (root / name).write_text("something-else\n")
    dev.prepare(dev.ALL)
    assert commands.modules == ["venv", "pip"] * 2


def test_other_python_renews_environment(root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    dev.prepare(dev.ALL)
    monkeypatch.setattr(sys, "version", "3.99.0 (main, Jan 1 2030)")
    dev.prepare(dev.ALL)
    assert commands.modules == ["venv", "pip"] * 2


@pytest.mark.parametrize("fails", ["venv", "pip"])
def test_failed_start_is_repeated_by_next_one(root: Path, commands: Commands, fails: str) -> None:
    commands.fails = fails
    with pytest.raises(SystemExit, match=f"^{fails} failed. The reason is above"):
        dev.prepare(dev.ALL)
    commands.clear()
    commands.fails = ""
    dev.prepare(dev.ALL)
    assert commands.modules == ["venv", "pip"]


def test_half_replaced_environment_is_renewed(root: Path, commands: Commands) -> None:
    dev.prepare(dev.ALL)
    wanted = (root / "requirements.txt").read_text()
    (root / "requirements.txt").write_text("something-else\n")
    commands.fails = "venv"
    with pytest.raises(SystemExit):
        dev.prepare(dev.ALL)
    (root / "requirements.txt").write_text(wanted)
    commands.clear()
    commands.fails = ""
    dev.prepare(dev.ALL)
    assert commands.modules == ["venv", "pip"]


def test_second_first_start_waits_and_installs_nothing(
    root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.go_on.clear()
    monkeypatch.setattr(files, "time", SimpleNamespace(sleep=lambda seconds: commands.go_on.set()))
    starts = [threading.Thread(target=dev.prepare, args=[dev.ALL]) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join(TEST_TIMEOUT)
    assert commands.modules == ["venv", "pip"]
    assert (
        capsys.readouterr().out.count("Another command installs into this folder; waiting until it has ended.\n") == 1
    )


def test_folder_that_cannot_be_written_is_one_line(root: Path, commands: Commands) -> None:
    (root / ".local").write_text("a file")
    with pytest.raises(SystemExit, match=r"^/.*/\.local: File exists\. Move away .*\.$"):
        dev.prepare(dev.ALL)
    assert commands == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /dev/full")
def test_full_disk_is_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def install(requirements: str) -> None:
        (root / ".venv").mkdir()
        (root / ".venv/installed").symlink_to("/dev/full")

    monkeypatch.setattr(dev, "install", install)
    with pytest.raises(SystemExit, match=r"^No space left on device\. Free some space, and run the command again\.$"):
        dev.prepare(dev.ALL)


def test_removed_python_is_one_line(root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    dev.prepare(dev.ALL)
    monkeypatch.chdir(root)
    with pytest.raises(
        SystemExit, match=r"^/.*/python does not exist\. Delete the folder \.venv, and run the command again\.$"
    ):
        dev.main()


def test_old_python_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 14))
    monkeypatch.setattr(sys, "version", "3.10.14 (main)")
    with pytest.raises(SystemExit, match=r"^Python 3\.11 or newer is required; this is 3\.10\.14\.$"):
        dev.main()


@pytest.mark.parametrize("name", dev.FILES[1:])
def test_each_requirements_file_includes_the_one_before(name: str) -> None:
    before = dev.FILES[dev.FILES.index(name) - 1]
    assert f"-r {before}" in (REPOSITORY / name).read_text().splitlines()


@pytest.mark.parametrize(
    ("arguments", "requirements"),
    [
        ([], "requirements-run.txt"),
        (["--workers", "2"], "requirements-run.txt"),
        (["services"], "requirements-run.txt"),
        (["test"], "requirements-dev.txt"),
        (["lint"], "requirements-dev.txt"),
        (["bench"], "requirements-dev.txt"),
        (["audit-page"], "requirements-dev.txt"),
        (["publish", "--prepare"], "requirements-publish.txt"),
        (["package"], "requirements-publish.txt"),
    ],
)
def test_command_gets_only_the_packages_it_needs(
    root: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, arguments: list[str], requirements: str
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "argv", ["dev.py", *arguments])
    monkeypatch.setattr(os, "execv", lambda program, command: None)
    monkeypatch.setattr(subprocess, "call", lambda command: 0)  # in place of execv on Windows
    with suppress(SystemExit):
        dev.main()
    assert commands[-1][-2:] == ["--requirement", requirements]


@pytest.mark.parametrize("enough", [dev.RUNNING, dev.ALL])
def test_more_packages_are_enough_for_less(root: Path, commands: Commands, enough: str) -> None:
    dev.prepare(enough)
    commands.clear()
    for requirements in dev.FILES[1 : dev.FILES.index(enough)]:
        dev.prepare(requirements)
    assert commands == []


def test_packages_are_added_to_an_environment_in_use(root: Path, commands: Commands) -> None:
    """While `run` runs, another command must not clear its environment."""
    for requirements in (dev.PUBLISHING, dev.RUNNING, dev.ALL):
        dev.prepare(requirements)
    assert commands.modules == ["venv", "pip", "pip", "pip"]
    assert [command[-1] for command in commands if "pip" in command] == [dev.PUBLISHING, dev.RUNNING, dev.ALL]


def test_failed_addition_leaves_the_environment_usable(root: Path, commands: Commands) -> None:
    dev.prepare(dev.RUNNING)
    commands.fails = "pip"
    with pytest.raises(SystemExit):
        dev.prepare(dev.ALL)
    commands.clear()
    dev.prepare(dev.RUNNING)
    assert commands == []


@pytest.mark.parametrize("name", dev.FILES[:3])
def test_environment_with_other_packages_is_not_added_to(root: Path, commands: Commands, name: str) -> None:
    dev.prepare(dev.RUNNING)
    (root / name).write_text("something-else\n")
    dev.prepare(dev.ALL)
    assert commands.modules == ["venv", "pip"] * 2


def test_other_requirements_do_not_renew_those_to_publish(root: Path, commands: Commands) -> None:
    dev.prepare(dev.PUBLISHING)
    (root / "requirements-dev.txt").write_text("something-else\n")
    commands.clear()
    dev.prepare(dev.PUBLISHING)
    assert commands == []


@pytest.mark.parametrize("variables", [{}, {"PYTHONSAFEPATH": "1"}, {"PYTHONPATH": "odd", "HOME": "/dev/null"}])
def test_wait_needs_no_environment(repository: Path, variables: Mapping[str, str]) -> None:
    with WebServer(lambda request: Response(200, b'{"table": {"ok": true}}')) as site:
        command = [sys.executable, "-S", str(repository / "dev.py"), "wait", "--site", site.url]  # -S: no packages
        ended = subprocess.run(
            command, env=os.environ | variables, capture_output=True, text=True, timeout=TEST_TIMEOUT, check=False
        )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [request.target for request in site.requests] == ["/health"]
    assert not (repository / ".venv").exists()


def test_wait_ends_quietly_at_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: Sequence[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(sys, "argv", ["dev.py", "wait", "--site", "https://myapp.azurewebsites.net"])
    monkeypatch.setattr(health, "main", interrupted)
    with pytest.raises(SystemExit, match=r"^130$"):
        dev.main()


@pytest.mark.skipif(sys.platform == "win32", reason="A shell script stands in for the environment's Python")
def test_arguments_pass_on_from_any_folder(repository: Path, tmp_path: Path) -> None:
    for name in dev.FILES:
        (repository / name).write_bytes((Path(dev.__file__).parent / name).read_bytes())
    python = repository / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (repository / ".venv" / "installed").write_text(dev.fingerprint(dev.ALL))

    command = [sys.executable, str(repository / "dev.py"), "run", "--help"]
    ended = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=TEST_TIMEOUT, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: dev.py run")
