"""Malformed and hostile requests: each is refused or counted, and the app goes on."""

from __future__ import annotations

import errno
import json
import re
import socket
from collections.abc import Iterator

import pytest

from signin.visits.dimensions import DIMENSIONS
from tests.support import TEST_TIMEOUT
from tests.support.user_agents import EDGE_ON_WINDOWS

from .conftest import Site
from .traversal import SLASHES, UP, assert_stays_inside

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@pytest.fixture(autouse=True)
def clean(site: Site) -> Iterator[None]:
    """A test logs at most one line and no traceback, and the app counts the next visit."""
    site.logged()
    yield
    lines = site.logged()
    assert len(lines) <= 1, lines
    assert not any("Traceback" in line for line in lines), lines
    total = site.total()
    reply = site.request("/signin", headers={"User-Agent": EDGE_ON_WINDOWS})
    assert reply.status == 200
    assert json.loads(reply.body)["stats"]["totalNumber"] > total


def send(site: Site, data: bytes, *, half: bool = False) -> int | None:
    """Send bytes as they are; the status of the response, None without one. With `half`, close without waiting."""
    with socket.create_connection(("127.0.0.1", site.host.port), timeout=TEST_TIMEOUT) as connection:
        try:
            connection.sendall(data)
            if half:
                return None
            connection.shutdown(socket.SHUT_WR)
            answer = connection.makefile("rb").read()
        except OSError as error:
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                raise
            return None  # the host closed the connection before it had read everything
    status_line = STATUS_LINE.match(answer)
    return int(status_line[1]) if status_line else None


@pytest.mark.parametrize("slash", SLASHES)
def test_no_path_leaves_the_container(site: Site, slash: str) -> None:
    before = len(site.blob.requests)
    for up in UP:
        for target in (
            f"/{slash.join([up, up, 'etc', 'passwd'])}",
            f"/{slash.join(['styles', up, up, 'other', 'secret'])}",
            f"/{slash.join([up, 'SignInInfo'])}{slash}",
        ):
            assert site.request(target).status in (400, 404), target
    assert_stays_inside(site, before)


@pytest.mark.parametrize(
    "target",
    [
        "/http://other.host/x",
        "/http:%2f%2fother.host%2fx",
        "//other.host/x",
        "///other.host/x",
        "/@other.host/x",
        "/:80/x",
        "/?comp=list&restype=container",
        "/index.html?comp=metadata",
        "/index.html%3fcomp=metadata",
        "/$web/index.html",
        "/%00",
        "/%0d%0aX-Injected:%201",
        "/%ff%fe",
        "/%",
        "/%zz",
        "/.",
        "/./index.html",
        "/index.html/",
        "/.env",
        "/wp-login.php",
        f"/{'x' * 1024}",
        f"/{'x' * 1025}",
        f"/{'%e2%82%ac' * 500}",
        f"/{'/'.join('x' * 300)}",
        f"/index.html?{'x' * 6000}",
    ],
    ids=lambda target: target[:32],
)
def test_strange_target_is_a_page_or_refused(site: Site, target: str) -> None:
    before = len(site.blob.requests)
    is_a_page = target.split("?")[0] in ("/", "/index.html")
    reply = site.request(target)
    assert (reply.status == 200) if is_a_page else (reply.status in (400, 404))
    assert "X-Injected" not in reply.headers
    assert_stays_inside(site, before)


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET http://other.host/signin HTTP/1.1",
        b"GET http://other.host/ HTTP/1.1",
        b"CONNECT other.host:443 HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET signin HTTP/1.1",
        b"GET /\xc3\xa9\xff HTTP/1.1",
        b"GET / HTTP/9.9",
        b"GET /",
        b"BREW /signin HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 1000,
        b"\xff" * 20_000,
        b"PRI * HTTP/2.0",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1",
        b"GET /signin?" + b"x" * 100_000 + b" HTTP/1.1",
    ],
    ids=lambda line: repr(line[:24]),
)
def test_malformed_request_line_is_refused(site: Site, request_line: bytes) -> None:
    total = site.total()
    status = send(site, request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert status is None or status in (400, 404, 405, 414), status
    assert site.total() == total


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"x" * 100_000,
        b"User-Agent: " + b"x" * 100_000,
        b"\r\n".join(b"X-%d: x" % number for number in range(50_000)),
        b"no colon",
        b"Content-Length: x",
        b"Content-Length: -1",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    ],
    ids=lambda headers: repr(headers[:24]),
)
def test_invalid_headers_are_refused(site: Site, headers: bytes) -> None:
    total = site.total()
    status = send(site, b"POST /signin HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n")
    assert status is None or status in (400, 413, 431), status
    assert site.total() == total


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"POS",
        b"POST /signin HTTP/1.1\r\nHost: local",
        b"POST /signin HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf",
        b"POST /signin HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
    ],
    ids=["nothing", "method", "headers", "body", "chunk"],
)
def test_partial_request_counts_nothing(site: Site, data: bytes) -> None:
    total = site.total()
    send(site, data, half=True)
    assert site.total() == total


def test_visitor_may_leave_before_the_response(site: Site) -> None:
    send(site, b"GET /signin HTTP/1.1\r\nHost: localhost\r\n\r\n", half=True)


@pytest.mark.parametrize(
    "user_agent",
    [None, "", "x" * 7000, "Mozilla/" + "9" * 5000, "\t\x7f\x01", "Zoë/1.0".encode(), "'); DROP TABLE SignInInfo;--"],
    ids=["none", "empty", "7 KB", "a long version", "control characters", "not ASCII", "SQL"],
)
def test_strange_user_agent_is_other_or_refused(site: Site, user_agent: str | bytes | None) -> None:
    before = site.statistics()
    reply = site.request("/signin", headers={} if user_agent is None else {"User-Agent": user_agent})
    after = site.statistics()
    if reply.status == 400:
        assert after == before
        return
    assert reply.status == 200
    for name in (dimension.key for dimension in DIMENSIONS):
        assert after[name] == before[name] | {"Other": before[name].get("Other", 0) + 1}


@pytest.mark.parametrize("body", [b"x" * 1_000_000, b"\x00\xff", b'{"totalNumber": 0}'], ids=["1 MB", "bytes", "json"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_body_makes_no_difference_to_a_visit(site: Site, method: str, body: bytes) -> None:
    total = site.total()
    assert site.request("/signin", method, body=body).status == 200
    assert site.total() == total + 1
