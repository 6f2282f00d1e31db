"""How a Chromium is found or installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.browser import chromium
from local.progress import StepFailed


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a Chromium, with an empty folder on its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.setattr(chromium, "_PATHS", ())
    return tmp_path


def executable(path: Path) -> Path:
    path.touch(mode=0o755)
    return path


def test_find_returns_none_without_chromium() -> None:
    assert chromium.find() is None


@pytest.mark.skipif(sys.platform == "win32", reason="An executable needs a suffix there")
def test_find_returns_chromium_on_path(tmp_path: Path) -> None:
    executable(tmp_path / "google-chrome")
    chosen = executable(tmp_path / "chromium")
    assert chromium.find() == chosen


def test_find_returns_installed_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = executable(tmp_path / "Google Chrome")
    monkeypatch.setattr(chromium, "_PATHS", (str(tmp_path / "missing"), str(chosen)))
    assert chromium.find() == chosen


def test_install_skips_existing_chromium(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chromium, "_PATHS", (str(executable(tmp_path / "chrome")),))
    chromium.install()
    assert capsys.readouterr().out == ""


def test_failed_installation_gives_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(command: object, note: object, hint: str, *_: object) -> None:
        raise StepFailed(f"The network cannot be reached. {hint}")

    monkeypatch.setattr(chromium, "run", no_network)
    with pytest.raises(StepFailed, match=r"Install Chromium or Google Chrome, so that .* is on the PATH"):
        chromium.install()
