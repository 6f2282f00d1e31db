"""A proxy between the app and a storage service or SignalR: what is asked on the wire can be counted, and broken."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.unit.loopback import Answer, Asked, WebServer

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class CountingProxy(WebServer):
    """`url` stands for the upstream's url, `asked` are the requests so far.

    What authorises a request stays valid: a storage signature covers the path but not the port, and SignalR gets its
    own host, to which its tokens are made out. A test may put a fault in the place
    of `handler`; `pass_on` is what it is without.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = parts.netloc
        super().__init__(self.pass_on)
        self.url += parts.path

    def pass_on(self, asked: Asked) -> Answer:
        """The upstream's answer."""
        connection = http.client.HTTPConnection(self._upstream, timeout=30)
        headers = {name: value for name, value in asked.headers.items() if name != "host"}
        try:
            connection.request(asked.method, asked.target, asked.body or None, headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        passed_on = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_CONNECTION}
        if asked.method == "HEAD":
            passed_on["Content-Length"] = answer.getheader("Content-Length", "0")
        return Answer(answer.status, body, passed_on)

    @property
    def commits(self) -> list[Asked]:
        """The entity group transactions so far."""
        return [asked for asked in self.asked if asked.target.endswith("/$batch")]

    @property
    def reads(self) -> list[Asked]:
        """The requests so far that change nothing."""
        return [asked for asked in self.asked if asked.method in ("GET", "HEAD")]


@contextmanager
def counting_proxy(upstream: str) -> Iterator[CountingProxy]:
    """A proxy at a free port for as long as the context lasts."""
    proxy = CountingProxy(upstream)
    try:
        yield proxy
    finally:
        proxy.close()
