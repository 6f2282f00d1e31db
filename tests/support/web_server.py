"""A web server on loopback that records the requests it gets, and answers them as a test decides."""

from __future__ import annotations

import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from tests.support import TEST_TIMEOUT

_LINGER_0_SECONDS = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)


@dataclass(frozen=True)
class Request:
    """A request as it came over the wire; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: socket.socket = field(repr=False, compare=False)

    def reset(self) -> None:
        """End the connection with RST; return CLOSE after this."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_0_SECONDS)
        socket.close(self.connection.detach())

    def wait_until_client_gives_up(self) -> None:
        """Wait until the client closes the connection; return CLOSE after this."""
        self.connection.settimeout(TEST_TIMEOUT)
        with suppress(ConnectionError):
            assert self.connection.recv(1) == b"", "the client sent another request before the response to this one"


@dataclass(frozen=True)
class Response:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


CLOSE = None  # in place of a response: close the connection

Handler = Callable[[Request], Response | None]


class WebServer:
    """`url` is its address, `requests` are the requests so far, `handler` answers the next one.

    Without `listens`, connections are refused until `listen` is called.
    """

    def __init__(self, handler: Handler, *, listens: bool = True) -> None:
        self.handler = handler
        self.requests: list[Request] = []
        self.connections = 0
        self.close_after_response = False
        self._under_way = 0
        self._news = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _protocol(self), bind_and_activate=False)
        self._server.server_bind()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        if listens:
            self.listen()

    def listen(self) -> None:
        """Accept connections from now on."""
        self._server.server_activate()
        self._thread.start()

    def respond(self, request: Request) -> Response | None:
        """Record a request and return the response of the handler."""
        with self._news:
            self.requests.append(request)
            self._under_way += 1
            self._news.notify_all()
        try:
            return self.handler(request)
        finally:
            with self._news:
                self._under_way -= 1
                self._news.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds, which depends on the requests so far."""
        with self._news:
            assert self._news.wait_for(condition, TEST_TIMEOUT), (
                f"{len(self.requests)} requests, {self._under_way} open"
            )

    def close(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _protocol(owner: WebServer) -> type[BaseHTTPRequestHandler]:
    class Protocol(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # a response is sent in one piece

        def setup(self) -> None:
            super().setup()
            owner.connections += 1

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client may give up at any time
                super().handle()

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            response = owner.respond(Request(self.command, self.path, headers, body, self.connection))
            if response is None:
                self.close_connection = True
                return
            self.send_response_only(response.status)
            for name, value in ({"Content-Length": str(len(response.body))} | dict(response.headers)).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(response.body)
            self.close_connection |= owner.close_after_response

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_MERGE = do_OPTIONS = respond  # noqa: N815

    return Protocol


@contextmanager
def nothing_listening() -> Iterator[str]:
    """An address at which connections are refused."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"
