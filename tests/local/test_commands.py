"""The commands of dev.py that start another program."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local import REPOSITORY, commands, compatibility
from local.browser import chromium, firefox
from local.emulators import azurite
from local.publishing import azure
from signin.website.blobs import MB


class ProcessReplaced(Exception):
    """Stands for the end of this process in `os.execv`."""


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed, and `os.execv` raises ProcessReplaced with the new command."""

    def execv(path: str, command: Sequence[str]) -> None:
        assert path == sys.executable
        raise ProcessReplaced(*command)

    monkeypatch.setattr(commands, "install_packages", lambda: None)
    for installed in (azurite, compatibility, chromium, firefox):
        monkeypatch.setattr(installed, "install", lambda: None)
    monkeypatch.setattr(os, "execv", execv)


def test_publishing_names_files_served_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "REPOSITORY", tmp_path)
    (tmp_path / "content").mkdir()
    for name, size in (("film.mp4", 100 * MB + 1), ("talk.pdf", 100 * MB)):
        with (tmp_path / "content" / name).open("wb") as file:
            file.truncate(size)
    commands._report(["film.mp4", "talk.pdf", "deleted.html"])
    assert capsys.readouterr().out.splitlines() == [
        "Published film.mp4",
        "  It is served in parts only, unless the app's setting MaxFileMB is above 100.",
        "Published talk.pdf",
        "Published deleted.html",
    ]


def test_publishing_names_files_that_cannot_be_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "content").mkdir()
    (tmp_path / "content/stats").touch()
    monkeypatch.setattr(commands, "REPOSITORY", tmp_path)
    monkeypatch.setattr(commands, "install_publishing_packages", lambda: None)
    monkeypatch.setattr(azure, "publish", lambda *_: [])
    commands.publish("https://account.blob.core.windows.net", "")
    assert (
        "stats is not published: the app has a route of this name; rename it." in capsys.readouterr().out.splitlines()
    )


class Publications:
    """A publisher that refuses one file more each time, and then the command is stopped."""

    def __init__(self, *refused: Sequence[str]) -> None:
        self._rounds = iter(refused)
        self.refused: Sequence[str] = ()

    def publish(self) -> list[str]:
        try:
            self.refused = next(self._rounds)
        except StopIteration:
            raise KeyboardInterrupt from None
        return []


def test_local_environment_names_each_refused_file_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "_WATCH_SECONDS", 0.0)
    publisher = Publications(["a is refused"], ["a is refused"], ["a is refused", "b is refused"])
    running = SimpleNamespace(publisher=publisher, data=SimpleNamespace(save_error=lambda: None))
    with suppress(KeyboardInterrupt):
        commands._supervise(cast(Any, running), queue.SimpleQueue())
    assert capsys.readouterr().out.splitlines() == ["a is refused", "b is refused"]


@pytest.mark.parametrize(
    ("rooms", "lines"),
    [
        ("", []),
        ("keynote", ["content/keynote/ cannot be reached: the setting Rooms has a room of this name."]),
        ("no room!", []),  # the app reports it
    ],
)
def test_folder_that_a_room_hides_is_named(
    rooms: str,
    lines: Sequence[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "content/keynote").mkdir(parents=True)
    monkeypatch.setattr(commands, "REPOSITORY", tmp_path)
    monkeypatch.setenv("Rooms", rooms)
    commands._report_hidden_folders()
    assert capsys.readouterr().out.splitlines() == lines


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
    [([], ["--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder"]), (["-k", "lease"], ["-k", "lease"])],
)
def test_test_continues_as_pytest(
    arguments: Sequence[str], options: Sequence[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    with pytest.raises(ProcessReplaced) as replaced:
        commands.test(arguments)
    assert replaced.value.args == (sys.executable, "-m", "pytest", *options)


def test_benchmark_program_has_quick_option() -> None:
    command = [sys.executable, "-m", "benchmarks", "--help"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "--quick" in ended.stdout
