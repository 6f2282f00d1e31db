"""How a Firefox is found or installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from local.browser import firefox, installation
from local.progress import StepFailed


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a Firefox, with an empty folder on its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(firefox, "_PATHS", ())


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """This user may install packages of Debian."""
    monkeypatch.setattr(installation, "can_install_packages", lambda: True)


def test_find_returns_none_without_firefox() -> None:
    assert firefox.find() is None


@pytest.mark.skipif(sys.platform == "win32", reason="An executable needs a suffix there")
def test_find_returns_firefox_on_path(tmp_path: Path) -> None:
    (tmp_path / "firefox").touch(mode=0o755)
    assert firefox.find() == tmp_path / "firefox"


@pytest.mark.usefixtures("packages")
def test_install_updates_lists_and_installs_package(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[Sequence[str]] = []
    monkeypatch.setattr(installation, "run", lambda command, *_: commands.append(command))
    firefox.install()
    assert [(command[1], command[-1]) for command in commands] == [("update", "update"), ("install", "firefox-esr")]


def test_install_without_permission_does_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(installation, "can_install_packages", lambda: False)
    firefox.install()
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("packages")
def test_failed_installation_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def no_network(command: object, note: object, hint: str, environment: object) -> None:
        raise StepFailed(f"The network cannot be reached. {hint}")

    monkeypatch.setattr(installation, "run", no_network)
    firefox.install()
    assert f"The network cannot be reached. {firefox.HELP}" in capsys.readouterr().out
