"""A local environment whose files cannot be used ends with one line that contains the remedy, and with no traceback."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import REPOSITORY
from local.environment.data import DataFolder
from local.processes.program import main_program
from local.progress import StepFailed, file_errors_in_one_line
from tests.support import TEST_TIMEOUT
from tests.support.local_environment import Environment, port_flags, visit
from tests.support.ports import free_ports

from .conftest import Start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither /dev/full nor these signals")

TABLE = "__azurite_db_table__.json"
FULL = Path("/dev/full")  # each write to it fails with ENOSPC
BUFFERED = os.environ | {"PYTHONUNBUFFERED": ""}  # as in a shell: what is not written yet is flushed at exit
NOT_A_FOLDER = r"Not a directory\. Move away"
FORBIDDEN = r"(Operation not permitted|Permission denied)\. If it or its folder|Read-only file system\. Copy"


def ports() -> list[str]:
    return port_flags(free_ports(5))


def folder_of(repository: Path, flags: list[str]) -> Path:
    return repository / ".local" / f"azurite-{flags[-1].partition('=')[2]}"


def is_refused(environment: Environment, line: str) -> None:
    """It ends with exit code 1, and prints nothing but its steps and this line."""
    assert environment.end() == 1
    assert len(environment.errors) == 1, environment.transcript
    assert re.search(line, environment.errors[0]), environment.transcript


def occupy(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("a file")


# For all users, root included: /sys holds no files but the kernel's.
@pytest.mark.parametrize("command", ["run", "services"])
def test_local_folder_that_cannot_be_written_is_refused(start: Start, repository: Path, command: str) -> None:
    (repository / ".local").symlink_to("/sys")
    flags = ports() if command == "run" else ports()[1:]
    is_refused(start(command, *flags), FORBIDDEN)


def test_local_folder_that_is_a_file_is_refused(start: Start, repository: Path) -> None:
    occupy(repository / ".local")
    is_refused(start(*ports()), NOT_A_FOLDER)


def test_data_folder_that_is_a_file_is_refused(start: Start, repository: Path) -> None:
    flags = ports()
    occupy(folder_of(repository, flags))
    is_refused(start(*flags), r"File exists\. Move away")


def test_fresh_start_reports_data_that_it_cannot_delete(start: Start, repository: Path) -> None:
    flags = ports()
    occupy(folder_of(repository, flags))
    is_refused(start(*flags, "--fresh"), NOT_A_FOLDER)


def test_full_disk_refuses_the_start(start: Start, repository: Path) -> None:
    flags = ports()
    folder_of(repository, flags).mkdir(parents=True)
    (folder_of(repository, flags) / "room").symlink_to(FULL)
    is_refused(start(*flags), r"/azurite-\d+: No space left on device\. Free some space")


def test_full_standard_output_is_one_line(repository: Path) -> None:
    with FULL.open("w") as output:
        command = [sys.executable, "-m", "local", "services", *ports()[1:]]
        ended = subprocess.run(
            command,
            cwd=repository,
            env=BUFFERED,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=TEST_TIMEOUT,
        )
    assert ended.returncode == 1
    assert re.fullmatch(r"No space left on device\. Free some space.*\n", ended.stderr)


def test_output_that_is_only_written_at_the_end_is_one_line() -> None:
    program = "from local.processes.program import main_program\nwith main_program(): print('not flushed')"
    with FULL.open("w") as output:
        ended = subprocess.run(
            [sys.executable, "-c", program],
            cwd=REPOSITORY,
            env=BUFFERED,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 1
    assert re.fullmatch(r"No space left on device\. Free some space.*\n", ended.stderr)


def test_package_that_cannot_be_written_is_one_line(start: Start, repository: Path) -> None:
    shutil.copy(REPOSITORY / "requirements.txt", repository)
    is_refused(start("package", "--output", str(FULL)), "No space left on device. Free some space")
    occupy(repository / ".local")
    is_refused(start("package"), "Move away")


def test_damaged_table_refuses_the_start_and_stays(start: Start, repository: Path) -> None:
    flags = ports()
    environment = start(*flags)
    visit(environment.wait_until_ready())
    environment.interrupt()
    assert environment.end() == 0

    table = folder_of(repository, flags) / TABLE
    os.truncate(table, 900)
    damaged = table.read_bytes()
    is_refused(start(*flags), rf"{TABLE} is damaged\. Restore it from a copy, or start with --fresh")
    assert table.read_bytes() == damaged

    fresh = start(*flags, "--fresh")
    assert visit(fresh.wait_until_ready()) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"5", b'{"a": 1}', b"\xff", b"[" * 100_000])
def test_file_that_is_no_database_refuses_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TABLE).write_bytes(content)
    with pytest.raises(StepFailed, match="is damaged"):
        DataFolder(tmp_path).prepare()
    assert (tmp_path / TABLE).read_bytes() == content


def test_damaged_content_refuses_the_start(start: Start, repository: Path) -> None:
    flags = ports()
    environment = start("services", *flags[1:])
    environment.wait_for_line("Ready")
    environment.interrupt()
    assert environment.end() == 0

    for file in (folder_of(repository, flags) / "__blobstorage__").iterdir():
        os.truncate(file, 100)
    is_refused(start(*flags), r"Azurite cannot use its data \(.*\)\. Free some space.*--fresh")


def test_visits_that_cannot_be_saved_are_reported(start: Start, repository: Path) -> None:
    """When it happens, and at the end. Azurite itself goes on, and logs a line of its own at its end."""
    flags = ports()
    environment = start(*flags)
    url = environment.wait_until_ready()
    unsaved = folder_of(repository, flags) / f"{TABLE}~"
    unsaved.symlink_to(FULL)
    line = f"{unsaved.parent}: The latest visits are not saved. Is the disk full? Free some space, and sign in again."
    environment.wait_for_line(line)
    assert visit(url) == 1
    environment.interrupt()
    assert environment.end() == 1
    assert environment.output.count(line) == 1
    assert environment.errors[-1] == line
    assert "Traceback" not in environment.transcript


def test_visits_that_are_saved_again_are_reported(start: Start, repository: Path) -> None:
    flags = ports()
    environment = start(*flags)
    environment.wait_until_ready()
    unsaved = folder_of(repository, flags) / f"{TABLE}~"
    unsaved.symlink_to(FULL)
    environment.wait_for_line(str(unsaved.parent))
    unsaved.unlink()
    environment.wait_for_line("The latest visits are saved again.")
    environment.interrupt()
    assert environment.end() == 0


def test_rest_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    (tmp_path / f"{TABLE}~").write_text("{")
    folder = DataFolder(tmp_path)
    folder.prepare()
    assert list(tmp_path.iterdir()) == []
    assert folder.save_error(is_stopped=True) is None


def test_database_that_is_being_saved_is_no_error(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    (tmp_path / f"{TABLE}~").write_text("{")
    assert folder.save_error() is None
    assert folder.save_error(is_stopped=True) is not None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"null", b"{}", b"[]"])
def test_file_that_is_no_database_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / TABLE).write_bytes(content)
    with pytest.raises(StepFailed, match="is damaged"):
        DataFolder(tmp_path).prepare()


@pytest.mark.parametrize("name", ["", TABLE, "__blobstorage__"])
def test_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Permissions do not apply to root, so the system call is replaced."""
    (tmp_path / TABLE).write_text('{"collections": []}')
    (tmp_path / "__blobstorage__").mkdir()
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / name)
    with pytest.raises(StepFailed) as failed, file_errors_in_one_line():
        DataFolder(tmp_path).prepare()
    assert str(failed.value).startswith(f"{tmp_path / name}: Permission denied. If it or its folder")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_program_ends_with_one_line(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *arguments: None)
    with pytest.raises(SystemExit) as ended, main_program():
        raise OSError(number, os.strerror(number), "/app/.local")
    assert str(ended.value.code).startswith(f"/app/.local: {os.strerror(number)}. ")
