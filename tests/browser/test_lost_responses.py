"""A visit counts once also if its response is lost: the app has responded, and the connection closes instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page

from local.emulators.azurite import Account
from tests.conftest import SignalR, StartApp
from tests.support.audit import audit, rows_of
from tests.support.proxy import Proxy
from tests.support.running_host import RunningHost
from tests.support.user_agents import CHROME_ON_LINUX
from tests.support.web_server import CLOSE, Request, Response

from .site import Site
from .visitor import Visitors

SETTLED_AND_BACKOFF = 62_000  # ms; more than the page waits before it repeats a visit


class LossyProxy(Proxy):
    """Lets the app respond, but closes the connection instead of passing on the first so many responses to /signin."""

    def __init__(self, upstream: str, losses: int) -> None:
        self._losses = losses
        super().__init__(upstream)
        self.handler = self._lose_first

    @property
    def sign_ins(self) -> list[dict[str, list[str]]]:
        """The parameters of each sign-in that the browser has sent."""
        targets = [urlsplit(request.target) for request in self.requests]
        return [parse_qs(target.query) for target in targets if target.path == "/signin"]

    def _lose_first(self, request: Request) -> Response | None:
        response = self.forward(request)
        if urlsplit(request.target).path != "/signin":
            return response
        self._losses -= 1
        return response if self._losses < 0 else CLOSE


@pytest.mark.parametrize("losses", [0, 1, 2, 3])
@pytest.mark.parametrize("workers", [1, 3])
def test_visit_with_lost_responses_counts_once(
    workers: int,
    losses: int,
    settings: Mapping[str, str],
    account: Account,
    signalr: SignalR,
    start_app: StartApp,
    visitors: Visitors,
) -> None:
    app = start_app(settings, workers)
    with LossyProxy(app.url, losses) as proxy:
        visitor = visitors.enter(Site(proxy.url, signalr.url))
        visitor.tolerate("ERR_EMPTY_RESPONSE", "Server timeout elapsed")  # the latter as the clock is advanced
        visitor.page.clock.install()
        page = visitor.page
        send: Callable[[], object] = partial(page.goto, proxy.url)
        for _ in range(losses):
            with page.expect_event("requestfailed", lambda request: "/signin?" in request.url):
                send()
            page.evaluate(
                "fetch('robots.txt').then((response) => response.text())"
            )  # the page knows of the failure now
            visitor.expect_state("live")  # a connection that is being opened would not survive the next step
            send = partial(page.clock.fast_forward, SETTLED_AND_BACKOFF)
        with page.expect_response("**/signin?*"):
            send()
        visitor.expect_total(1)
        visitor.expect_state("live")

        (key,) = {tuple(sign_in["visit"]) for sign_in in proxy.sign_ins}
        marks = [None] + [["1"]] * losses
        assert [sign_in.get("repeated") for sign_in in proxy.sign_ins] == marks, "the browser sent a request again"
    counted = audit(account)
    assert counted.statistics.total == 1
    assert [row["Key"] for row in rows_of(account) if "Key" in row] == list(key)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on its own, so that a test can send a page's requests itself."""
    context = browser.new_context(user_agent=CHROME_ON_LINUX)
    yield context.new_page()
    context.close()


# What a page would send without a connection of its own.
POST_ON_A_USED_CONNECTION = """async (address) => {
  await Promise.all(Array.from({ length: 6 }, () => fetch("stats", { cache: "no-store" }).then((r) => r.text())));
  await fetch(address, { method: "POST" }).then((r) => r.text(), () => "lost");
}"""


@pytest.mark.parametrize("query", ["", f"?visit={'a' * 32}"], ids=["without a key", "with a key"])
def test_browser_itself_repeats_a_post(app: RunningHost, account: Account, page: Page, query: str) -> None:
    """The reason for the key: the page sends one request, and the app gets several."""
    with LossyProxy(app.url, losses=100) as proxy:
        page.goto(f"{proxy.url}/robots.txt")
        page.evaluate(POST_ON_A_USED_CONNECTION, f"signin{query}")
        sent = len(proxy.sign_ins)
    assert sent > 1, "the browser did not repeat the request: the key may not be needed any more"
    assert audit(account).statistics.total == (1 if query else sent)
