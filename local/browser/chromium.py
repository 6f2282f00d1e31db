"""Finds a Chromium on this machine, or installs one for the browser tests."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from local.progress import StepFailed, run, step

_COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_PATHS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
_HELP = "Install Chromium or Google Chrome, so that `chromium` or `google-chrome` is on the PATH, and run this again."


def find() -> Path | None:
    """The executable of a Chromium, or None."""
    return next((path for path in _candidates() if path.is_file()), None)


def _candidates() -> Iterator[Path]:
    for command in _COMMANDS:
        if path := shutil.which(command):
            yield Path(path)
    yield from map(Path, _PATHS)
    with sync_playwright() as playwright:
        yield Path(playwright.chromium.executable_path)


def install() -> None:
    """Install a Chromium if none is found: Playwright's, else Debian's. Raises StepFailed."""
    if find() is not None:
        return
    with step("Chromium for browser tests") as note:
        try:
            run([sys.executable, "-m", "playwright", "install", "chromium"], note, _HELP)
        except StepFailed:
            if not shutil.which("apt-get") or os.geteuid() != 0:
                raise
            environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            run(["apt-get", "update"], note, _HELP, environment)
            run(["apt-get", "install", "--yes", "--no-install-recommends", "chromium"], note, _HELP, environment)
        if find() is None:
            raise StepFailed(f"No Chromium was found on this machine, and none could be installed. {_HELP}")
