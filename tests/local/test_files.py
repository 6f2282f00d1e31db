"""Errors of files are one line with a remedy, and only one process installs at a time."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from local import REPOSITORY, files, node
from local.files import REMEDIES, file_error, install_once
from local.progress import StepFailed, file_errors_in_one_line, run
from tests.support import TEST_TIMEOUT

WAITING = "Another command installs into this folder; waiting until it has ended.\n"
# The last lines of real programs whose files or disks failed.
OUTPUTS = {
    "pip, disk": "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
    "pip, quota": "OSError: [Errno 122] Disk quota exceeded",
    "venv, folder": "Error: [Errno 13] Permission denied: '/app/.venv'",
    "venv, disk": "Error: [Errno 30] Read-only file system: '/app/.venv'",
    "npm, disk": "npm error nospc ENOSPC: no space left on device, write",
    "npm, folder": "npm error Error: EACCES: permission denied, mkdir '/app/node_modules'",
    "guard.py": "[Errno 13] Permission denied: '/app/.venv/bin/python'",
}


@pytest.mark.parametrize("number", REMEDIES, ids=errno.errorcode.get)
def test_error_of_file_is_one_line_with_remedy(number: int) -> None:
    with pytest.raises(StepFailed) as failed, file_errors_in_one_line():
        raise OSError(number, os.strerror(number), "/app/.local")
    assert str(failed.value) == f"/app/.local: {os.strerror(number)}. {REMEDIES[number]}"
    assert "\n" not in str(failed.value)


def test_full_disk_is_reported_without_file_name() -> None:
    with pytest.raises(StepFailed, match=r"^No space left on device\. Free some space"), file_errors_in_one_line():
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("error", [ConnectionRefusedError(errno.ECONNREFUSED, "refused"), ValueError(), OSError("odd")])
def test_other_error_stays_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, file_errors_in_one_line():
        raise error
    assert raised.value is error


@pytest.mark.parametrize("name", OUTPUTS)
def test_file_error_of_command_is_one_line(name: str) -> None:
    program = "import sys; print('collecting'); print(sys.argv[1]); print('npm error at async'); sys.exit(1)"
    with pytest.raises(StepFailed) as failed:
        run([sys.executable, "-c", program, OUTPUTS[name]], lambda text: None, "Is the index reachable?")
    reason, _, remedy = str(failed.value).partition(f"{OUTPUTS[name]}. ")
    assert reason == ""
    assert remedy in REMEDIES.values()


def test_output_without_file_error_has_none() -> None:
    assert (
        file_error(["Collecting requests", "ERROR: No matching distribution found", "permission denied, they said"])
        is None
    )


class Installation:
    """An installation that lasts until `end` is set."""

    def __init__(self, folder: Path) -> None:
        self.stamp, self.lock = folder / "stamp", folder / ".local/installation.lock"
        self.end = threading.Event()
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        assert self.end.wait(TEST_TIMEOUT)

    def once(self, wanted: str = "1") -> None:
        install_once(self.stamp, [wanted], self.lock, self)


def both(start: Callable[[], None], end: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start two at once. The one that installs ends when the other one waits."""
    monkeypatch.setattr(files, "time", SimpleNamespace(sleep=lambda seconds: end.set()))
    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TEST_TIMEOUT)


def test_second_start_waits_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    installation = Installation(tmp_path)
    both(installation.once, installation.end, monkeypatch)
    assert installation.count == 1
    assert capsys.readouterr().out == WAITING
    assert installation.stamp.read_text() == "1"


def test_second_start_installs_after_a_failed_one(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    installation.end.set()

    def fail() -> None:
        raise StepFailed("no network")

    with pytest.raises(StepFailed):
        install_once(installation.stamp, ["1"], installation.lock, fail)
    installation.once()
    assert installation.count == 1


def test_installed_folder_needs_no_lock(tmp_path: Path) -> None:
    """It may be read-only."""
    installation = Installation(tmp_path)
    installation.stamp.write_text("1")
    installation.once()
    assert installation.count == 0
    assert not installation.lock.parent.exists()


def test_killed_start_leaves_no_lock(tmp_path: Path) -> None:
    installation = Installation(tmp_path)
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from local.files import install_once\n"
        "def install():\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(1000)\n"
        "install_once(Path(sys.argv[1]), ['1'], Path(sys.argv[2]), install)\n"
    )
    command = [sys.executable, "-c", program, str(installation.stamp), str(installation.lock)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.kill()
    installation.end.set()
    installation.once()
    assert installation.count == 1


def test_npm_packages_are_installed_by_one_process_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    end = threading.Event()
    commands: list[str] = []

    def npm(command: Sequence[object], *_: object, **__: object) -> None:
        commands.append(str(command[2]))
        (tmp_path / "node_modules").mkdir()
        assert end.wait(TEST_TIMEOUT)

    monkeypatch.setattr(node, "REPOSITORY", tmp_path)
    monkeypatch.setattr(node, "run", npm)
    (tmp_path / "package-lock.json").write_text("{}")
    both(lambda: node.install_packages(tmp_path), end, monkeypatch)
    assert commands == ["ci"]
    assert WAITING in capsys.readouterr().out
