from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from urllib.parse import quote, unquote

import azure.functions as func
import pytest

from signin.content import Content, ContentUnavailable, is_blob_name

from .loopback import HANG_UP, Answer, Asked, WebServer, nothing_listening, web_server

MODIFIED = formatdate(0, usegmt=True)
NOT_THERE = Answer(404, b"<Error/>", {"x-ms-error-code": "BlobNotFound", "Content-Type": "application/xml"})

BLOBS = {
    "index.html": ("text/html; charset=utf-8", "<p>Home"),
    "scripts/main.js": ("text/javascript", "start()"),
    "images/smile 😀.svg": ("image/svg+xml", "<svg/>"),
}


def blob_service(asked: Asked) -> Answer:
    """A container `content` as Blob Storage serves it, as far as the app asks."""
    name = unquote(asked.target.removeprefix("/content/"))
    if name not in BLOBS:
        return NOT_THERE
    content_type, text = BLOBS[name]
    headers = {
        "Content-Type": content_type,
        "ETag": '"0x8DC"',
        "Last-Modified": MODIFIED,
        "x-ms-request-id": "1",
        "Server": "Windows-Azure-Blob/1.0",
    }
    if asked.headers.get("if-none-match") == '"0x8DC"' or asked.headers.get("if-modified-since") == MODIFIED:
        return Answer(304, b"", headers)
    return Answer(200, text.encode(), headers)


@pytest.fixture
def service() -> Iterator[WebServer]:
    with web_server(blob_service) as server:
        yield server


@pytest.fixture
def content(service: WebServer) -> Iterator[Content]:
    content = Content(service.url)
    yield content
    content._session.close()


# Names


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "scripts/main.js",
        "a/b/c/d",
        ".well-known/x",
        "a..b",
        "..a",
        "a.",
        "smile 😀.svg",
        "a+b&c=d;e:f@g~h",
    ],
)
def test_the_name_of_a_blob_is_a_blob_name(name: str) -> None:
    assert is_blob_name(name)


LEADING_OUT = {
    "dot segment": "..",
    "dot segment at the start": "../secret",
    "dot segment inside": "a/../../secret",
    "dot segment at the end": "a/..",
    "single dot": "./secret",
    "three dots": ".../secret",
    "encoded dots": "%2e%2e/secret",
    "encoded slash": "..%2fsecret",
    "encoded twice": "%252e%252e%252fsecret",
    "overlong UTF-8": "%c0%ae%c0%ae/secret",
    "UTF-16": "%u002e%u002e/secret",
    "backslash": "..\\secret",
    "encoded backslash": "..%5csecret",
    "absolute": "/secret",
    "two slashes": "a//b",
    "other host": "//host/secret",
    "absolute url": "http://host/secret",
    "slash at the end": "scripts/",
    "query": "a?comp=list",
    "fragment": "a#b",
    "percent": "100%",
    "NUL": "index.html\x00.png",
    "new line": "a\r\nHost: host",
    "DEL": "a\x7f",
    "line separator": "a\u2028b",
    "right-to-left override": "a\u202eb",
    "surrogate": "\ud800",
    "over-long": "a" * 1025,
}


@pytest.mark.parametrize("name", LEADING_OUT.values(), ids=LEADING_OUT.keys())
def test_a_name_that_could_mean_something_else_is_no_blob_name(name: str) -> None:
    assert not is_blob_name(name)


