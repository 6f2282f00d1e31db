from __future__ import annotations

from pathlib import Path

import pytest

from .tools import environment

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def checkers() -> Path:
    """The folder of the programs of checkers.txt."""
    return environment(HERE / "checkers.txt")


@pytest.fixture(scope="session")
def azure_cli() -> Path:
    """The folder of the Azure CLI's Python."""
    return environment(HERE / "azure-cli.txt")


@pytest.fixture(scope="session")
def pre_commit() -> Path:
    """The folder of pre-commit's program."""
    return environment(HERE / "pre-commit.txt")
