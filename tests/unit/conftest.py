from __future__ import annotations

import atexit
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from signin.telemetry import console
from tests.support.clock import Clock

from .logs import WorkerHandler
from .whole_app import Surroundings, close, forget_current, surroundings


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose .netrc has credentials for every host, which requests sends unless told otherwise."""
    path = tmp_path / "netrc"
    path.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(path))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def around(monkeypatch: pytest.MonkeyPatch) -> Iterator[Surroundings]:
    """The services around an app."""
    with surroundings(monkeypatch) as around:
        yield around


@pytest.fixture
def environment(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """The settings in the environment of a process that has had no request yet."""
    assert forget_current() is None
    for name, value in around.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(atexit, "register", lambda function: None)
    yield monkeypatch
    app = forget_current()
    if app is not None:
        close(app)


@pytest.fixture
def console_in_use(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The app's loggers print what belongs to no request, as in a process that has had a request."""
    caplog.set_level(logging.INFO, logger="signin")
    console.use_console()
    console.use_console()
    yield
    logging.getLogger("signin").removeHandler(console._console_handler)
    logging.getLogger("signin").propagate = True


@pytest.fixture
def worker() -> Iterator[WorkerHandler]:
    """The worker's handler of the root logger."""
    handler = WorkerHandler()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)
