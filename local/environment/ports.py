"""Where the servers of an environment listen, and whether they can."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from local.progress import StepFailed

_LAST_MOMENTS = 3.0  # seconds that the servers of an environment that was killed may take to free their ports


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each server listens on 127.0.0.1; 0 takes a free port."""

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
    """Raise StepFailed with a line for each port, by its name in `Ports`, that cannot be had."""
    deadline = time.monotonic() + _LAST_MOMENTS
    while problems := _problems(ports):
        if time.monotonic() > deadline:
            raise StepFailed("\n".join(problems))
        time.sleep(0.1)


def _problems(ports: Mapping[str, int]) -> list[str]:
    problems = []
    with ExitStack() as probes:  # all open at once: a port asked for twice is found too
        for name, port in ports.items():
            probe = probes.enter_context(closing(socket.socket()))
            if sys.platform != "win32":  # there it would allow to share the port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                probe.listen()
            except OSError as error:
                reason = error.strerror
                problems.append(f"Port {port} cannot be used ({reason}): free it or choose another with {FLAGS[name]}.")
    return problems
