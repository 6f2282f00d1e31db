"""Finds a Chromium on this machine, or installs one for the browser tests."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Playwright, sync_playwright

from local.browser import installation
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
    """The executable of a Chromium, or None. While Playwright runs, call `find_with`: it cannot be started twice."""
    if path := installation.find(_COMMANDS, _PATHS):
        return path
    with sync_playwright() as playwright:
        return find_with(playwright)


def find_with(playwright: Playwright) -> Path | None:
    """The executable of a Chromium, or None."""
    return installation.find(_COMMANDS, (*_PATHS, playwright.chromium.executable_path))


def install() -> None:
    """Install a Chromium if none is found: Playwright's, else Debian's. Raises StepFailed."""
    if find() is not None:
        return
    with step("Chromium for browser tests") as note:
        try:
            run([sys.executable, "-m", "playwright", "install", "chromium"], note, _HELP)
        except StepFailed:
            if not installation.can_install_packages():
                raise
            installation.install_packages(["chromium"], note, _HELP)
        if find() is None:
            raise StepFailed(f"No Chromium was found on this machine, and none could be installed. {_HELP}")
