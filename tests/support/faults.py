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
from tests.support.web_server import HANG_UP, Answer, Asked

_BUSY = Answer(503, headers={"Retry-After": "0"})
_CONFLICTS = ["EntityAlreadyExists", "UpdateConditionNotSatisfied"]
_ARRIVAL = 1 / 6  # the chance that a late request arrives before the next one

Fault = Callable[[Proxy, Asked], Answer | None]


def closed_before(proxy: Proxy, asked: Asked) -> Answer | None:
    return HANG_UP


def closed_after(proxy: Proxy, asked: Asked) -> Answer | None:
    proxy.pass_on(asked)
    return HANG_UP


def reset_after(proxy: Proxy, asked: Asked) -> Answer | None:
    proxy.pass_on(asked)
    asked.reset()
    return HANG_UP


def busy_before(proxy: Proxy, asked: Asked) -> Answer | None:
    return _BUSY


def busy_after(proxy: Proxy, asked: Asked) -> Answer | None:
    proxy.pass_on(asked)
    return _BUSY


def error_after(proxy: Proxy, asked: Asked) -> Answer | None:
    proxy.pass_on(asked)
    return Answer(500)


def truncated(proxy: Proxy, asked: Asked) -> Answer | None:
    """The response ends in the middle of its body, or one byte early if it has none."""
    answer = proxy.pass_on(asked)
    promised = {"Content-Length": str(len(answer.body) + 1), "Connection": "close"}
    return replace(answer, body=answer.body[: len(answer.body) // 2], headers={**answer.headers, **promised})


def hangs_before(proxy: Proxy, asked: Asked) -> Answer | None:
    asked.wait_until_client_gives_up()
    return HANG_UP


def hangs_after(proxy: Proxy, asked: Asked) -> Answer | None:
    proxy.pass_on(asked)
    asked.wait_until_client_gives_up()
    return HANG_UP


def delivered_late(proxy: Proxy, asked: Asked) -> Answer | None:
    asked.wait_until_client_gives_up()
    proxy.late.append(asked)
    return HANG_UP


# Those that end without the client's read timeout
BEFORE = [closed_before, busy_before]
AFTER = [closed_after, reset_after, truncated, busy_after, error_after]

FAULTS = [*BEFORE, *AFTER, hangs_before, hangs_after, delivered_late]


def break_commits(proxy: Proxy, *faults: Fault) -> None:
    """Apply these faults to the next entity group transactions, one to each."""
    ahead = list(faults)

    def handler(asked: Asked) -> Answer | None:
        if ahead and asked.target.endswith("/$batch"):
            return ahead.pop(0)(proxy, asked)
        return proxy.pass_on(asked)

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

    def _apply(self, asked: Asked) -> Answer | None:
        with self._lock:
            fault = self._plan.choice(FAULTS) if self._plan.random() < self._share else None
            if fault:
                self.applied[fault.__name__] += 1
            arriving = [late for late in self.late.copy() if self._arrivals.random() < _ARRIVAL]
            for late in arriving:
                self.late.remove(late)
        for late in arriving:
            self.pass_on(late)
        return fault(self, asked) if fault else self.pass_on(asked)

    def pass_on(self, asked: Asked) -> Answer:
        answer = super().pass_on(asked)
        self.conflicts.update(code for code in _CONFLICTS if code.encode() in answer.body)
        return answer

    def __str__(self) -> str:
        return f"requests {len(self.asked)}, faults {self.applied.total()}, conflicts {dict(self.conflicts)}"
