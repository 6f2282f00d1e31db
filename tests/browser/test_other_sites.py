"""Other websites cannot have their visitors counted unless they are allowed to, and a typed address does not count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, expect

from local import REPOSITORY
from local.emulators.azurite import Account, Azurite
from local.environment.services import settings_for, signalr_emulator
from tests.support.audit import audit
from tests.support.proxy import Proxy
from tests.support.running_host import RunningHost
from tests.support.user_agents import CHROME_ON_LINUX
from tests.support.web_server import Request, Response, WebServer

# Each sends a sign-in. A script of another origin cannot read the response, so most reject or report an error.
ATTEMPTS = {
    "fetch": "fetch(address).catch(() => {})",
    "fetch by POST": "fetch(address, { method: 'POST' }).catch(() => {})",
    "fetch without CORS": "fetch(address, { mode: 'no-cors' })",
    "fetch without CORS by POST": "fetch(address, { mode: 'no-cors', method: 'POST' })",
    "XMLHttpRequest": "const sent = new XMLHttpRequest(); sent.open('GET', address); sent.send()",
    "beacon": "navigator.sendBeacon(address)",
    "WebSocket": "new WebSocket(address.replace('http', 'ws'))",
    "image": "add('img', { src: address })",
    "image with CORS": "add('img', { crossOrigin: 'anonymous', src: address })",
    "script": "add('script', { src: address })",
    "style sheet": "add('link', { rel: 'stylesheet', href: address })",
    "frame": "add('iframe', { src: address })",
    "form in a frame": "submit({ method: 'get' })",
    "form by POST in a frame": "submit({ method: 'post' })",
    "link": "Object.assign(document.createElement('a'), { href: address }).click()",
}
HELPERS = """
  const add = (tag, properties) => document.body.append(Object.assign(document.createElement(tag), properties));
  const submit = (properties) => {
    add("iframe", { name: "target" });
    const form = Object.assign(document.createElement("form"), { action: address, target: "target", ...properties });
    document.body.append(form);
    form.submit();
  };
"""


class Recorder(Proxy):
    """The app at another port, with the sign-ins that it has answered."""

    def __init__(self, upstream: str, account: Account) -> None:
        super().__init__(upstream)
        self._account = account
        self.handler = self._record
        self.sign_ins: list[tuple[Request, Response]] = []

    @property
    def total(self) -> int:
        return audit(self._account).statistics.total

    def _record(self, request: Request) -> Response:
        response = self.forward(request)
        if request.target.startswith("/signin"):
            self.sign_ins.append((request, response))
        return response


@pytest.fixture(scope="module")
def other_site() -> Iterator[WebServer]:
    """A website of two origins. That of `localhost` is allowed, and that of 127.0.0.1 is not."""

    def page(_: object) -> Response:
        return Response(body=b"<!doctype html><title>Elsewhere</title>", headers={"Content-Type": "text/html"})

    with WebServer(page) as server:
        yield server


def allowed_origin(site: WebServer) -> str:
    return site.url.replace("127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def recorder(
    azurite: Azurite, unused_accounts: Iterator[str], content: Account, other_site: WebServer
) -> Iterator[Recorder]:
    """One app for all tests here: they compare the totals before and after."""
    account = azurite.account(next(unused_accounts))
    account.create_table()
    with ExitStack() as stack:
        signalr = signalr_emulator()
        stack.callback(signalr.stop)
        (signalr_url,) = signalr.wait_until_ready()
        settings = settings_for(account, signalr_url) | {"BlobHost": content.blob_url}
        settings["AllowedOrigins"] = allowed_origin(other_site)
        host = RunningHost(REPOSITORY, "--port", "0", environment=settings)
        stack.callback(host.close)
        yield stack.enter_context(Recorder(host.url, account))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(user_agent=CHROME_ON_LINUX)  # a headless browser is never counted
    yield context.new_page()
    context.close()


def attempt(page: Page, way: str, recorder: Recorder) -> tuple[str | None, bool]:
    """Send a sign-in in one of the ways. Returns its Sec-Fetch-Site, and whether the app counts it by its response."""
    before = len(recorder.sign_ins)
    page.evaluate(f"(address) => {{ {HELPERS} {ATTEMPTS[way]}; }}", f"{recorder.url}/signin?number={before}")
    recorder.wait_for(lambda: len(recorder.sign_ins) > before)
    request, response = recorder.sign_ins[before]
    assert response.status == 200, way
    return request.headers.get("sec-fetch-site"), "recorded" not in json.loads(response.body)


def is_firefox(page: Page) -> bool:
    browser = page.context.browser
    return browser is not None and browser.browser_type.name == "firefox"


def counted_ways(page: Page, recorder: Recorder, address: str, relation: str) -> list[str]:
    """The ways in which a page at this address, of this relation to the app, is counted.

    In Firefox it leaves frames out: its driver in Playwright 1.64 crashes if a frame is removed while it navigates.
    """
    before, counted = recorder.total, []
    for way in ATTEMPTS:
        if "frame" in way and is_firefox(page):
            continue
        page.goto(address)
        site, is_counted = attempt(page, way, recorder)
        has_metadata = way != "WebSocket" or is_firefox(page)  # Chromium sends none with a WebSocket
        assert site == (relation if has_metadata else None), way
        counted += [way] * is_counted
    assert recorder.total == before + len(counted)
    return counted


SCRIPTS = ["fetch", "fetch by POST", "XMLHttpRequest"]


@pytest.mark.parametrize("relation", ["cross-site", "same-site"])
def test_page_of_another_origin_is_never_counted(
    page: Page, recorder: Recorder, other_site: WebServer, relation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the pages, one is another site than the app, and one is on another port of its host."""
    host = {"cross-site": "localhost", "same-site": "127.0.0.1"}[relation]
    monkeypatch.setattr(recorder, "url", recorder.url.replace("127.0.0.1", host))
    assert counted_ways(page, recorder, other_site.url, relation) == []


