"""Starts a headless browser, for the tests, the screenshots and the page audit."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import Browser, Playwright, sync_playwright

from local.browser import chromium, firefox
from local.progress import StepFailed

# No requests but those of the pages: by default a browser also checks for updates, and more.
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


def flags() -> list[str]:
    """The command line flags for a Chromium on this machine."""
    # Chromium's sandbox does not work for root, the user in most containers.
    sandbox = ["--no-sandbox"] if sys.platform != "win32" and os.geteuid() == 0 else []
    return [*_QUIET, *sandbox]


@contextmanager
def running_browser(arguments: Sequence[str] = ()) -> Iterator[Browser]:
    """A Chromium that runs as long as the context is open. Raises StepFailed if none is installed."""
    with sync_playwright() as playwright, running_chromium(playwright, arguments) as browser:
        yield browser


@contextmanager
def running_chromium(playwright: Playwright, arguments: Sequence[str] = ()) -> Iterator[Browser]:
    """Like `running_browser`, if Playwright runs already."""
    executable = chromium.find_with(playwright)
    if executable is None:
        raise StepFailed("No Chromium is installed on this machine: `python3 dev.py test` installs one.")
    browser = playwright.chromium.launch(
        executable_path=executable,
        args=[*flags(), *arguments],
        ignore_default_args=["--disable-back-forward-cache"],  # visitors' browsers have this cache
    )
    yield browser
    browser.close()


@contextmanager
def running_firefox(playwright: Playwright) -> Iterator[Browser]:
    """A Firefox that runs as long as the context is open. Raises StepFailed if none is installed."""
    executable = firefox.find()
    if executable is None:
        raise StepFailed(f"No Firefox is installed on this machine. {firefox.HELP}")
    # This channel is a Firefox as Mozilla and Debian release it. Without it, Playwright expects its own build.
    browser = playwright.firefox.launch(channel="moz-firefox", executable_path=executable)
    yield browser
    browser.close()
