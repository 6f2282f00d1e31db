from __future__ import annotations

from collections.abc import Callable

import pytest

Report = Callable[[str], None]

_lines = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="fault tests: far more visits and histories, at random")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_lines] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.option.verbose > 0 or config.getoption("--soak"):
        for line in config.stash[_lines]:
            terminalreporter.write_line(line)


@pytest.fixture
def soak(request: pytest.FixtureRequest) -> bool:
    """Whether the tests may take many minutes. pytest has the option if this folder is on its command line."""
    return bool(request.config.getoption("--soak", default=False))


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    """Print a line at the end of the run, if it is verbose or a soak."""
    lines = request.config.stash.get(_lines, [])
    return lambda text: lines.append(f"{request.node.name}: {text}")
