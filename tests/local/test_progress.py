"""Steps: their output with and without a terminal, their errors, and that no command outlives its step."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from local import REPOSITORY
from local.progress import StepFailed, run, step
from tests.support import TEST_TIMEOUT

HINT = "Try again."


def python(source: str) -> list[str]:
    return [sys.executable, "-c", source]


def test_step_without_terminal_prints_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with step("A step") as note:
        note("This is for terminals.")
    with pytest.raises(ZeroDivisionError), step("Another step"):
        _ = 1 / 0
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"\d+\.\d", "0.0", line) for line in lines] == [
        "  A step                         0.0 s",
        "  Another step                   0.0 s  failed",
    ]


def test_run_notes_each_line() -> None:
    notes: list[str] = []
    run(python("import sys; print('one', flush=True); print('  two', file=sys.stderr)"), notes.append, HINT)
    assert notes == ["one", "two"]


def test_failed_command_is_shown_in_full_with_hint() -> None:
    with pytest.raises(StepFailed) as failed:
        run(python("print('first'); print('last'); raise SystemExit(7)"), lambda text: None, HINT)
    assert str(failed.value).splitlines() == ["first", "last", f"{sys.executable} ended with exit code 7. {HINT}"]


def test_missing_command_is_named_with_hint() -> None:
    with pytest.raises(StepFailed) as failed:
        run(["no-such-command"], lambda text: None, HINT)
    assert "no-such-command" in str(failed.value).splitlines()[0]
    assert str(failed.value).endswith(HINT)


def test_command_reads_empty_standard_input() -> None:
    notes: list[str] = []
    run(python("import sys; print(repr(sys.stdin.read()))"), notes.append, HINT)
    assert notes == ["''"]


def test_output_may_have_any_encoding() -> None:
    notes: list[str] = []
    run(python(r"import sys; sys.stdout.buffer.write(b'caf\xe9\n')"), notes.append, HINT)
    assert notes == ["caf\N{REPLACEMENT CHARACTER}"]


# A command that starts another. Both hold a connection to the test, which closes when the last of them ends.
HOLD = """
import os, socket, subprocess, sys, time
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
connection.set_inheritable(True)
child = subprocess.Popen([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(1000)"],
                         close_fds=False, stdout=subprocess.PIPE)
child.stdout.readline()
connection.sendall(b"up")
time.sleep(1000)
"""
STEP = """
import sys
from local.progress import run, step
with step("A long step") as note:
    run(sys.argv[1:], note, "")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these signals")
@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_command_never_outlives_its_parent(ending: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(TEST_TIMEOUT)
        command = [*python(HOLD), str(server.getsockname()[1])]
        with subprocess.Popen([*python(STEP), *command], cwd=REPOSITORY, stderr=subprocess.PIPE) as process:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(TEST_TIMEOUT)
                assert connection.recv(2) == b"up"
                process.send_signal(signal.Signals[ending])
                assert connection.recv(1) == b"", "something is left"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_step_on_terminal_repaints_one_line() -> None:
    source = """
from local.progress import step
with step("A step") as note:
    note("x" * 200)
    input()
    note("the end is near")
    input()
"""
    screen, terminal = os.openpty()
    with subprocess.Popen(
        python(source), cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=terminal, env=os.environ | {"COLUMNS": "80"}
    ) as process:
        os.close(terminal)
        assert process.stdin
        painted = read_until(screen, b"xxx\r")
        process.stdin.write(b"\n")
        process.stdin.flush()
        painted += read_until(screen, b"the end is near\r")
        process.stdin.write(b"\n")
        process.stdin.close()
        painted += read_until(screen, b"\n")
    os.close(screen)

    lines = [line.decode().rstrip("\r\n") for line in painted.split(b"\r\x1b[K")]
    assert lines[0] == ""
    assert max(map(len, lines)) == 79, "it would wrap"
    assert painted.count(b"\n") == 1
    assert re.fullmatch(r"  A step +\d+\.\d s", lines[-1])


def read_until(terminal: int, end: bytes) -> bytes:
    """The output on a terminal, up to and including the first `end`."""
    text = b""
    while end not in text:
        text += os.read(terminal, 4096)
    return text
