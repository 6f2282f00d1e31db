"""HTTP responses from results and errors."""

from __future__ import annotations

import functools
import json
import logging
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import azure.functions as func

from signin.counter import Reading, SignIn
from signin.counting.committer import NotAcknowledged
from signin.counting.errors import StorageError
from signin.live.here import HereNow
from signin.live.hub import ClientAccess, SignalRError
from signin.live.open_pages import InvalidSlot
from signin.settings import SettingsError
from signin.telemetry.console import request_scope
from signin.visits.origins import Origins
from signin.visits.statistics import Statistics
from signin.visits.visit import InvalidIdempotencyKey
from signin.website.badge import Badge, InvalidBadge
from signin.website.blobs import ContentUnavailable
from signin.website.representation import Page
from signin.website.security import NO_SNIFFING, STRICT_TRANSPORT, cors_headers

logger = logging.getLogger(__name__)

_RETRY_AFTER = "5"  # seconds

Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


def sign_in(result: SignIn) -> func.HttpResponse:
    """`{"authInfo": {"serviceUrl", "accessToken"}, "stats": {…}}`, and `"recorded": "no"` if no visit was counted."""
    access = json.dumps({"serviceUrl": result.access.url, "accessToken": result.access.token})
    recorded = "" if result.is_counted else ', "recorded": "no"'
    stats = _stats(result.statistics, result.at, result.here)
    return _response(200, f'{{"authInfo": {access}, "stats": {stats}{recorded}}}')


def negotiation(access: ClientAccess) -> func.HttpResponse:
    """`{"url", "accessToken"}`, as SignalR clients expect of a negotiate endpoint."""
    return _json({"url": access.url, "accessToken": access.token})


def statistics(result: Reading) -> func.HttpResponse:
    """The statistics, see `Statistics.to_json`, and the open pages, see `HereNow.to_json`."""
    return _response(200, _stats(result.statistics, result.at, result.here))


def left() -> func.HttpResponse:
    """204: a page that is left reads no response."""
    return func.HttpResponse(status_code=204, headers={"Cache-Control": "no-store", **NO_SNIFFING})


def health(problems: Mapping[str, str | None]) -> func.HttpResponse:
    """One line for each service, `"table": {"ok": true}`; 503 unless all are well."""
    lines = [
        f'"{part}": {json.dumps({"ok": True} if problem is None else {"ok": False, "error": problem})}'
        for part, problem in problems.items()
    ]
    is_well = all(problem is None for problem in problems.values())
    return _response(200 if is_well else 503, "{\n  " + ",\n  ".join(lines) + "\n}\n")


def page(result: Page, req: func.HttpRequest, page_headers: Mapping[str, str]) -> func.HttpResponse:
    """A blob, or the reason why there is none, with the headers of every page."""
    headers = {**page_headers, **result.headers}
    if _is_secure(req):
        headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    return func.HttpResponse(result.body, status_code=result.status, headers=headers)


def _is_secure(req: func.HttpRequest) -> bool:
    """Whether the visitor uses https, which in Azure ends at the front end."""
    protocol: str = req.headers.get("x-forwarded-proto", req.url)
    return protocol.startswith("https")


def badge(value: Badge, max_age: float) -> func.HttpResponse:
    """An SVG that any site may show and cache for `max_age` seconds."""
    headers = {
        "Content-Type": "image/svg+xml",
        "Cache-Control": _public(max_age),
        "Content-Security-Policy": "default-src 'none'",
        "Cross-Origin-Resource-Policy": "cross-origin",
        **NO_SNIFFING,
    }
    return func.HttpResponse(value.svg(), headers=headers)


def badge_json(value: Badge, max_age: float) -> func.HttpResponse:
    """The same for shields.io, see `Badge.to_json`."""
    response = _json(value.to_json())
    response.headers["Cache-Control"] = _public(max_age)
    return response


def _public(max_age: float) -> str:
    return f"public, max-age={math.ceil(max_age)}"


def method_not_allowed(method: str, allowed: Iterable[str]) -> func.HttpResponse:
    """405 with the allowed methods, or 204 to OPTIONS."""
    headers = {"Allow": ", ".join(allowed), **NO_SNIFFING}
    if method == "OPTIONS":
        return func.HttpResponse(status_code=204, headers=headers)
    return func.HttpResponse("Method not allowed.\n", status_code=405, headers=headers)


def error(problem: Exception) -> func.HttpResponse:
    """`{"error": one clear line, "recorded": "no" or "unknown"}`; raises an unexpected error again.

    `recorded`: the request certainly was not counted as a visit, or may have been.
    """
    match problem:
        case InvalidIdempotencyKey() | InvalidSlot() | InvalidBadge():
            return _json({"error": str(problem), "recorded": "no"}, 400)
        case SettingsError():
            logger.error("the app cannot work: %s", problem)
            return _json({"error": f"The app is not set up: {problem}", "recorded": "no"}, 500)
        # What follows is logged already: once for a batch, or for as long as it lasts.
        case NotAcknowledged():
            content = {"error": f"The visit was not acknowledged: {problem}", "recorded": problem.recorded}
        case ContentUnavailable() | StorageError() | SignalRError():
            content = {"error": str(problem), "recorded": "no"}
        case _:
            raise problem
    response = _json(content, 503)
    response.headers["Retry-After"] = _RETRY_AFTER
    return response


def errors_as_responses(handler: Handler) -> Handler:
    """A handler that returns expected errors as HTTP responses, and whose log records are the request's."""

    @functools.wraps(handler)
    async def respond(req: func.HttpRequest) -> func.HttpResponse:
        with request_scope():
            response = await _outcome(handler(req))
        if response.status_code not in (204, 304):  # without it the host sends the body in chunks
            response.headers.setdefault("Content-Length", str(len(response.get_body())))
        return response

    return respond


async def readable_by(
    allowed_origins: Origins, req: func.HttpRequest, answer: Awaitable[func.HttpResponse]
) -> func.HttpResponse:
    """The answer to a request, also an expected error, as a response that pages of the allowed origins may read."""
    response = await _outcome(answer)
    response.headers.update(cors_headers(req.headers.get("origin", ""), allowed_origins))
    return response


async def _outcome(answer: Awaitable[func.HttpResponse]) -> func.HttpResponse:
    try:
        return await answer
    except Exception as problem:
        return error(problem)


def _stats(value: Statistics, now: datetime, here: HereNow | None) -> str:
    text = value.json_text(now)
    return text if here is None else f'{text[:-1]}, "here": {json.dumps(here.to_json())}}}'


def _json(content: Mapping[str, Any], status: int = 200) -> func.HttpResponse:
    return _response(status, json.dumps(content, ensure_ascii=False))


def _response(status: int, text: str) -> func.HttpResponse:
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store", **NO_SNIFFING}
    return func.HttpResponse(text, status_code=status, headers=headers)
