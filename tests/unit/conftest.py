from __future__ import annotations

import atexit
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clock import Clock

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
