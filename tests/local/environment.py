"""A local environment under test: the processes of `python -m local …`, run in a copy of the repository."""

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

REPOSITORY = Path(__file__).parents[2]
PATIENCE = 60  # seconds until a test gives up waiting for an event

ANY_PORTS = [f"--{name}port=0" for name in ("", "signalr-", "blob-", "queue-", "table-")]


def copy_repository(folder: Path) -> Path:
    """A copy whose files a test may change, and which has data of its own; it shares what npm has installed."""
    for name in ("content", "local", "signin"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for name in ("dev.py", "function_app.py", "host.json", "package-lock.json"):
        shutil.copy(REPOSITORY / name, folder)
    (folder / "node_modules").symlink_to(REPOSITORY / "node_modules", target_is_directory=True)
    return folder


def port_flags(ports: Sequence[int]) -> list[str]:
    """The flags for five ports."""
    return [f"{flag[:-1]}{port}" for flag, port in zip(ANY_PORTS, ports, strict=True)]


def children_of(pid: int) -> dict[int, str]:
    """The command lines, by process id, of the processes that a process has started."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = [line.split(maxsplit=2) for line in listing.stdout.splitlines()]
    return {int(row[0]): row[2] for row in rows if int(row[1]) == pid}


class Environment:
    """`python -m local` with arguments, in a session of its own; a context that leaves no process behind."""

    def __init__(self, repository: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local", *arguments],
            cwd=repository,
            env=os.environ
            | {"http_proxy": "http://127.0.0.1:9"}  # no proxy can reach our servers, this one nothing
            | {"TMPDIR": str(repository.parent)},  # where what is killed leaves its data behind
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.output: list[str] = []
        self.errors: list[str] = []
        self._news = threading.Condition()
        self._says_no_more = False
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
    def story(self) -> str:
        return "\n".join(["It printed:", *self.output, "and to standard error:", *self.errors])

    def wait_for_line(self, start: str) -> str:
        """The first line of its output that starts so."""

        def found() -> str | None:
            return next((line for line in self.output if line.startswith(start)), None)

        with self._news:
            self._news.wait_for(lambda: found() or self._says_no_more, PATIENCE)
        line = found()
        assert line is not None, f"It never said {start!r}. {self.story}"
        return line

    def wait_until_ready(self) -> str:
        """The url of the app, without a trailing slash."""
        return self.wait_for_line("Ready: ").removeprefix("Ready: ").rstrip("/")

    def wait_for_child(self, words: str) -> int:
        """The process id of the child whose command line has these words, as soon as there is one."""
        while self.process.poll() is None:
            for pid, command in children_of(self.process.pid).items():
                if words in command:
                    return pid
            time.sleep(0.02)  # of this no event tells
        raise AssertionError(f"It ended without a child {words!r}. {self.story}")

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal sends it: to the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Wait until it and all that it started have ended; its exit code."""
        code = self.process.wait(PATIENCE)
        self.wait_until_all_have_ended()
        return code

    def wait_until_all_have_ended(self) -> None:
        """Every process of the environment has inherited its standard error: with the last of them that ends."""
        for reader in self._readers:
            reader.join(PATIENCE)
        assert not self._readers[1].is_alive(), f"A process outlives the environment. {self.story}"
        self.process.wait(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            cast(IO[str], stream).close()

    def _read(self, stream: IO[str], lines: list[str]) -> None:
        for line in stream:
            with self._news:
                lines.append(line.rstrip("\n"))
                self._news.notify_all()
        if lines is self.output:
            with self._news:
                self._says_no_more = True
                self._news.notify_all()


_VISITOR = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


def get(url: str) -> bytes:
    with urlopen(Request(url, headers=_VISITOR), timeout=PATIENCE) as answer:
        return cast(bytes, answer.read())


def visit(url: str) -> int:
    """Sign in; the total that the answer tells."""
    return cast(int, json.loads(get(f"{url}/signin"))["stats"]["totalNumber"])
