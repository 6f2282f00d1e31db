"""`<live-count>` on a website of another origin, which AllowedOrigins lists or not."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import unquote, urlsplit

import pytest
import requests
from playwright.sync_api import Browser, ConsoleMessage, Page, expect
from playwright.sync_api import Response as PlaywrightResponse

from local import REPOSITORY
from local.emulators.azurite import Account, Azurite
from local.environment.services import settings_for
from tests.conftest import SignalR
from tests.support import TEST_TIMEOUT
from tests.support.audit import audit
from tests.support.running_host import RunningHost
from tests.support.user_agents import CHROME_ON_LINUX
from tests.support.web_server import Request, Response, WebServer

from .site import Site
from .test_lost_responses import SETTLED_AND_BACKOFF, LossyProxy

ROOM = "keynote"
DOCUMENT = (REPOSITORY / "docs/on-your-own-site.md").read_text(encoding="utf-8")
REPORT_CONNECTION = """
globalThis.WebSocket = class extends WebSocket {
  set onmessage(listener) {
    this.addEventListener("message", listener);
    this.addEventListener("message", () => console.log("connected"), { once: true });
  }
};
0;
"""
READ = "fetch(new URL('stats', document.querySelector('script').src)).then((response) => response.text())"


def documented(language: str) -> str:
    """The first block of code in a language in the document."""
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found
    return textwrap.dedent(found[1])


class Blog(WebServer):
    """A website of two origins: that of `localhost` is allowed, and that of 127.0.0.1 is not.

    It has the documented lines of HTML and the documented policy, which forbids all else here; browsers report what
    violates it. `/keynote/?counts` is a page whose element has the attribute `counts`, with the script of that room.
    """

    def __init__(self) -> None:
        super().__init__(self._page)
        self.app = ""
        self.signalr = ""
        self.refused = self.url
        self.allowed = self.url.replace("127.0.0.1", "localhost")

    @property
    def violations(self) -> list[bytes]:
        return [request.body for request in self.requests if request.target == "/violation"]

    def _page(self, request: Request) -> Response:
        folder, _, attributes = unquote(request.target).partition("?")
        lines = documented("html").replace("/live.js", f"{folder}live.js").replace("counts", attributes)
        policy = " ".join(documented("text").split())
        policy += " default-src 'none'; img-src 'self'; require-trusted-types-for 'script'; report-uri /violation"
        return Response(
            body=self._with_addresses(f'<!doctype html><html lang="de">{lines}').encode(),
            headers={"Content-Type": "text/html", "Content-Security-Policy": self._with_addresses(policy)},
        )

    def _with_addresses(self, text: str) -> str:
        signalr = self.signalr.replace("http", "ws")
        return text.replace("https://myapp.azurewebsites.net", self.app).replace(
            "wss://mysignalr.service.signalr.net", signalr
        )


def sentence(number: int | None) -> str:
    return f"This page was read {'many' if number is None else number} times."


class Embedding:
    """A blog, and an app with a room whose count it shows."""

    def __init__(self, blog: Blog, signalr: SignalR, account: Account, app: str) -> None:
        self.blog = blog
        self.signalr = signalr
        self.default = Site(app, signalr.url)
        self.room = Site(f"{app}/{ROOM}", signalr.url)
        self._account = account

    def site(self, room: str) -> Site:
        return self.room if room else self.default

    def visitors(self, room: str = "") -> dict[str, int]:
        """How many visits were counted, by New, Returning and Other."""
        return dict(audit(self._account, room).statistics.counts["Visitor"])

    def total(self, room: str = "") -> int:
        return sum(self.visitors(room).values())


@pytest.fixture(scope="module")
def embedding(azurite: Azurite, unused_accounts: Iterator[str], content: Account) -> Iterator[Embedding]:
    """One app for all tests here: they compare the counts before and after."""
    account = azurite.account(next(unused_accounts))
    account.create_table()
    with ExitStack() as stack:
        blog = stack.enter_context(Blog())
        signalr = SignalR()
        stack.callback(signalr.stop)
        settings = settings_for(account, signalr.url) | {"BlobHost": content.blob_url, "Rooms": ROOM}
        settings["AllowedOrigins"] = blog.allowed
        host = RunningHost(REPOSITORY, "--port", "0", environment=settings)
        stack.callback(host.close)
        blog.app, blog.signalr = host.url, signalr.url
        yield Embedding(blog, signalr, account, host.url)
        assert blog.violations == []


class Reader:
    """A page of the blog. `expected` are the problems that its console may have."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.expected = "none"
        self.sentence = page.locator("p")
        self._problems: list[str] = []
        self._requests: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._problems.append(f"uncaught {error}"))
        page.on("request", lambda request: self._requests.append(request.url))

    def requests(self, path: str) -> int:
        """How many requests the page has sent to a route of the app."""
        return sum(urlsplit(url).path.endswith(path) for url in self._requests)

    def open(self, address: str) -> None:
        """Load the page, until it is live and has read the count again."""

        def is_second_read(response: PlaywrightResponse) -> bool:
            return response.url.endswith("/stats") and self.requests("/stats") == 2

        with self.page.expect_response(is_second_read):
            self.page.goto(address)

    def retry(self) -> None:
        """End the connection, or else the pause between two of them."""
        self.page.evaluate("['offline', 'online'].forEach((type) => dispatchEvent(new Event(type)))")

    def check(self) -> None:
        assert [problem for problem in self._problems if not re.search(self.expected, problem)] == []

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._problems.append(message.text)


