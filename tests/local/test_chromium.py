"""Where the browser for the tests comes from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local.browser import chromium
from local.progress import StepFailed


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a Chromium, with one empty folder on its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.setattr(chromium, "_PLACES", ())
    return tmp_path


def executable(path: Path) -> Path:
    path.touch(mode=0o755)
    return path


def test_where_there_is_none_none_is_found() -> None:
    assert chromium.find() is None


@pytest.mark.skipif(sys.platform == "win32", reason="An executable needs a suffix there")
def test_one_on_the_path_is_found(tmp_path: Path) -> None:
    executable(tmp_path / "google-chrome")
    chosen = executable(tmp_path / "chromium")
    assert chromium.find() == chosen


def test_one_where_installers_put_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = executable(tmp_path / "Google Chrome")
    monkeypatch.setattr(chromium, "_PLACES", (str(tmp_path / "missing"), str(chosen)))
    assert chromium.find() == chosen


def test_one_that_is_there_is_not_installed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chromium, "_PLACES", (str(executable(tmp_path / "chrome")),))
    chromium.install()
    assert capsys.readouterr().out == ""


def test_one_that_cannot_be_installed_is_a_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(command: object, note: object, hint: str, *_: object) -> None:
        raise StepFailed(f"The network cannot be reached. {hint}")

    monkeypatch.setattr(chromium, "run", no_network)
    with pytest.raises(StepFailed, match=r"Install Chromium or Google Chrome, so that .* is on the PATH"):
        chromium.install()
