"""What may become of one request to Table Storage on its way there and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.unit.loopback import HANG_UP, Answer, Asked

from .counting_proxy import CountingProxy

Fault = Callable[[CountingProxy, Asked], Answer | None]


def request_lost(proxy: CountingProxy, asked: Asked) -> Answer | None:
    return HANG_UP


def reply_lost(proxy: CountingProxy, asked: Asked) -> Answer | None:
    proxy.pass_on(asked)
    return HANG_UP


def reply_cut_short(proxy: CountingProxy, asked: Asked) -> Answer | None:
    answer = proxy.pass_on(asked)
    promised = {"Content-Length": str(len(answer.body)), "Connection": "close"}
    return replace(answer, body=answer.body[: len(answer.body) // 2], headers={**answer.headers, **promised})


def busy(proxy: CountingProxy, asked: Asked) -> Answer | None:
    return Answer(503, headers={"Retry-After": "0"})


def busy_after_commit(proxy: CountingProxy, asked: Asked) -> Answer | None:
    proxy.pass_on(asked)
    return Answer(503, headers={"Retry-After": "0"})


def error_after_commit(proxy: CountingProxy, asked: Asked) -> Answer | None:
    proxy.pass_on(asked)
    return Answer(500)


BEFORE_COMMIT = [request_lost, busy]
AFTER_COMMIT = [reply_lost, reply_cut_short, busy_after_commit, error_after_commit]


def befall(proxy: CountingProxy, *faults: Fault) -> None:
    """Let the next commits meet with these faults, one each."""
    ahead = list(faults)

    def answer(asked: Asked) -> Answer | None:
        if ahead and asked.target.endswith("/$batch"):
            return ahead.pop(0)(proxy, asked)
        return proxy.pass_on(asked)

    proxy.handler = answer
