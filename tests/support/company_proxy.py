"""An HTTP proxy that a browser is set up to use, as in a company. It may break any of SignalR's transports."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Self
from urllib.parse import urlsplit

from tests.support import TEST_TIMEOUT

WEB_SOCKETS, EVENTS, POLLING = "WebSockets", "ServerSentEvents", "LongPolling"

_CHUNK_BYTES = 65_536


class Fault(Enum):
    """Treatments of the requests of a transport."""

    REFUSED = "gets 403"
    UNANSWERED = "gets no response"
    HELD = "gets the head of the response, but not its body"
    SILENT = "gets the response up to the end of SignalR's handshake"


_LAST_BYTES = {Fault.HELD: b"\r\n\r\n", Fault.SILENT: b"{}\x1e"}  # that pass


class CompanyProxy:
    """`url` is its address; `tried` are the transports of the requests so far, without repetitions in a row."""

    def __init__(self, faults: Mapping[str, Fault]) -> None:
        self.faults = faults
        self.tried: list[str] = []
        self._news = threading.Condition()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()

    def note(self, transport: str) -> None:
        """Record a request of a transport."""
        with self._news:
            if self.tried[-1:] != [transport]:
                self.tried.append(transport)
                self._news.notify_all()

    def wait_for(self, *tried: str) -> None:
        """Wait until exactly these transports were tried, in this order."""
        with self._news:
            assert self._news.wait_for(lambda: self.tried == list(tried), TEST_TIMEOUT), self.tried

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = True  # a test may end before its page is closed


def _handler(owner: CompanyProxy) -> type[StreamRequestHandler]:
    class Handler(StreamRequestHandler):
        """Forwards one request, or a tunnel."""

        def handle(self) -> None:
            head = b"".join(iter(self.rfile.readline, b"\r\n")).decode("latin-1")
            if not head:
                return
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            fault = None
            if transport := _transport(method, target, head):
                owner.note(transport)
                fault = owner.faults.get(transport)
            with suppress(OSError):  # either side may end the connection at any time
                match fault:
                    case Fault.REFUSED:
                        self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    case Fault.UNANSWERED:
                        self._wait_for_the_client_to_leave()
                    case _ if method == "CONNECT":
                        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                        self._forward(f"//{target}", b"", fault)
                    case _:
                        url = urlsplit(target)
                        path = url._replace(scheme="", netloc="").geturl()
                        fields = re.sub(r"(?im)^(proxy-)?connection:.*\r\n", "", head.split("\r\n", 1)[1])
                        request = f"{method} {path} HTTP/1.1\r\n{fields}Connection: close\r\n\r\n"
                        self._forward(target, request.encode("latin-1"), fault)

        def _forward(self, target: str, request: bytes, fault: Fault | None) -> None:
            host = urlsplit(target)
            with socket.create_connection((host.hostname, host.port), TEST_TIMEOUT) as upstream:
                upstream.settimeout(None)
                upstream.sendall(request)
                sending = threading.Thread(target=self._send, args=(upstream,), daemon=True)
                sending.start()
                is_held = self._receive(upstream, _LAST_BYTES.get(fault) if fault else None)
                if not is_held:
                    self.connection.shutdown(socket.SHUT_RDWR)
                sending.join()

        def _send(self, upstream: socket.socket) -> None:
            """Pass on what the client sends, until it leaves."""
            with suppress(OSError):
                while chunk := self.rfile.read1(_CHUNK_BYTES):
                    upstream.sendall(chunk)
                upstream.shutdown(socket.SHUT_RDWR)

        def _receive(self, upstream: socket.socket, last: bytes | None) -> bool:
            """Pass on what the client receives. Returns whether a part was held back."""
            passed = b""
            while chunk := upstream.recv(_CHUNK_BYTES):
                if last and last in passed:
                    continue
                end = (passed + chunk).find(last) if last else -1
                if last and end >= 0:
                    chunk = chunk[: end + len(last) - len(passed)]
                self.wfile.write(chunk)
                passed += chunk
            return last is not None and last in passed

        def _wait_for_the_client_to_leave(self) -> None:
            while self.rfile.read1(_CHUNK_BYTES):
                pass

    return Handler


def _transport(method: str, target: str, head: str) -> str | None:
    """The transport that a request belongs to, if it is one of a page by plain HTTP."""
    if method == "CONNECT":
        return WEB_SOCKETS
    if method != "GET" or not urlsplit(target).path.startswith("/client"):
        return None
    return EVENTS if "text/event-stream" in head else POLLING
