"""A local environment under test: the processes of `python -m local …` in a copy of the repository."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast
from urllib.request import Request, urlopen

from local import REPOSITORY
from tests.support import TEST_TIMEOUT
from tests.support.user_agents import FIREFOX_ON_LINUX

ANY_PORTS = [f"--{name}port=0" for name in ("", "signalr-", "blob-", "queue-", "table-")]


def copy_repository(folder: Path) -> Path:
    """Copy the repository, so that a test can change files and has its own data; what npm has installed is shared."""
    for name in ("content", "local", "signin"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for name in ("dev.py", "function_app.py", "host.json", "package.json", "package-lock.json"):
        shutil.copy(REPOSITORY / name, folder)
    for modules in ("node_modules", "local/emulators/node_modules"):
        if (REPOSITORY / modules).exists():  # otherwise the copy installs its own
            (folder / modules).symlink_to(REPOSITORY / modules, target_is_directory=True)
    return folder


def port_flags(ports: Sequence[int]) -> list[str]:
    """The flags for five ports."""
    return [f"{flag[:-1]}{port}" for flag, port in zip(ANY_PORTS, ports, strict=True)]


def children_of(pid: int) -> dict[int, str]:
    """The command lines of the children of a process, by process id."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == pid}


class Environment:
    """`python -m local` with arguments, in a session of its own; the end of its context kills all its processes."""

    def __init__(self, repository: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", *arguments],
            cwd=repository,
            env=os.environ
            | {"http_proxy": "http://127.0.0.1:9"}  # no proxy listens there; local servers must be reached without it
            | {"TMPDIR": str(repository.parent)},  # killed processes leave their data in it
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.output: list[str] = []
        self.errors: list[str] = []
        self._changed = threading.Condition()
        self._output_ended = False
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines))
            for stream, lines in ((self.process.stdout, self.output), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Environment:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.wait_until_all_have_ended()

    @property
    def transcript(self) -> str:
        return "\n".join(["Standard output:", *self.output, "Standard error:", *self.errors])

    def wait_for_line(self, start: str) -> str:
        """Wait for the first line of its output with this start."""

        def found() -> str | None:
            return next((line for line in self.output if line.startswith(start)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._output_ended, TEST_TIMEOUT)
        line = found()
        assert line is not None, f"No line starts with {start!r}. {self.transcript}"
        return line

    def wait_until_ready(self) -> str:
        """Wait for the url of the app, without a trailing slash."""
        return self.wait_for_line("Ready: ").removeprefix("Ready: ").rstrip("/")

    def wait_for_child(self, text: str) -> int:
        """Wait for a child whose command line contains the text, and return its process id."""
        until = time.monotonic() + TEST_TIMEOUT
        while self.process.poll() is None and time.monotonic() < until:
            for pid, command in children_of(self.process.pid).items():
                if text in command:
                    return pid
            time.sleep(0.02)  # no event reports a new child
        raise AssertionError(f"It has no child {text!r}, or ended without it. {self.transcript}")

    def interrupt(self) -> None:
        """Press Ctrl-C: like a terminal, send SIGINT to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Wait until it and all its children have ended, and return its exit code."""
        code = self.process.wait(TEST_TIMEOUT)
        self.wait_until_all_have_ended()
        return code

    def wait_until_all_have_ended(self) -> None:
        """Wait for the end of standard error, which all processes of the environment have inherited."""
        for reader in self._readers:
            reader.join(TEST_TIMEOUT)
        assert not self._readers[1].is_alive(), f"A process outlives the environment. {self.transcript}"
        self.process.wait(TEST_TIMEOUT)
        for stream in (self.process.stdout, self.process.stderr):
            cast(IO[str], stream).close()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            with self._changed:
                lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        if lines is self.output:
            with self._changed:
                self._output_ended = True
                self._changed.notify_all()


def get(url: str) -> bytes:
    with urlopen(Request(url, headers={"User-Agent": FIREFOX_ON_LINUX}), timeout=TEST_TIMEOUT) as response:
        return cast(bytes, response.read())


def visit(url: str) -> int:
    """Sign in and return the total in the response."""
    return cast(int, json.loads(get(f"{url}/signin"))["stats"]["totalNumber"])
