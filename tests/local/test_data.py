"""Which visits an environment has when it is started again."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.support.local_environment import port_flags, visit
from tests.support.ports import free_ports

from .conftest import Start


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has none of these signals")
def test_visits_survive_kill_and_stop_but_not_fresh(start: Start, repository: Path) -> None:
    ports = port_flags(free_ports(5))
    killed = start(*ports)
    url = killed.wait_until_ready()
    assert [visit(url) for _ in range(20)] == list(range(1, 21))
    killed.process.kill()
    assert killed.end() == -signal.SIGKILL

    stopped = start(*ports)
    assert visit(stopped.wait_until_ready()) == 21
    stopped.interrupt()
    assert stopped.end() == 0

    fresh = start(*ports, "--fresh")
    assert visit(fresh.wait_until_ready()) == 1
    assert [folder.name for folder in (repository / ".local").iterdir()] == [f"azurite-{ports[-1].split('=')[1]}"]
