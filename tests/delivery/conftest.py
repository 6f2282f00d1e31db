from __future__ import annotations

from collections.abc import Mapping

import pytest

from local.processes.limits import allow_connections

INTERVAL = "0.5"  # seconds between broadcasts


@pytest.fixture(scope="session", autouse=True)
def many_connections() -> None:
    """Raise the limit of connections for the processes that are started from now on, for many pages."""
    allow_connections(2_000)


@pytest.fixture
def settings(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of all tests, with a shorter interval."""
    return {**settings, "BroadcastIntervalSeconds": INTERVAL}
