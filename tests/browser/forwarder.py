"""A way to cut one service off: the app is given an address that leads there only once it is opened."""

from __future__ import annotations

import contextlib
import socket
import threading
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlsplit


class Forwarder(ThreadingTCPServer):
    """Forwards TCP connections to the host of a url; until it is opened they are refused.

    `url` is the given one with an address of ours. Opened once; connections end with the app that made them.
    """

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Connection, bind_and_activate=False)
        self.server_bind()  # reserves the port: who connects is refused as long as nobody listens
        target = urlsplit(url)
        self.target = (target.hostname, target.port)
        self.url = target._replace(netloc=f"127.0.0.1:{self.server_address[1]}").geturl()

    def open(self) -> None:
        self.server_activate()
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Connection(BaseRequestHandler):
    server: Forwarder
    request: socket.socket

    def handle(self) -> None:
        with socket.create_connection(self.server.target) as service:
            answers = threading.Thread(target=_forward, args=(service, self.request), daemon=True)
            answers.start()
            _forward(self.request, service)
            answers.join()


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):  # either end may just be gone
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
