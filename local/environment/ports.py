"""The ports of the servers of an environment, and the check that they are free."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from local.progress import StepFailed

_RELEASE_SECONDS = 3.0  # until the servers of a killed environment have released their ports


@dataclass(frozen=True, slots=True)
class Ports:
    """The port of each server on 127.0.0.1; 0 takes a free one."""

    app: int = 7071
    signalr: int = 8888
    blob: int = 10000
    queue: int = 10001
    table: int = 10002


FLAGS = {
    "app": "--port",
    "signalr": "--signalr-port",
    "blob": "--blob-port",
    "queue": "--queue-port",
    "table": "--table-port",
}


def check_ports(ports: Mapping[str, int]) -> None:
    """Raise StepFailed with one line for each port, by its name in `Ports`, that is not free."""
    deadline = time.monotonic() + _RELEASE_SECONDS
    while problems := _problems(ports):
        if time.monotonic() > deadline:
            raise StepFailed("\n".join(problems))
        time.sleep(0.1)


def _problems(ports: Mapping[str, int]) -> list[str]:
    problems = []
    with ExitStack() as probes:  # all open at once, which also finds a port that is given twice
        for name, port in ports.items():
            probe = probes.enter_context(closing(socket.socket()))
            if sys.platform != "win32":  # on Windows, this option would share a port in use
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                probe.listen()
            except OSError as error:
                reason = error.strerror
                problems.append(f"Port {port} cannot be used ({reason}): free it or choose another with {FLAGS[name]}.")
    return problems
