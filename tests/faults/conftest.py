from __future__ import annotations

from collections.abc import Callable

import pytest

Tell = Callable[[str], None]

_told = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="fault tests: far more visits and histories, and other ones")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_told] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.verbose > 0 or config.getoption("--soak"):
        for line in config.stash[_told]:
            terminalreporter.write_line(line)


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether to take many minutes. pytest knows the option if this folder is named on its command line."""
    return bool(request.config.getoption("--soak", default=False))


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Tell:
    """Say something at the end of the run, if that is verbose or a soak."""
    told = request.config.stash.get(_told, [])
    return lambda text: told.append(f"{request.node.name}: {text}")
