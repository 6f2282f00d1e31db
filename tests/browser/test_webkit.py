"""The main flow in WebKit, the engine of Safari."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.emulators.azurite import Account
from tests.support.audit import audit
from tests.support.user_agents import FIREFOX_ON_LINUX

from .site import Site
from .webkit import HELP, WebKit, is_installed, running_webkit

KEPT = 10  # pages in the cache, at most


@pytest.fixture(scope="module")
def webkit() -> Iterator[WebKit]:
    if not is_installed():
        pytest.skip(f"There is no WebKit on this machine. {HELP}")
    with running_webkit() as webkit:
        yield webkit


@pytest.mark.parametrize("is_kept", [True, False], ids=["in the back/forward cache", "loaded again"])
def test_webkit_is_counted_live_and_not_by_back(site: Site, account: Account, webkit: WebKit, *, is_kept: bool) -> None:
    webkit.open(site.url)
    webkit.expect("status", "state", "live")
    webkit.expect("total", "value", "1")
    assert (
        webkit.evaluate("document.querySelector('[data-testid=by-browser]').firstElementChild.dataset.label")
        == "Safari"
    )

    site.visit(FIREFOX_ON_LINUX)
    webkit.expect("total", "value", "2")
    webkit.reload()
    webkit.expect("total", "value", "3")

    webkit.evaluate("globalThis.isTheSamePage = true")
    others = 1 if is_kept else KEPT + 1
    for number in range(others):
        webkit.open(f"{site.url}/404.html?{number}")
    site.visit(FIREFOX_ON_LINUX)
    webkit.go(-others)
    assert bool(webkit.evaluate("globalThis.isTheSamePage")) == is_kept
    # WebKit 2.50 never runs the script of a page that is left before it ran, and kept.
    webkit.expect("status", "state", "live")
    webkit.go(+1)
    webkit.go(-1)
    webkit.expect("status", "state", "live")
    webkit.expect("total", "value", "4")
    site.visit(FIREFOX_ON_LINUX)
    webkit.expect("total", "value", "5")
    assert audit(account).statistics.counts["Browser"] == {"Safari": 2, "Firefox": 3}
