"""What can happen to a request and its response; "before" and "after" refer to the service's work on the request.

A proxy understands HTTP, so it can do what a broken network cannot be made to do on purpose: let the service carry out
a request and then lose the response, or deliver a request after its sender has given up.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from tests.support.proxy import Proxy
from tests.support.web_server import CLOSE, Request, Response

_BUSY = Response(503, headers={"Retry-After": "0"})
_CONFLICTS = ["EntityAlreadyExists", "UpdateConditionNotSatisfied"]
_ARRIVAL = 1 / 6  # the chance that a late request arrives before the next one

Fault = Callable[[Proxy, Request], Response | None]


def closed_before(proxy: Proxy, request: Request) -> Response | None:
    return CLOSE


def closed_after(proxy: Proxy, request: Request) -> Response | None:
    proxy.forward(request)
    return CLOSE


def reset_after(proxy: Proxy, request: Request) -> Response | None:
    proxy.forward(request)
    request.reset()
    return CLOSE


def busy_before(proxy: Proxy, request: Request) -> Response | None:
    return _BUSY


def busy_after(proxy: Proxy, request: Request) -> Response | None:
    proxy.forward(request)
    return _BUSY


def error_after(proxy: Proxy, request: Request) -> Response | None:
    proxy.forward(request)
    return Response(500)


def truncated(proxy: Proxy, request: Request) -> Response | None:
    """The response ends in the middle of its body, or one byte early if it has none."""
    response = proxy.forward(request)
    promised = {"Content-Length": str(len(response.body) + 1), "Connection": "close"}
    return replace(response, body=response.body[: len(response.body) // 2], headers={**response.headers, **promised})


def hangs_before(proxy: Proxy, request: Request) -> Response | None:
    request.wait_until_client_gives_up()
    return CLOSE


def hangs_after(proxy: Proxy, request: Request) -> Response | None:
    proxy.forward(request)
    request.wait_until_client_gives_up()
    return CLOSE


def delivered_late(proxy: Proxy, request: Request) -> Response | None:
    request.wait_until_client_gives_up()
    proxy.late.append(request)
    return CLOSE


# Those that end without the client's read timeout
BEFORE = [closed_before, busy_before]
AFTER = [closed_after, reset_after, truncated, busy_after, error_after]

FAULTS = [*BEFORE, *AFTER, hangs_before, hangs_after, delivered_late]


def break_commits(proxy: Proxy, *faults: Fault) -> None:
    """Apply these faults to the next entity group transactions, one to each."""
    ahead = list(faults)

    def handler(request: Request) -> Response | None:
        if ahead and request.target.endswith("/$batch"):
            return ahead.pop(0)(proxy, request)
        return proxy.forward(request)

    proxy.handler = handler


class FaultyProxy(Proxy):
    """A proxy that applies faults to a share of the requests, in an order that depends on a seed.

    `applied` counts the faults by name, `conflicts` the requests that failed because of others, by error code.
    """

    def __init__(self, upstream: str, seed: int, share: float = 0.35) -> None:
        self.applied: Counter[str] = Counter()
        self.conflicts: Counter[str] = Counter()
        self._plan, self._arrivals = random.Random(seed), random.Random(seed)
        self._share = share
        self._lock = threading.Lock()
        super().__init__(upstream)
        self.handler = self._apply

    def _apply(self, request: Request) -> Response | None:
        with self._lock:
            fault = self._plan.choice(FAULTS) if self._plan.random() < self._share else None
            if fault:
                self.applied[fault.__name__] += 1
            arriving = [late for late in self.late.copy() if self._arrivals.random() < _ARRIVAL]
            for late in arriving:
                self.late.remove(late)
        for late in arriving:
            self.forward(late)
        return fault(self, request) if fault else self.forward(request)

    def forward(self, request: Request) -> Response:
        response = super().forward(request)
        self.conflicts.update(code for code in _CONFLICTS if code.encode() in response.body)
        return response

    def __str__(self) -> str:
        return f"requests {len(self.requests)}, faults {self.applied.total()}, conflicts {dict(self.conflicts)}"