def test_page_of_an_allowed_origin_is_counted_by_script_only(
    page: Page, recorder: Recorder, other_site: WebServer
) -> None:
    assert counted_ways(page, recorder, allowed_origin(other_site), "cross-site") == SCRIPTS


def test_own_page_is_counted_by_script_only(page: Page, recorder: Recorder) -> None:
    assert counted_ways(page, recorder, f"{recorder.url}/404.html", "same-origin") == SCRIPTS


def test_page_of_an_allowed_origin_reads_responses(page: Page, recorder: Recorder, other_site: WebServer) -> None:
    """Also that of an error. A request that needs a preflight fails."""
    read = """async ([address, headers]) => {
        const response = await fetch(address, { method: "POST", headers }).catch(() => null);
        return response && [response.status, (await response.json()).recorded ?? "yes"];
    }"""
    before = len(recorder.sign_ins)
    page.goto(allowed_origin(other_site))
    assert page.evaluate(read, [f"{recorder.url}/signin", {}]) == [200, "yes"]
    assert page.evaluate(read, [f"{recorder.url}/signin?visit=short", {}]) == [400, "no"]
    assert page.evaluate(read, [f"{recorder.url}/signin", {"X-Own": "1"}]) is None
    page.goto(other_site.url)
    assert page.evaluate(read, [f"{recorder.url}/signin", {}]) is None
    assert [request.method for request, _ in recorder.sign_ins[before:]] == ["POST", "POST", "OPTIONS", "POST"]


def test_only_allowed_origins_show_the_wall_in_a_frame(page: Page, recorder: Recorder, other_site: WebServer) -> None:
    """It shows the number and counts nothing."""
    frame = """(src) => new Promise((resolve) => {
        const frame = Object.assign(document.createElement("iframe"), { src });
        frame.onload = resolve;
        document.body.append(frame);
    }).then(() => {})"""
    before = recorder.total
    page.goto(other_site.url)
    page.evaluate(frame, f"{recorder.url}/?present")
    assert not page.frame_locator("iframe").get_by_test_id("total").count()
    page.goto(allowed_origin(other_site))
    page.evaluate(frame, f"{recorder.url}/?present")
    expect(page.frame_locator("iframe").get_by_test_id("total")).to_have_attribute("data-value", f"{before}")
    assert recorder.total == before


def test_typed_address_is_answered_and_not_counted(page: Page, recorder: Recorder) -> None:
    before, total = len(recorder.sign_ins), recorder.total
    response = page.goto(f"{recorder.url}/signin")
    assert response is not None
    assert response.json()["stats"]["totalNumber"] == total
    page.reload()
    assert [request.headers["sec-fetch-site"] for request, _ in recorder.sign_ins[before:]] == ["none", "none"]
    assert recorder.total == total
