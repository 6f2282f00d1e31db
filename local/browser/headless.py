"""Starts a headless Chromium, for the tests, the screenshots and the page audit."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from local.browser import chromium
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
    """A browser that runs as long as the context is open. Raises StepFailed if no Chromium is installed."""
    executable = chromium.find()
    if executable is None:
        raise StepFailed("No Chromium is installed on this machine: `python3 dev.py test` installs one.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=[*flags(), *arguments],
            ignore_default_args=["--disable-back-forward-cache"],  # visitors' browsers have this cache
        )
        yield browser
        browser.close()
