"""The proxy that tests put before Table Storage, Blob Storage or SignalR: it records requests, and may break them."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from tests.support import TEST_TIMEOUT
from tests.support.web_server import Request, Response, WebServer

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Proxy(WebServer):
    """`url` replaces the upstream's url.

    What authorises a request stays valid: a signature of Storage covers the path but not the port, and SignalR gets
    its own host, which is the audience of its tokens. A test may replace `handler`, which is `forward` at first, by
    one that applies faults. `late` are requests that a fault keeps, to be delivered when their sender has given up.
    """

    def __init__(self, upstream: str, *, listens: bool = True) -> None:
        parts = urlsplit(upstream)
        self._upstream = parts.netloc
        self.late: list[Request] = []
        super().__init__(self.forward, listens=listens)
        self.url += parts.path

    def forward(self, request: Request) -> Response:
        """The upstream's response."""
        connection = http.client.HTTPConnection(self._upstream, timeout=TEST_TIMEOUT)
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        try:
            connection.request(request.method, request.target, request.body or None, headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        passed_on = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
        if request.method == "HEAD":
            passed_on["Content-Length"] = response.getheader("Content-Length", "0")
        return Response(response.status, body, passed_on)

    def deliver_late(self) -> None:
        """Deliver the late requests, once no other is under way any more."""
        self.wait_for(lambda: not self._under_way)
        while self.late:
            self.forward(self.late.pop(0))

    @property
    def commits(self) -> list[Request]:
        """The entity group transactions so far."""
        return [request for request in self.requests if request.target.endswith("/$batch")]

    @property
    def reads(self) -> list[Request]:
        """The requests so far that change nothing."""
        return [request for request in self.requests if request.method in ("GET", "HEAD")]
