"""Ports for what a test starts again at the same address, or has to name before it is started."""

from __future__ import annotations

import itertools
import os
import random
import socket

_PORTS = range(20_000, 32_000)  # below those that systems hand out, or anybody's next connection might take one
_EACH = 1_000

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_own = random.sample(_PORTS[_worker * _EACH % len(_PORTS) :][:_EACH], _EACH)
_candidates = itertools.cycle(_own)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at, and that no other test is given."""
    return list(itertools.islice(filter(_is_free, _candidates), count))


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("127.0.0.1", port)):
            return True
    except OSError:
        return False
