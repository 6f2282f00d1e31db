"""The proxy that tests put before Table Storage, Blob Storage or SignalR: it records requests, and may break them."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from tests.support import TEST_TIMEOUT
from tests.support.web_server import Answer, Asked, WebServer

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Proxy(WebServer):
    """`url` replaces the upstream's url.

    What authorises a request stays valid: a signature of Storage covers the path but not the port, and SignalR gets
    its own host, which is the audience of its tokens. A test may replace `handler`, which is `pass_on` at first, by
    one that applies faults. `late` are requests that a fault keeps, to be delivered when their sender has given up.
    """

    def __init__(self, upstream: str, *, listens: bool = True) -> None:
        parts = urlsplit(upstream)
        self._upstream = parts.netloc
        self.late: list[Asked] = []
        super().__init__(self.pass_on, listens=listens)
        self.url += parts.path

    def pass_on(self, asked: Asked) -> Answer:
        """The upstream's response."""
        connection = http.client.HTTPConnection(self._upstream, timeout=TEST_TIMEOUT)
        headers = {name: value for name, value in asked.headers.items() if name != "host"}
        try:
            connection.request(asked.method, asked.target, asked.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        passed_on = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
        if asked.method == "HEAD":
            passed_on["Content-Length"] = answer.getheader("Content-Length", "0")
        return Answer(answer.status, body, passed_on)

    def deliver_late(self) -> None:
        """Deliver the late requests, once no other is under way any more."""
        self.wait_for(lambda: not self._under_way)
        while self.late:
            self.pass_on(self.late.pop(0))

    @property
    def commits(self) -> list[Asked]:
        """The entity group transactions so far."""
        return [asked for asked in self.asked if asked.target.endswith("/$batch")]

    @property
    def reads(self) -> list[Asked]:
        """The requests so far that change nothing."""
        return [asked for asked in self.asked if asked.method in ("GET", "HEAD")]