@pytest.fixture
def reader(browser: Browser) -> Iterator[Reader]:
    context = browser.new_context(user_agent=CHROME_ON_LINUX)  # a headless browser is never counted
    reader = Reader(context.new_page())
    yield reader
    context.close()
    reader.check()


@pytest.mark.parametrize("folder", ["/", f"/{ROOM}/"])
def test_page_of_an_allowed_origin_follows_the_count(embedding: Embedding, reader: Reader, folder: str) -> None:
    room = folder.strip("/")
    total = embedding.total(room)
    reader.open(f"{embedding.blog.allowed}{folder}")
    expect(reader.sentence).to_have_text(sentence(total))
    embedding.site(room).visit()
    expect(reader.sentence).to_have_text(sentence(total + 1))
    assert embedding.total(room) == total + 1
    assert reader.requests("/signin") == 0


def test_reader_counts_once_and_returns(embedding: Embedding, reader: Reader) -> None:
    before, total = embedding.visitors(), embedding.total()
    reader.open(f"{embedding.blog.allowed}/?counts")
    expect(reader.sentence).to_have_text(sentence(total + 1))
    assert embedding.visitors() == {**before, "New": before.get("New", 0) + 1}
    remembered = "({ ...localStorage, cookies: document.cookie, length: localStorage.length })"
    assert reader.page.evaluate(remembered) == {f"{embedding.default.url}/": "counted", "cookies": "", "length": 1}

    reader.page.reload()
    expect(reader.sentence).to_have_text(sentence(total + 2))
    after = {"New": before.get("New", 0) + 1, "Returning": before.get("Returning", 0) + 1}
    assert embedding.visitors() == {**before, **after}
    reader.page.goto(f"{embedding.blog.allowed}/{ROOM}/?counts show=people")
    expect(reader.sentence).to_have_text(sentence(1))
    assert embedding.visitors(ROOM)["New"] == 1, "each counter has its own memory"


def test_page_shows_how_many_pages_are_open(embedding: Embedding, reader: Reader) -> None:
    reader.open(f"{embedding.blog.allowed}/?show=here")
    expect(reader.sentence).to_have_text(sentence(0))
    requests.post(f"{embedding.default.url}/signin?here=new", timeout=TEST_TIMEOUT).raise_for_status()
    expect(reader.sentence).to_have_text(sentence(1))


def test_page_out_of_the_back_forward_cache_goes_on(embedding: Embedding, reader: Reader) -> None:
    reader.expected = "closed before the connection is established"  # the page is left soon
    total = embedding.total()
    reader.open(f"{embedding.blog.allowed}/?counts")
    reader.page.evaluate("globalThis.isKept = true")
    reader.page.goto(f"{embedding.blog.allowed}/{ROOM}/")
    embedding.default.visit()
    reader.page.go_back(wait_until="commit")
    expect(reader.sentence).to_have_text(sentence(total + 2))
    assert reader.page.evaluate("isKept")
    assert reader.requests("/signin") == 1


def test_page_of_a_refused_origin_keeps_its_text(embedding: Embedding, reader: Reader) -> None:
    before = embedding.visitors()
    reader.expected = "/stats|/signin|ERR_FAILED|NetworkError"
    reader.page.goto(f"{embedding.blog.refused}/?counts")
    while reader.requests("/stats") < 3:
        reader.retry()
    expect(reader.sentence).to_have_text(sentence(None))
    assert reader.requests("/signin") == 1
    assert embedding.visitors() == before


def test_page_reads_the_count_while_signalr_is_away(embedding: Embedding, reader: Reader) -> None:
    reader.expected = "/client/|/negotiate"
    total = embedding.total()
    reader.open(f"{embedding.blog.allowed}/?counts")
    embedding.signalr.stop()
    embedding.default.visit()
    reader.retry()
    expect(reader.sentence).to_have_text(sentence(total + 2))

    embedding.signalr.start()
    with reader.page.expect_event("console", lambda message: message.text == "connected"):
        reader.page.evaluate(REPORT_CONNECTION)
        reader.retry()
    embedding.default.broadcast(total + 9, {}, {}, {"byVisitor": {}})  # no visits, so that /stats has another number
    expect(reader.sentence).to_have_text(sentence(total + 9))
    assert embedding.total() == total + 2


def test_visit_whose_response_is_lost_counts_once(embedding: Embedding, reader: Reader) -> None:
    reader.expected = "/signin|/client/|ERR_EMPTY_RESPONSE"
    total = embedding.total()
    with LossyProxy(embedding.default.url, losses=1) as proxy:
        embedding.blog.app, app = proxy.url, embedding.blog.app
        reader.page.clock.install()
        with reader.page.expect_event("requestfailed", lambda request: "/signin?" in request.url):
            reader.page.goto(f"{embedding.blog.allowed}/?counts")
        reader.page.evaluate(READ)  # then the page knows of the failure
        with reader.page.expect_response("**/signin?*"):
            reader.page.clock.fast_forward(SETTLED_AND_BACKOFF)
        expect(reader.sentence).to_have_text(sentence(total + 1))
        embedding.blog.app = app
        assert [sign_in.get("repeated") for sign_in in proxy.sign_ins] == [None, ["1"]]
    assert embedding.total() == total + 1
