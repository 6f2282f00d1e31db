"""A browser for all tests, and visitors whose pages must be free of errors."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from local import REPOSITORY
from local.browser.firefox import HELP as FIREFOX_HELP
from local.browser.firefox import find as find_firefox
from local.browser.headless import running_chromium, running_firefox
from local.emulators.azurite import Account, Azurite
from local.environment.services import settings_for, signalr_emulator
from tests.conftest import SignalR
from tests.support.running_host import RunningHost

from .site import Site
from .visitor import Visitors


# Not for the whole session: while it runs, Playwright's event loop prevents those of asynchronous tests.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    expect.set_options(timeout=30_000)  # ms
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One Chromium, with a context for each visitor."""
    with running_chromium(playwright) as browser:
        yield browser


@pytest.fixture(scope="package")
def firefox(playwright: Playwright) -> Iterator[Browser]:
    """One Firefox, with a context for each visitor. It takes three seconds to start."""
    if find_firefox() is None:
        pytest.skip(f"There is no Firefox on this machine. {FIREFOX_HELP}")
    with running_firefox(playwright) as browser:
        yield browser


@pytest.fixture(scope="package")
def content(azurite: Azurite, unused_accounts: Iterator[str]) -> Account:
    """A storage account with the published content."""
    account = azurite.account(next(unused_accounts))
    account.publish().close()
    return account


@pytest.fixture
def settings(settings: Mapping[str, str], content: Account) -> dict[str, str]:
    """The settings of all tests, with content."""
    return {**settings, "BlobHost": content.blob_url}


@pytest.fixture
def site(app: RunningHost, signalr: SignalR) -> Site:
    """The app on services of the test's own."""
    return Site(app.url, signalr.url)


@pytest.fixture(scope="package")
def shared_site(content: Account) -> Iterator[Site]:
    """The app for tests that do not depend on the number of visits."""
    content.create_table()
    with ExitStack() as stack:
        signalr = signalr_emulator()
        stack.callback(signalr.stop)
        (signalr_url,) = signalr.wait_until_ready()
        host = RunningHost(REPOSITORY, "--port", "0", environment=settings_for(content, signalr_url))
        stack.callback(host.close)
        yield Site(host.url, signalr_url)


@pytest.fixture
def visitors(browser: Browser, tmp_path: Path) -> Iterator[Visitors]:
    """Opens pages; an unexpected problem in one of them fails the test."""
    visitors = Visitors(browser, pictures=tmp_path)
    yield visitors
    visitors.leave()


@pytest.fixture
def firefox_visitors(firefox: Browser, tmp_path: Path) -> Iterator[Visitors]:
    """Visitors in Firefox."""
    visitors = Visitors(firefox, pictures=tmp_path)
    yield visitors
    visitors.leave()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Function) -> Generator[None, object, object]:
    """Check the pages at the end of a test, and take screenshots if it has failed."""
    groups = [value for value in item.funcargs.values() if isinstance(value, Visitors)]
    try:
        result = yield
        for visitors in groups:
            visitors.check()
    except Exception as error:
        for visitors in groups:
            error.add_note(visitors.describe())
        raise
    return result
