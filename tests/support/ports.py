"""Ports for servers that a test restarts at the same address, or whose address it needs before they start."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Callable

from local.processes.child import Child
from local.progress import StepFailed

_PORTS = range(20_000, 32_000)  # below the ephemeral ports, one of which any new connection might get
_EACH = 1_000
_TRIES = 3

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_own = random.sample(_PORTS[_worker * _EACH % len(_PORTS) :][:_EACH], _EACH)
_candidates = itertools.cycle(_own)


def free_ports(count: int) -> list[int]:
    """Ports without a server, which no other test gets."""
    return list(itertools.islice(filter(_is_free, _candidates), count))


def started_at_a_free_port(start: Callable[[int], Child]) -> tuple[Child, str]:
    """A server and its URL; tries another port if one is taken before the server listens."""
    for tries_left in reversed(range(_TRIES)):
        (port,) = free_ports(1)
        child = start(port)
        try:
            (url,) = child.wait_until_ready()
        except StepFailed:
            child.stop()
            if not tries_left:
                raise
        else:
            break
    return child, url


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
