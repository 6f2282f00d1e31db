"""A proxy between the app and Azurite that loses, delays and garbles what passes, by a seeded plan.

It understands HTTP, so it can do what a broken network cannot be made to do on purpose: let the service carry out a
request and then lose the reply, or hand over a request after whoever sent it has given up.
"""

from __future__ import annotations

import http.client
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

PATIENCE = 30  # seconds: longer than any client waits for an answer
LONGEST_DELAY = 12  # requests that may overtake one that is delivered late
REFUSALS = ["EntityAlreadyExists", "UpdateConditionNotSatisfied"]

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Asked(NamedTuple):
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class FaultProxy:
    """`url` stands for the upstream's url.

    `met` counts what became of the requests, by the name of the fault, and `refused` what was not carried out because
    of other requests, by the service's name for that.
    """

    def __init__(self, upstream: str, seed: int, share: float) -> None:
        parts = urlsplit(upstream)
        self._upstream = parts.netloc
        self._plan, self._delays = random.Random(seed), random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        self._is_idle = threading.Condition(self._lock)
        self._under_way = 0
        self._late: list[tuple[int, Asked]] = []  # with the number of the request before which it arrives
        self.met: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _protocol(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}{parts.path}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def pass_on(self, asked: Asked) -> Answer:
        """Let the upstream carry it out. A signature stays valid: it covers the path but not the port."""
        connection = http.client.HTTPConnection(self._upstream, timeout=PATIENCE)
        try:
            connection.request(asked.method, asked.target, asked.body or None, dict(asked.headers))
            answer = connection.getresponse()
            headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_CONNECTION}
            body = answer.read()
        finally:
            connection.close()
        with self._lock:
            self.refused.update(code for code in REFUSALS if code.encode() in body)
        return Answer(answer.status, headers, body)

    def __str__(self) -> str:
        faults = self.met.total() - self.met["passes"]
        return f"requests {self.met.total()}, faults {faults}, refusals {dict(self.refused)}"

    @contextmanager
    def next_fault(self) -> Iterator[Fault]:
        """What becomes of the next request; those that are due to be delivered late are delivered before."""
        with self._lock:
            self._under_way += 1
            number = self.met.total()
            fault = self._plan.choice(FAULTS) if self._plan.random() < self._share else passes
            self.met[fault.__name__] += 1
            due = [asked for when, asked in self._late if when <= number]
            self._late = [(when, asked) for when, asked in self._late if when > number]
        try:
            for asked in due:
                self.pass_on(asked)
            yield fault
        finally:
            with self._is_idle:
                self._under_way -= 1
                self._is_idle.notify_all()

    def hold(self, asked: Asked) -> None:
        """Keep a request until some others have overtaken it."""
        with self._lock:
            self._late.append((self.met.total() + self._delays.randint(0, LONGEST_DELAY), asked))

    def deliver_late(self) -> None:
        """Deliver all that is still held, once no request is under way any more."""
        with self._is_idle:
            assert self._is_idle.wait_for(lambda: not self._under_way, PATIENCE), "a request is still under way"
            late, self._late = self._late, []
        for _, asked in late:
            self.pass_on(asked)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Exchange(BaseHTTPRequestHandler):
    """One connection of a client; `asked` is the request that is being served."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: FaultProxy
    asked: Asked

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        self.asked = Asked(self.command, self.path, headers, body)
        with suppress(ConnectionError), self.proxy.next_fault() as fault:  # the client may give up at any time
            fault(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_MERGE = serve  # noqa: N815

    def pass_on(self) -> Answer:
        return self.proxy.pass_on(self.asked)

    def answer(self, answer: Answer, promised: int = 0) -> None:
        """Send this answer; more bytes than it has may be promised."""
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(promised or len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True

    def reset(self) -> None:
        """End the connection with RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        socket.close(self.connection.detach())
        self.close_connection = True

    def wait_until_client_gives_up(self) -> None:
        self.connection.settimeout(PATIENCE)
        with suppress(ConnectionError):
            assert self.connection.recv(1) == b"", "a client that waits for an answer does not ask again"
        self.close_connection = True


def _protocol(proxy: FaultProxy) -> type[Exchange]:
    return type("Protocol", (Exchange,), {"proxy": proxy})


# What may become of a request

Fault = Callable[[Exchange], None]


def passes(exchange: Exchange) -> None:
    exchange.answer(exchange.pass_on())


def closed_before(exchange: Exchange) -> None:
    exchange.hang_up()


def closed_after(exchange: Exchange) -> None:
    exchange.pass_on()
    exchange.hang_up()


def reset_after(exchange: Exchange) -> None:
    exchange.pass_on()
    exchange.reset()


def busy_before(exchange: Exchange) -> None:
    exchange.answer(Answer(503, {"Retry-After": "0"}))


def busy_after(exchange: Exchange) -> None:
    exchange.pass_on()
    exchange.answer(Answer(503, {"Retry-After": "0"}))


def error_after(exchange: Exchange) -> None:
    exchange.pass_on()
    exchange.answer(Answer(500))


def cut_short(exchange: Exchange) -> None:
    answer = exchange.pass_on()
    exchange.answer(answer._replace(body=answer.body[: len(answer.body) // 2]), promised=len(answer.body) + 1)
    exchange.hang_up()


def hangs_before(exchange: Exchange) -> None:
    exchange.wait_until_client_gives_up()


def hangs_after(exchange: Exchange) -> None:
    exchange.pass_on()
    exchange.wait_until_client_gives_up()


def delivered_late(exchange: Exchange) -> None:
    exchange.wait_until_client_gives_up()
    exchange.proxy.hold(exchange.asked)


FAULTS: list[Fault] = [
    closed_before,
    closed_after,
    reset_after,
    busy_before,
    busy_after,
    error_after,
    cut_short,
    hangs_before,
    hangs_after,
    delivered_late,
]


@contextmanager
def fault_proxy(upstream: str, seed: int, share: float = 0.35) -> Iterator[FaultProxy]:
    """A proxy at a free port for as long as the context lasts; this share of the requests meets with a fault."""
    proxy = FaultProxy(upstream, seed, share)
    try:
        yield proxy
    finally:
        proxy.close()
