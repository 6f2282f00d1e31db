"""A web server on loopback that records what it is asked and answers as a test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """A request as it came over the wire; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


HANG_UP = None  # as an answer: close the connection without a word

Handler = Callable[[Asked], Answer | None]


class WebServer:
    """`url` is its address, `asked` what came in so far, `handler` what answers the next request."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.asked: list[Asked] = []
        self.connections = 0
        self.close_after_answer = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _protocol(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _protocol(owner: WebServer) -> type[BaseHTTPRequestHandler]:
    class Protocol(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            owner.connections += 1

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            owner.asked.append(asked)
            answer = owner.handler(asked)
            if answer is None:
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in ({"Content-Length": str(len(answer.body))} | dict(answer.headers)).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            self.close_connection |= owner.close_after_answer

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = answer  # noqa: N815

    return Protocol


@contextmanager
def web_server(handler: Handler) -> Iterator[WebServer]:
    """A server at a free port for as long as the context lasts."""
    server = WebServer(handler)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def nothing_listening() -> Iterator[str]:
    """An address at which connections are refused."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{reserved.getsockname()[1]}"
