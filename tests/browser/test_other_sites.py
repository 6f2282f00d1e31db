"""Other websites cannot have their visitors counted, and neither does an address that is typed count."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from local.emulators.azurite import Account
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

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.handler = self._record
        self.sign_ins: list[tuple[Request, Response]] = []

    def _record(self, request: Request) -> Response:
        response = self.forward(request)
        if request.target.startswith("/signin"):
            self.sign_ins.append((request, response))
        return response


@pytest.fixture
def recorder(app: RunningHost) -> Iterator[Recorder]:
    with Recorder(app.url) as recorder:
        yield recorder


@pytest.fixture
def other_site() -> Iterator[WebServer]:
    def page(_: object) -> Response:
        return Response(body=b"<!doctype html><title>Elsewhere</title>", headers={"Content-Type": "text/html"})

    with WebServer(page) as server:
        yield server


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(user_agent=CHROME_ON_LINUX)  # a headless browser is never counted
    yield context.new_page()
    context.close()


def attempt(page: Page, way: str, recorder: Recorder) -> Request:
    """Send a sign-in in one of the ways, and return it as the app got it."""
    before = len(recorder.sign_ins)
    page.evaluate(f"(address) => {{ {HELPERS} {ATTEMPTS[way]}; }}", f"{recorder.url}/signin?number={before}")
    recorder.wait_for(lambda: len(recorder.sign_ins) > before)
    request, response = recorder.sign_ins[before]
    assert response.status == 200, way
    return request


@pytest.mark.parametrize(("host", "relation"), [("localhost", "cross-site"), ("127.0.0.1", "same-site")])
def test_page_of_another_origin_is_never_counted(
    account: Account, page: Page, recorder: Recorder, other_site: WebServer, host: str, relation: str
) -> None:
    for way in ATTEMPTS:
        page.goto(other_site.url.replace("127.0.0.1", host))
        assert attempt(page, way, recorder).headers["sec-fetch-site"] == relation, way
    assert audit(account).statistics.total == 0


def test_own_page_is_counted_by_script_only(account: Account, page: Page, recorder: Recorder) -> None:
    counted = []
    for way in ATTEMPTS:
        page.goto(f"{recorder.url}/404.html")
        before = audit(account).statistics.total
        attempt(page, way, recorder)
        if audit(account).statistics.total > before:
            counted.append(way)
    assert counted == ["fetch", "fetch by POST", "XMLHttpRequest"]


def test_typed_address_is_answered_and_not_counted(account: Account, page: Page, recorder: Recorder) -> None:
    response = page.goto(f"{recorder.url}/signin")
    assert response is not None
    assert response.json()["stats"]["totalNumber"] == 0
    page.reload()
    assert [request.headers["sec-fetch-site"] for request, _ in recorder.sign_ins] == ["none", "none"]
    assert audit(account).statistics.total == 0
