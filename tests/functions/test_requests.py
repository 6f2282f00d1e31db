"""Requests and responses of functions, through a host process and a worker process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.emulators.functions.host import MAX_BODY
from tests.support.running_host import RunningHost


def echo(host: RunningHost, target: str = "/echo", **request: Any) -> dict[str, Any]:
    reply = host.request(target, **request)
    assert reply.status == 200, host.text
    return dict(json.loads(reply.body))


def test_function_receives_request_unchanged(host: RunningHost) -> None:
    headers = {"Host": "example.org", "X-Own": "\u00e9".encode()}
    seen = echo(host, "/echo?a=%zz", method="POST", body=b"\xff\x00", headers=headers)
    assert seen["method"] == "POST"
    assert seen["url"] == "http://example.org/echo?a=%zz"
    assert seen["headers"]["x-own"] == "\u00e9"
    assert seen["body"] == "ff00"


def test_host_adds_no_header(host: RunningHost) -> None:
    answer = host.raw(b"GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["headers"] == {"host": "h"}


def test_host_drops_hop_by_hop_headers(host: RunningHost) -> None:
    headers = {"Connection": "close, X-Private", "X-Private": "1", "TE": "trailers", "Keep-Alive": "5", "X-Public": "1"}
    seen = echo(host, headers=headers)["headers"]
    assert {name for name in seen if name in {"connection", "te", "keep-alive"} or name.startswith("x-")} == {
        "x-public"
    }


def test_repeated_values_are_joined_by_comma(host: RunningHost) -> None:
    answer = host.raw(
        b"GET /echo?a=1&b=&A=x+y&c=%C3%A9 HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n"
    )
    seen = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert seen["params"] == {"a": "1,x y", "c": "\u00e9"}
    assert seen["headers"]["x-a"] == "1,2"


def test_request_body_is_not_decompressed(host: RunningHost) -> None:
    seen = echo(host, method="POST", body=b"not gzip", headers={"Content-Encoding": "gzip"})
    assert bytes.fromhex(seen["body"]) == b"not gzip"


def test_expect_header_gets_100_continue(host: RunningHost) -> None:
    answer = host.raw(
        b"POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi"
    )
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


def test_only_async_functions_run_on_event_loop(host: RunningHost) -> None:
    assert echo(host)["thread"] is True
    assert host.request("/sync").body == b"pool thread"


def test_str_becomes_plain_text_response(host: RunningHost) -> None:
    reply = host.request("/sync")
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/raises", "LookupError: the function itself failed"),
        ("/returns-nothing", "NotImplementedError"),
        ("/wrong-length", "ValueError: the response declares Content-Length 5, but its body has 4 bytes"),
    ],
)
def test_failed_function_is_empty_500_with_traceback(host: RunningHost, target: str, reason: str) -> None:
    reply = host.request(target)
    assert (reply.status, reply.body) == (500, b"")
    host.wait_for_log("ERROR local.emulators.functions.invocation: Function '")
    host.wait_for_log("Traceback")
    host.wait_for_log(reason)


def test_printed_lines_go_to_log(host: RunningHost) -> None:
    host.request("/returns-nothing")
    host.wait_for_log("printed by the app")


def test_head_response_has_headers_without_body(host: RunningHost) -> None:
    get, head = host.request("/file"), host.request("/file", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Length", "Content-Type", "ETag"):
        assert head.headers[name] == get.headers[name]
    assert head.headers["Content-Length"] == "70000"
    assert head.headers["Content-Type"] == "image/png"


def test_head_response_has_length_of_get(host: RunningHost) -> None:
    reply = host.request("/sync", method="HEAD")
    assert (reply.status, reply.headers["Content-Length"], reply.body) == (200, "11", b"")


def test_response_is_passed_on_unchanged(host: RunningHost) -> None:
    assert host.request("/cookies").headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2; HttpOnly"]
    redirect = host.request("/redirect")
    assert (redirect.status, redirect.headers["Location"]) == (302, "/pid")
    compressed = host.request("/compressed")
    assert (compressed.headers["Content-Encoding"], compressed.body) == ("gzip", b"as it is")
    unchanged = host.request("/not-modified")
    assert (unchanged.status, unchanged.headers["ETag"], unchanged.body) == (304, '"1"', b"")


def test_function_that_requires_key_is_401(host: RunningHost) -> None:
    assert host.request("/secret").status == 401


def test_unmatched_path_or_method_is_404(host: RunningHost) -> None:
    reply = host.request("/no-such-path", method="PUT")
    assert (reply.status, reply.body) == (404, b"")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/", None),
        ("/?", None),
        ("/a/../b", "a/../b"),
        ("/%2e%2e/b", "../b"),
        ("/a%2F..%5Cb", "a%2F..\\b"),
        ("/a//b/", "a//b/"),
        ("/%00", "\0"),
        ("/%", "%"),
        ("/[", "["),
        ("/a#b?c", "a#b"),
        ("/" + "a" * 8000, "a" * 8000),
    ],
)
def test_path_reaches_app_without_normalization(host: RunningHost, target: str, path: str | None) -> None:
    reply = host.request(target)
    assert (reply.status, json.loads(reply.body)) == (200, {} if path is None else {"path": path})


CLOSE = b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"GET http://other.host/x" + CLOSE + b"\r\n",
        b"GET http://[::1" + CLOSE + b"\r\n",
        b"GET //host/x" + CLOSE + b"\r\n",
        b"GET //[" + CLOSE + b"\r\n",
        b"GET *" + CLOSE + b"\r\n",
        b"OPTIONS *" + CLOSE + b"\r\n",
        b"CONNECT other.host:80" + CLOSE + b"\r\n",
        b"GET no-slash" + CLOSE + b"\r\n",
        b"GET /\xff" + CLOSE + b"\r\n",
        b"GET /\xc3\xa9" + CLOSE + b"\r\n",
        b"GET /" + b"a" * 9000 + CLOSE + b"\r\n",
        b"GET /echo" + CLOSE + b"X-A: \xe9\r\n\r\n",
        b"GET /echo" + CLOSE + b"X-A: \x01\r\n\r\n",
        b"GET /echo" + CLOSE + b"X\x00A: 1\r\n\r\n",
        b"GET /echo" + CLOSE + b"X-A: " + b"a" * 20000 + b"\r\n\r\n",
        b"GET /echo HTTP/1.1\r\nHost: \xff\r\nConnection: close\r\n\r\n",
        b"POST /echo" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"BREW /echo" + CLOSE + b"\r\n",
        b"\x16\x03\x01 this is TLS\r\n\r\n",
    ],
    ids=lambda data: repr(data[:24]),
)
def test_malformed_request_is_4xx_without_traceback(host: RunningHost, data: bytes) -> None:
    lines_before = len(host.log)
    status = host.raw(data).split(b" ", 2)[1]
    assert status.startswith(b"4"), host.text
    assert echo(host)["method"] == "GET"
    assert "Traceback" not in "\n".join(host.log[lines_before:])


def test_body_over_100_mib_is_413(host: RunningHost) -> None:
    size = MAX_BODY + 1
    answer = host.raw(b"POST /echo" + CLOSE + b"Content-Length: %d\r\n\r\n" % size + bytes(size))
    assert answer.split(b" ", 2)[1] == b"413"


def test_records_of_functions_and_their_tasks_reach_log(host: RunningHost) -> None:
    """As with the real host, which drops those of background threads. Printed lines always reach the log."""
    lines_before = len(host.log)
    assert host.request("/logs").status == 200
    host.wait_for_log("logged by a task after the function")
    assert host.request("/logs-in-pool").status == 200
    host.wait_for_log("logged by a function of the pool")
    lines = [line.partition("root: ")[2] or line for line in host.log[lines_before:]]
    assert sorted(lines) == [
        "logged by a coroutine",
        "logged by a function of the pool",
        "logged by a task",
        "logged by a task after the function",
        "logged by to_thread",
        "printed by a function",
    ]
