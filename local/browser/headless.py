"""A headless Chromium, for the tests, the screenshots and the audit."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from local.browser import chromium
from local.progress import StepFailed

# Nothing but the pages it is told to open: a browser by itself asks its maker for updates and more.
_QUIET = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run")


def flags() -> list[str]:
    """What to start a Chromium with on this machine."""
    # Its sandbox does not work for root, the user of most containers.
    sandbox = ["--no-sandbox"] if sys.platform != "win32" and os.geteuid() == 0 else []
    return [*_QUIET, *sandbox]


@contextmanager
def running_browser(arguments: Sequence[str] = ()) -> Iterator[Browser]:
    """A browser for as long as the context lasts. Raises StepFailed where there is none."""
    executable = chromium.find()
    if executable is None:
        raise StepFailed("There is no Chromium on this machine: `python3 dev.py test` installs one.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable,
            args=[*flags(), *arguments],
            ignore_default_args=["--disable-back-forward-cache"],  # visitors have it
        )
        yield browser
        browser.close()
