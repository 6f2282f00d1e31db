"""Visitors: each has a page in its own browser context, and records the problems of the page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, expect

from signin.visits.dimensions import DIMENSIONS
from signin.visits.statistics import Statistics
from tests.support.user_agents import CHROME_ON_LINUX

from .site import Site

# Runs in the page and records every state and every number that it shows, so that none is missed.
_RECORDER = """
globalThis.shown = { states: [], totals: [], texts: [] };
const record = (list, value) => value !== undefined && list[list.length - 1] !== value && list.push(value);
new MutationObserver(() => {
  const [status, total] = ["status", "total"].map((id) => document.querySelector(`[data-testid=${id}]`));
  record(shown.states, status?.dataset.state);
  record(shown.totals, total?.dataset.value);
  record(shown.texts, total?.textContent);
}).observe(document, { subtree: true, childList: true, attributeFilter: ["data-state", "data-value"] });
"""


ABORTED = {"net::ERR_ABORTED", "NS_BINDING_ABORTED"}  # as when the page is left


@dataclass(frozen=True, slots=True)
class Shown:
    """The history of a page since it was loaded: states of the connection, totals, and texts that count up to them."""

    states: list[str]
    totals: list[int]
    texts: list[str]

    @property
    def numbers(self) -> list[int]:
        """The texts that are numbers: the first text is a dash, or empty while the page is being parsed."""
        return [int(text.replace(",", "")) for text in self.texts if text[:1].isdigit()]


class Visitor:
    """A page with its requests and its problems; an expectation fails after 30 s."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.requests: list[Request] = []
        self.problems: list[str] = []
        self.came_back = 0
        self.status = page.get_by_test_id("status")
        self.total = page.get_by_test_id("total")
        self.problem = page.get_by_test_id("problem")
        self._site = site
        self._tolerated: list[str] = []
        page.add_init_script(_RECORDER)
        page.on("request", self._on_request)
        page.on("requestfailed", self._on_failed_request)
        page.on("websocket", lambda socket: self._check_origin(socket.url))
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.problems.append(f"uncaught {error}"))

    @property
    def url(self) -> str:
        """The url of the homepage."""
        return f"{self._site.url}/"

    @property
    def shown(self) -> Shown:
        shown = self.page.evaluate("shown")
        return Shown(shown["states"], [int(total) for total in shown["totals"]], shown["texts"])

    @property
    def sign_ins(self) -> int:
        """The number of sign-ins that the page has sent."""
        return len(self._requests_for("/signin"))

    @property
    def loads(self) -> int:
        """The number of times that the homepage was loaded, without presentations."""
        requests = [request for request in self._requests_for("/") if urlsplit(request.url).query != "present"]
        return sum(request.is_navigation_request() for request in requests)

    def go(self, steps: int) -> None:
        """Go back or forward in the history. Playwright's own functions do not end in Firefox."""
        before = self.page.evaluate("location.href")
        with suppress(Error):  # if the page is left before it has answered
            self.page.evaluate("steps => history.go(steps)", steps)
        self.page.wait_for_function("before => location.href !== before", arg=before)

    def bars(self, by: str) -> list[tuple[str, int]]:
        """The bars of a distribution, for example "by-os", from top to bottom."""
        bars: list[tuple[str, int]] = self.page.get_by_test_id(by).evaluate(
            "rows => [...rows.children].map(({ dataset }) => [dataset.label, Number(dataset.count)])"
        )
        return [(label, count) for label, count in bars]

    @property
    def columns(self) -> list[int]:
        """The visits of each interval in the chart over time, the oldest first."""
        counts = self.page.get_by_test_id("plot").get_attribute("data-counts") or ""
        return [int(count) for count in counts.split()]

    def expect_state(self, state: str) -> None:
        expect(self.status).to_have_attribute("data-state", state)

    def expect_total(self, total: int) -> None:
        expect(self.total).to_have_attribute("data-value", str(total))
        expect(self.total).to_have_text(f"{total:,}")

    def expect(self, statistics: Statistics) -> None:
        """Expect the total and all distributions, the largest count first."""
        self.expect_total(statistics.total)
        content = statistics.to_json(datetime.now(UTC))
        for dimension in DIMENSIONS:
            if dimension.column == "Visitor":  # has no panel: the caption below the total shows it
                continue
            bars = self.bars(f"by-{dimension.column.lower()}")
            assert bars == _largest_first(content[dimension.key]), dimension.key

    def tolerate(self, *patterns: str) -> None:
        """Expect problems that match one of the patterns; any other still fails the test."""
        self._tolerated += patterns

    def check(self) -> None:
        """Fail if there was an unexpected problem, or if the page did not sign in once for each load that is a visit.

        Presentations and pages that come back are no visits; `came_back` is the number of the latter.

        A sign-in that the app refused as not recorded may be repeated; so may one with unknown outcome, if the
        repetition is marked as such.
        """
        problems = [problem for problem in self.problems if not any(re.search(p, problem) for p in self._tolerated)]
        assert not problems, "The page had problems:\n" + "\n".join(problems)
        loads = self.loads - self.came_back
        unmarked = [request for request in self._requests_for("/signin") if not is_marked_as_repeated(request)]
        refused = sum(_was_refused(request) for request in unmarked)
        assert len(unmarked) - refused == loads, f"{loads} page loads, {len(unmarked)} sign-ins, {refused} refused."

    def describe(self, screenshot: Path) -> str:
        """A description of the page for a failed test; takes a screenshot."""
        self.page.screenshot(path=screenshot, full_page=True)
        return "\n".join([f"{self.page.url}: {len(self.requests)} requests, see {screenshot}", *self.problems])

    def _requests_for(self, path: str) -> list[Request]:
        return [request for request in self.requests if urlsplit(request.url).path == path]

    def _on_request(self, request: Request) -> None:
        self.requests.append(request)
        self._check_origin(request.url)

    def _check_origin(self, url: str) -> None:
        hosts = {urlsplit(own).netloc for own in (self._site.url, self._site.signalr_url)}
        if urlsplit(url).netloc not in hosts:
            self.problems.append(f"request to another origin: {url}")

    def _on_failed_request(self, request: Request) -> None:
        if request.failure not in ABORTED:
            self.problems.append(f"request failed: {request.method} {request.url} {request.failure}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(f"console {message.type}: {message.text} ({message.location['url']})")


class Visitors:
    """The visitors of one test."""

    def __init__(self, browser: Browser, pictures: Path) -> None:
        self._browser = browser
        self._pictures = pictures
        self._visitors: list[Visitor] = []

    def enter(self, site: Site, **options: Any) -> Visitor:
        """A visitor whose page is still blank. Options are those of a browser context: user_agent, viewport, …

        The User-Agent is not that of a headless browser, whose visits are not counted.
        """
        context = self._browser.new_context(**{"locale": "en-US", "user_agent": CHROME_ON_LINUX, **options})
        visitor = Visitor(context.new_page(), site)
        self._visitors.append(visitor)
        return visitor

    def open(self, site: Site, **options: Any) -> Visitor:
        """A visitor who has opened the homepage."""
        visitor = self.enter(site, **options)
        visitor.page.goto(site.url)
        return visitor

    def check(self) -> None:
        for visitor in self._visitors:
            visitor.check()

    def describe(self) -> str:
        return "\n".join(
            visitor.describe(self._pictures / f"page-{number}.png")
            for number, visitor in enumerate(self._visitors, start=1)
        )

    def leave(self) -> None:
        for visitor in self._visitors:
            visitor.page.context.close()


def is_marked_as_repeated(sign_in: Request) -> bool:
    return parse_qs(urlsplit(sign_in.url).query).get("repeated") == ["1"]


def _was_refused(sign_in: Request) -> bool:
    response = sign_in.response()
    return response is not None and response.status == 503 and response.json()["recorded"] == "no"


def _largest_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0].casefold()))


def prerender(page: Page, url: str) -> None:
    """Load a page as if the browser prerendered it, until its script waits to be shown."""
    page.add_init_script("Object.defineProperty(document, 'prerendering', { value: true, writable: true })")
    page.goto(url)
    expect(page.get_by_test_id("qr")).to_have_attribute("data-address", f"{url}/")


def show(page: Page) -> None:
    """Show a prerendered page to the visitor."""
    page.evaluate("document.prerendering = false; document.dispatchEvent(new Event('prerenderingchange'))")


def visit_and_broadcast(site: Site, visitors: Visitors) -> None:
    """Make two more visits, and wait until they were broadcast."""
    witness = visitors.enter(site)
    with witness.page.expect_response("**/stats*"):  # when it is live; totals after that come from broadcasts
        witness.page.goto(site.url)
    total = int(witness.total.get_attribute("data-value") or 0)
    site.visit()
    witness.expect_total(total + 1)
