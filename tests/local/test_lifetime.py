"""How an environment starts, and that it leaves no process behind, however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import TEST_TIMEOUT
from tests.support.local_environment import ANY_PORTS, Environment, get, visit

from .conftest import Start

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these signals")

SERVICES = ["services", *ANY_PORTS[1:]]


def without_seconds(lines: list[str]) -> list[str]:
    return [re.sub(r" +\d+\.\d s$", "", line) for line in lines]


@pytest.mark.parametrize(
    "stop", [Environment.interrupt, lambda environment: environment.process.terminate()], ids=["Ctrl-C", "SIGTERM"]
)
def test_environment_shows_steps_and_stops_in_order(start: Start, stop: Callable[[Environment], None]) -> None:
    environment = start(*ANY_PORTS)
    url = environment.wait_until_ready()
    assert b"<title>" in get(f"{url}/")
    assert visit(url) == 1

    stop(environment)
    assert environment.end() == 0
    assert without_seconds(environment.output) == [
        "  Azurite, SignalR emulator",
        "  Table, container, content",
        "  Functions app",
        f"Ready: {url}/",
        "",
        "Stopped.",
    ]
    assert not any("Traceback" in line for line in environment.errors), environment.transcript


def test_ctrl_c_during_start_stops_all_servers(start: Start) -> None:
    environment = start(*ANY_PORTS)
    environment.wait_for_child("local.emulators.functions")
    environment.interrupt()
    assert environment.end() == 130
    assert not any("Traceback" in line for line in environment.errors), environment.transcript


@pytest.mark.parametrize("child", ["emulators/azurite", "local.emulators.functions"])
def test_kill_during_start_leaves_no_process(start: Start, child: str) -> None:
    environment = start(*ANY_PORTS)
    environment.wait_for_child(child)
    environment.process.kill()
    assert environment.end() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("arguments", "words", "name"),
    [
        (SERVICES, "emulators/azurite", "Azurite"),
        (SERVICES, "local.emulators.signalr", "The SignalR emulator"),
        (ANY_PORTS, "local.emulators.functions", "The Functions host"),
    ],
    ids=["Azurite", "SignalR emulator", "Functions host"],
)
def test_killed_server_stops_environment(start: Start, arguments: list[str], words: str, name: str) -> None:
    environment = start(*arguments)
    environment.wait_for_line("Ready")
    os.kill(environment.wait_for_child(words), signal.SIGKILL)
    assert environment.end() == 1
    assert environment.errors[-1] == f"{name} has ended, so everything is stopped. Its last output is above."


def test_closed_output_ends_environment_quietly(repository: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        command = [sys.executable, "-m", "local", *SERVICES]
        ended = subprocess.run(
            command, cwd=repository, stdout=output, stderr=subprocess.PIPE, text=True, timeout=TEST_TIMEOUT, check=False
        )
    assert (ended.returncode, ended.stderr) == (1, "")
