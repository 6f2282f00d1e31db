from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.running_host import RunningHost, write_app

from .gate import Gate

SAMPLE_APP = Path(__file__).with_name("sample_app.py").read_text()

StartHost = Callable[..., RunningHost]


@pytest.fixture
def gate() -> Iterator[Gate]:
    with closing(Gate()) as gate:
        yield gate


@pytest.fixture
def start_host(tmp_path: Path, gate: Gate) -> Iterator[StartHost]:
    """Start a host with an app (default: the sample) on a free port. It is stopped at the end of the test."""
    with ExitStack() as hosts:

        def start(*options: str, app: str = SAMPLE_APP) -> RunningHost:
            write_app(tmp_path, app)
            environment = {"GATE_PORT": str(gate.port)}
            return hosts.enter_context(closing(RunningHost(tmp_path, "--port", "0", *options, environment=environment)))

        yield start


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """The sample app under a host, for all tests of a module that only send requests."""
    folder = tmp_path_factory.mktemp("app")
    write_app(folder, SAMPLE_APP)
    with closing(RunningHost(folder, "--port", "0", environment={})) as running:
        yield running