@pytest.mark.parametrize("name", LEADING_OUT.values(), ids=LEADING_OUT.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_for_such_a_name_never_leaves_the_container(
    name: str, method: str, service: WebServer, content: Content
) -> None:
    page = content.get(name, method)
    assert page.status == 404
    assert [asked.target for asked in service.asked] == ["/content/404.html"]


# Pages


@pytest.mark.parametrize("path", ["", "index.html"])
def test_the_homepage_is_the_index(path: str, service: WebServer, content: Content) -> None:
    page = content.get(path)
    assert (page.status, page.body) == (200, b"<p>Home")
    assert service.asked[0].target == "/content/index.html"


@pytest.mark.parametrize("name", BLOBS)
def test_a_blob_comes_with_its_own_type_and_validators(name: str, content: Content) -> None:
    content_type, text = BLOBS[name]
    page = content.get(name)
    assert (page.status, page.body) == (200, text.encode())
    assert dict(page.headers) == {
        "Content-Type": content_type,
        "ETag": '"0x8DC"',
        "Last-Modified": MODIFIED,
        "Cache-Control": "no-cache",
        "X-Content-Type-Options": "nosniff",
    }


def test_a_name_is_encoded_once_on_its_way_to_the_service(service: WebServer, content: Content) -> None:
    content.get("images/smile 😀.svg")
    assert service.asked[0].target == "/content/images/" + quote("smile 😀.svg")


def test_the_cache_control_of_a_blob_is_kept(service: WebServer, content: Content) -> None:
    service.handler = lambda asked: Answer(200, b"", {"Cache-Control": "max-age=60"})
    assert content.get("a").headers["Cache-Control"] == "max-age=60"


@pytest.mark.parametrize("condition", [{"if-none-match": '"0x8DC"'}, {"if-modified-since": MODIFIED}])
def test_what_the_browser_has_is_not_sent_again(condition: dict[str, str], content: Content) -> None:
    request = func.HttpRequest(method="GET", url="/", headers=condition, body=b"")
    page = content.get("", "GET", request.headers)
    assert (page.status, page.body) == (304, b"")
    assert page.headers["ETag"] == '"0x8DC"'


def test_nothing_else_of_the_visitors_headers_is_passed_on(service: WebServer, content: Content) -> None:
    headers = {"cookie": "c", "authorization": "a", "x-ms-date": "d", "range": "bytes=0-1", "accept-encoding": "br"}
    content.get("", "GET", headers)
    passed_on = service.asked[0].headers
    assert passed_on["accept-encoding"] == "identity"
    assert not (headers.keys() - {"accept-encoding"}) & passed_on.keys()


def test_a_condition_that_cannot_be_sent_is_passed_over(content: Content) -> None:
    """The host decodes headers as UTF-8, an HTTP header holds latin-1."""
    assert content.get("", "GET", {"if-none-match": '"€"'}).status == 200


def test_head_tells_what_get_would_send(service: WebServer, content: Content) -> None:
    page = content.get("", "HEAD")
    assert (page.status, page.body) == (200, b"")
    assert page.headers["Content-Length"] == str(len("<p>Home"))
    assert service.asked[0].method == "HEAD"


@pytest.mark.usefixtures("netrc")
def test_a_netrc_of_the_machine_has_no_say(service: WebServer, content: Content) -> None:
    assert content.get("").status == 200
    assert "authorization" not in service.asked[0].headers


def test_the_service_is_asked_for_the_behaviour_of_a_certain_version(service: WebServer, content: Content) -> None:
    """Without a version, Azure answers an anonymous request as it did in 2009: etags have no quotes."""
    content.get("")
    assert service.asked[0].headers["x-ms-version"] == "2021-12-02"


def test_a_condition_that_storage_does_not_know_is_left_out(service: WebServer, content: Content) -> None:
    answers = iter([Answer(400), Answer(200, b"<p>Hello", {"Content-Type": "text/html"})])
    service.handler = lambda asked: next(answers)
    assert content.get("", "GET", {"if-none-match": "*"}).body == b"<p>Hello"


def test_a_304_changes_nothing_that_a_cache_keeps(service: WebServer, content: Content) -> None:
    service.handler = lambda asked: Answer(304, b"", {"Content-Type": "application/xml", "ETag": '"1"'})
    page = content.get("scripts/main.js", "GET", {"if-none-match": '"1"'})
    assert page.status == 304
    assert "Cache-Control" not in page.headers
    assert page.headers["Content-Type"] == "text/javascript"


# What is not there


def test_what_is_not_there_is_answered_with_the_404_page(
    service: WebServer, content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BLOBS, "404.html", ("text/html", "<p>Nobody here"))
    page = content.get("missing.html", "GET", {"if-none-match": '"0x8DC"'})
    assert (page.status, page.body) == (404, b"<p>Nobody here")
    assert page.headers["Content-Type"] == "text/html"
    assert page.headers["Cache-Control"] == "no-cache"


def test_without_a_404_page_it_is_said_in_plain_text(content: Content) -> None:
    page = content.get("missing.html")
    assert (page.status, page.body) == (404, b"Not found.\n")
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_the_services_own_error_page_is_not_shown(content: Content) -> None:
    assert b"<Error/>" not in content.get("missing.html").body


# What goes wrong


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(403, headers={"x-ms-error-code": "AuthenticationFailed"}), "answered 403 AuthenticationFailed"),
        (Answer(409, headers={"x-ms-error-code": "PublicAccessNotPermitted"}), "409 PublicAccessNotPermitted"),
        (Answer(500), "answered 500 Internal Server Error"),
        (Answer(503, headers={"Retry-After": "3600"}), "answered 503"),
        (Answer(301, headers={"Location": "http://127.0.0.1:9/elsewhere"}), "answered 301"),
        (Answer(302, headers={"Location": "/content/index.html"}), "answered 302"),
        (HANG_UP, "cannot be reached"),
        (Answer(200, b"short", {"Content-Length": "100"}), "cannot be reached"),
    ],
    ids=["403", "409", "500", "503", "301", "302", "hang up", "cut short"],
)
def test_an_answer_that_is_not_clear_is_an_error_and_not_a_page(
    answer: Answer | None, reason: str, service: WebServer, content: Content
) -> None:
    if answer is not None and "Content-Length" in answer.headers:
        service.close_after_answer = True
    service.handler = lambda asked: answer
    with pytest.raises(ContentUnavailable, match=reason) as raised:
        content.get("")
    assert answer is HANG_UP or len(service.asked) == 1
    assert "\n" not in str(raised.value)


def test_a_service_that_is_down_is_an_error() -> None:
    with nothing_listening() as url, pytest.raises(ContentUnavailable, match="check BlobHost"):
        Content(url).get("")


def test_a_connection_that_was_closed_meanwhile_is_replaced(service: WebServer, content: Content) -> None:
    content.get("")
    answers = iter([HANG_UP, Answer(200, b"again")])
    service.handler = lambda asked: next(answers)
    assert content.get("").body == b"again"


# Health


def test_content_with_a_homepage_passes_the_check(service: WebServer, content: Content) -> None:
    content.check()
    [asked] = service.asked
    assert (asked.method, asked.target) == ("HEAD", "/content/index.html")


def test_content_without_a_homepage_fails_the_check(service: WebServer, content: Content) -> None:
    service.handler = lambda asked: NOT_THERE
    with pytest.raises(ContentUnavailable, match=r"content/index\.html is not there"):
        content.check()
