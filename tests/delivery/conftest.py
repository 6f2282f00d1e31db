from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from local import REPOSITORY
from local.processes.limits import allow_connections
from tests.functions.running_host import RunningHost, write_app

INTERVAL = "0.5"  # seconds between broadcasts


@pytest.fixture(scope="session", autouse=True)
def many_connections() -> None:
    """Let the processes that are started from now on have a connection for each of many pages."""
    allow_connections(2_000)


class StartHost(Protocol):
    def __call__(self, settings: Mapping[str, str], workers: int = 1, app: str | None = None) -> RunningHost: ...


@pytest.fixture
def settings(settings: Mapping[str, str]) -> dict[str, str]:
    """As for all tests, with a shorter interval."""
    return {**settings, "BroadcastIntervalSeconds": INTERVAL}


@pytest.fixture
def start_host(tmp_path: Path) -> Iterator[StartHost]:
    """Start the app, or another one made of its parts, with so many workers; stopped when the test ends."""
    with ExitStack() as stack:

        def start(settings: Mapping[str, str], workers: int = 1, app: str | None = None) -> RunningHost:
            if app is not None:
                write_app(tmp_path, app)
            folder = REPOSITORY if app is None else tmp_path
            host = RunningHost(folder, "--port", "0", "--workers", str(workers), environment=settings)
            stack.callback(host.close)
            return host

        yield start
