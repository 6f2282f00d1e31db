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
    """The port of each server on this machine; 0 takes a free one."""

    app: int = 7071
    signalr: int = 8888
    blob: int = 10000
    queue: int = 10001
    table: int = 10002


LOOPBACK = "127.0.0.1"
_REACHED_BY_PHONES = ("app", "signalr")

FLAGS = {
    "app": "--port",
    "signalr": "--signalr-port",
    "blob": "--blob-port",
    "queue": "--queue-port",
    "table": "--table-port",
}


def check_ports(ports: Mapping[str, int], lan: str = "") -> None:
    """Raise StepFailed with one line for each port, by its name in `Ports`, that is not free.

    `lan` is the address at which phones reach the app and the SignalR emulator; it has to be one of this machine.
    """
    with ExitStack() as probes:
        if lan and (reason := _listen(probes, lan, 0)):
            raise StepFailed(f"{lan} cannot be used ({reason}): give an address of this machine with --lan.")
    deadline = time.monotonic() + _RELEASE_SECONDS
    while problems := _problems(ports, lan):
        if time.monotonic() > deadline:
            raise StepFailed("\n".join(problems))
        time.sleep(0.1)


def _problems(ports: Mapping[str, int], lan: str) -> list[str]:
    problems = []
    with ExitStack() as probes:  # all open at once, which also finds a port that is given twice
        for name, port in ports.items():
            reason = _listen(probes, LOOPBACK, port)
            if not reason and lan and name in _REACHED_BY_PHONES:
                reason = _listen(probes, lan, port)
            if reason:
                problems.append(f"Port {port} cannot be used ({reason}): free it or choose another with {FLAGS[name]}.")
    return problems


def _listen(probes: ExitStack, address: str, port: int) -> str | None:
    """Listen until the context of `probes` ends. Returns the reason if that is not possible."""
    probe = probes.enter_context(closing(socket.socket()))
    if sys.platform != "win32":  # on Windows, this option would share a port in use
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((address, port))
        probe.listen()
    except OSError as error:
        return error.strerror
    return None
