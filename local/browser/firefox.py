"""Finds a Firefox on this machine, or installs one for the browser tests."""

from __future__ import annotations

from pathlib import Path

from local.browser import installation
from local.progress import StepFailed, step

HELP = "Install Firefox, so that `firefox` is on the PATH."

_COMMANDS = ("firefox-esr", "firefox")
_PATHS = ("/Applications/Firefox.app/Contents/MacOS/firefox", r"C:\Program Files\Mozilla Firefox\firefox.exe")


def find() -> Path | None:
    """The executable of a Firefox, or None."""
    return installation.find(_COMMANDS, _PATHS)


def install() -> None:
    """Install Debian's Firefox if none is found and this user may. If it fails, print the reason: few tests need it."""
    if find() is not None or not installation.can_install_packages():
        return
    try:
        with step("Firefox for browser tests") as note:
            installation.install_packages(["firefox-esr"], note, HELP)
    except StepFailed as error:
        print(error)
