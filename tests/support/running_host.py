"""A Functions host under test, in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from local import REPOSITORY
from tests.support import TEST_TIMEOUT


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


class RunningHost:
    """A host started in `folder`; the constructor returns when it listens, or has ended: then `port` is None.

    `module` is the program: the stand-in, or another one that starts and ends in the same way.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        environment: Mapping[str, str],
        python: str | Path = sys.executable,
        module: str = "local.emulators.functions",
    ) -> None:
        self.process = subprocess.Popen(
            [python, "-m", module, *options],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log: list[str] = []
        self._unread: queue.Queue[str] = queue.Queue()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.lifeline = self.process.stdin
        self._pump = threading.Thread(target=self._collect, args=(self.process.stderr,))
        self._pump.start()
        self.ready_line = self.process.stdout.readline()
        self.port = int(self.ready_line.rpartition(":")[2]) if self.ready_line else None

    @property
    def url(self) -> str:
        """Without a trailing slash."""
        assert self.port is not None, f"the host is not up:\n{self.text}"
        return f"http://127.0.0.1:{self.port}"

    def _collect(self, lines: IO[str]) -> None:
        for line in lines:
            self.log.append(line.rstrip("\n"))
            self._unread.put(line.rstrip("\n"))

    def request(
        self,
        target: str,
        *,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str | bytes] | None = None,
    ) -> Reply:
        """Send one request; `target` goes out as it is."""
        assert self.port is not None, f"the host is not up:\n{self.text}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TEST_TIMEOUT)
        try:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """Send bytes on a connection of their own and return what comes back until it is closed."""
        assert self.port is not None, f"the host is not up:\n{self.text}"
        with socket.create_connection(("127.0.0.1", self.port), timeout=TEST_TIMEOUT) as connection:
            connection.sendall(data)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def wait_for_log(self, text: str) -> str:
        """Wait for a log line that contains `text`, after those already waited for."""
        try:
            while text not in (line := self._unread.get(timeout=TEST_TIMEOUT)):
                pass
        except queue.Empty:
            raise AssertionError(f"no log line with {text!r} came:\n{self.text}") from None
        return line

    @property
    def text(self) -> str:
        return "\n".join(self.log)

    def wait(self) -> int:
        """Wait for the host to end and return its exit code."""
        return self.process.wait(TEST_TIMEOUT)

    def wait_for_last_process(self) -> None:
        """Wait until the host and all of its workers have closed standard error."""
        self._pump.join(TEST_TIMEOUT)
        assert not self._pump.is_alive(), f"a worker outlives the host:\n{self.text}"

    def close(self) -> None:
        self.lifeline.close()
        try:
            self.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.wait_for_last_process()
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                stream.close()


# Statements for `start_app`: responses to visits have the id of their process in a header.
PROCESS_HEADER = """
import os

from signin import responses

sign_in = responses.sign_in


def sign_in_with_process(*arguments):
    response = sign_in(*arguments)
    response.headers["Process"] = str(os.getpid())
    return response


responses.sign_in = sign_in_with_process
"""


def write_app(folder: Path, source: str, *, host: Mapping[str, object] | None = None) -> None:
    """Write an app into `folder`, by default with an empty route prefix."""
    folder.joinpath("function_app.py").write_text(source)
    settings = host if host is not None else {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}
    folder.joinpath("host.json").write_text(json.dumps(settings))
