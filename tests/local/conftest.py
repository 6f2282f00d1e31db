from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.local_environment import Environment, copy_repository

Start = Callable[..., Environment]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A copy of the repository."""
    folder = tmp_path / "a copy of the repository"
    folder.mkdir()
    return copy_repository(folder)


@pytest.fixture
def start(repository: Path) -> Iterator[Start]:
    """Start a local environment in the copy, with arguments; it is stopped when the test ends."""
    with ExitStack() as environments:

        def start(*arguments: str) -> Environment:
            return environments.enter_context(Environment(repository, *arguments))

        yield start
