"""Child processes that cannot outlive their parent."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias, cast

from local import REPOSITORY
from local.progress import StepFailed

_STOP_SECONDS = 20.0

# A group of its own, since Ctrl-C goes to a terminal's whole foreground group.
_OWN_GROUP: dict[str, Any]
if sys.platform == "win32":
    _OWN_GROUP = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    _OWN_GROUP = {"start_new_session": True}

_ADDRESS = re.compile(r"listening at (https?://\S+)")


OnEnd: TypeAlias = "Callable[[Child], None]"


class Child:
    """A server process that prints `… listening at http://…` on standard output, once for each of its addresses.

    Its standard input is a pipe that the parent holds open: the child stops when it closes (see lifetime.py). Ctrl-C in
    the terminal does not reach it, so that the parent can stop a server before the servers that it depends on.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        addresses: int = 1,
        on_end: OnEnd | None = None,
        folder: Path = REPOSITORY,
    ) -> None:
        self.name = name
        self.addresses: list[str] = []
        self._expected = addresses
        self._on_end = on_end
        self._output: list[str] = []
        self._is_ready = threading.Event()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            errors="replace",
            **_OWN_GROUP,
        )
        self._reader = threading.Thread(target=self._read, name=f"output of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_ready(self) -> list[str]:
        """Wait until the child listens at all its addresses, and return them. Raises StepFailed if it ends instead."""
        self._is_ready.wait()
        if len(self.addresses) < self._expected:
            code = self._process.wait()
            raise StepFailed("\n".join([*self._output, f"{self.name} did not start (exit code {code})."]))
        return self.addresses

    def stop(self) -> None:
        """End the child: close its standard input, and kill it if it does not exit within 20 seconds."""
        cast(IO[str], self._process.stdin).close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            print(f"{self.name} does not stop and is killed.", file=sys.stderr)
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        with cast(IO[str], self._process.stdout) as output:
            for line in output:
                if self._is_ready.is_set():
                    continue
                self._output.append(line.rstrip())
                if address := _ADDRESS.search(line):
                    self.addresses.append(address[1])
                    if len(self.addresses) == self._expected:
                        self._is_ready.set()
        self._is_ready.set()
        if self._on_end is not None:
            self._on_end(self)
