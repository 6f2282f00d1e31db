from __future__ import annotations

import asyncio
import inspect
import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import azure.functions as func
import pytest

from local import REPOSITORY
from signin import responses
from signin.counter import Reading, SignIn
from signin.counting.committer import NotAcknowledged
from signin.counting.errors import OutcomeUnknown, PermanentError
from signin.live.hub import ClientAccess, SignalRError
from signin.settings import SettingsError
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from signin.website.badge import Badge
from signin.website.blobs import ContentUnavailable
from signin.website.representation import Page

ACCESS = ClientAccess("https://x/client/?hub=signinsamplehub", "token")
NOW = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)
STATISTICS = Statistics.from_counts(
    3, {"OS": {"iOS": 1, "Windows": 2}, "Browser": {"Safari": 1, "Chrome": 2}, "Device": {"Phone": 1, "Desktop": 2}}
)
STATISTICS_JSON = {
    **Statistics.from_counts(3, {}).to_json(NOW),
    "totalNumber": 3,
    "byOS": {"Windows": 2, "iOS": 1},
    "byBrowser": {"Chrome": 2, "Safari": 1},
    "byDevice": {"Desktop": 2, "Phone": 1},
}
del STATISTICS_JSON["history"]


def without_history(statistics: dict[str, Any]) -> dict[str, Any]:
    """The other members, after a check of the one that depends on the time."""
    assert {name: len(series["counts"]) for name, series in statistics["history"].items()} == {
        "minutes": 60,
        "hours": 48,
        "days": 366,
    }
    return {name: value for name, value in statistics.items() if name != "history"}


def request(url: str = "http://localhost/", **headers: str) -> func.HttpRequest:
    return func.HttpRequest(method="GET", url=url, headers=headers, body=b"")


def is_never_cached_json(response: func.HttpResponse) -> bool:
    return dict(response.headers) == {
        "Content-Type": "application/json",
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    } | {name: value for name, value in response.headers.items() if name == "Retry-After"}


def test_sign_in_is_access_and_statistics() -> None:
    response = responses.sign_in(SignIn(ACCESS, STATISTICS, NOW, is_counted=True))
    assert response.status_code == 200
    content = json.loads(response.get_body())
    assert content.keys() == {"authInfo", "stats"}
    assert content["authInfo"] == {"serviceUrl": ACCESS.url, "accessToken": ACCESS.token}
    assert without_history(content["stats"]) == STATISTICS_JSON
    assert is_never_cached_json(response)


def test_sign_in_reports_that_no_visit_was_counted() -> None:
    response = responses.sign_in(SignIn(ACCESS, STATISTICS, NOW, is_counted=False))
    assert response.status_code == 200
    content = json.loads(response.get_body())
    assert content.keys() == {"authInfo", "stats", "recorded"}
    assert content["recorded"] == "no"
    assert without_history(content["stats"]) == STATISTICS_JSON


def test_negotiation_is_what_signalr_clients_expect() -> None:
    response = responses.negotiation(ACCESS)
    assert json.loads(response.get_body()) == {"url": ACCESS.url, "accessToken": ACCESS.token}
    assert is_never_cached_json(response)


def test_statistics_are_the_stats_of_a_sign_in() -> None:
    response = responses.statistics(Reading(STATISTICS, NOW))
    assert without_history(json.loads(response.get_body())) == STATISTICS_JSON
    assert is_never_cached_json(response)


RESPONSES: list[Callable[[Statistics, datetime], func.HttpResponse]] = [
    lambda value, now: responses.statistics(Reading(value, now)),
    lambda value, now: responses.sign_in(SignIn(ACCESS, value, now, is_counted=True)),
]


def minutes_of(response: func.HttpResponse) -> dict[str, Any]:
    content = json.loads(response.get_body())
    minutes: dict[str, Any] = content.get("stats", content)["history"]["minutes"]
    return minutes


@pytest.mark.parametrize("respond", RESPONSES, ids=["statistics", "sign-in"])
def test_response_has_the_history_of_the_present_minute(
    respond: Callable[[Statistics, datetime], func.HttpResponse],
) -> None:
    """The text is cached with the statistics, and no text of an earlier minute is returned."""
    last_second = datetime(2026, 11, 23, 9, 15, 59, tzinfo=UTC)
    value = Statistics.of([Visit("key", {"OS": "iOS", "Browser": "Safari"}, last_second)])
    assert minutes_of(respond(value, last_second))["counts"][-2:] == [0, 1]
    assert minutes_of(respond(value, last_second + timedelta(seconds=1)))["counts"][-2:] == [1, 0]
    assert minutes_of(respond(value, last_second + timedelta(hours=2)))["start"] == "2026-11-23T10:16:00Z"
    assert minutes_of(respond(value, last_second))["counts"][-2:] == [0, 1]


def test_statistics_are_serialized_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The visitors of a batch share their statistics."""
    minute = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)
    serialized: list[datetime] = []
    to_json = Statistics.to_json

    def to_json_once(value: Statistics, now: datetime) -> dict[str, Any]:
        serialized.append(now)
        return to_json(value, now)

    monkeypatch.setattr(Statistics, "to_json", to_json_once)
    value = Statistics.from_counts(3, {})
    for second in range(60):
        for respond in RESPONSES:
            respond(value, minute + timedelta(seconds=second))
    assert len(serialized) == 1


def test_other_statistics_have_a_response_of_their_own() -> None:
    totals = [
        json.loads(responses.statistics(Reading(Statistics.from_counts(total, {}), NOW)).get_body())["totalNumber"]
        for total in (1, 2, 1)
    ]
    assert totals == [1, 2, 1]


def test_health_is_200_if_all_services_answer() -> None:
    response = responses.health({"table": None, "blob": None})
    assert response.status_code == 200
    assert json.loads(response.get_body()) == {"table": {"ok": True}, "blob": {"ok": True}}


def test_health_is_503_with_a_line_for_each_service() -> None:
    response = responses.health({"table": 'code "no"', "blob": None})
    assert response.status_code == 503
    text = response.get_body().decode()
    assert json.loads(text) == {"table": {"ok": False, "error": 'code "no"'}, "blob": {"ok": True}}
    assert len(text.splitlines()) == 4
    assert is_never_cached_json(response)


def test_page_has_its_own_and_common_headers() -> None:
    page = Page(404, {"Content-Type": "text/html", "ETag": '"1"'}, b"<p>")
    response = responses.page(page, request(), {"X-Content-Type-Options": "nosniff"})
    assert (response.status_code, response.get_body()) == (404, b"<p>")
    assert dict(response.headers) == {
        "X-Content-Type-Options": "nosniff",
        "Content-Type": "text/html",
        "ETag": '"1"',
    }


@pytest.mark.parametrize(
    ("req", "is_secure"),
    [
        (request("https://x/"), True),
        (request("http://x/", **{"X-Forwarded-Proto": "https"}), True),
        (request("http://x/"), False),
        (request("http://x/https:"), False),
        (request("http://x/", **{"X-Forwarded-Proto": "http"}), False),
    ],
    ids=["https", "https at the front end", "http", "https in the path", "http at the front end"],
)
def test_only_https_pages_have_strict_transport(req: func.HttpRequest, is_secure: bool) -> None:
    assert ("Strict-Transport-Security" in responses.page(Page(200), req, {}).headers) == is_secure


@pytest.mark.parametrize(("interval", "max_age"), [(0.1, 1), (1, 1), (1.5, 2), (3600, 3600)])
def test_badge_is_public_and_cached_for_an_interval(interval: float, max_age: int) -> None:
    response = responses.badge(Badge("visits", "3"), interval)
    assert response.status_code == 200
    assert b"visits: 3" in response.get_body()
    assert dict(response.headers) == {
        "Content-Type": "image/svg+xml",
        "Cache-Control": f"public, max-age={max_age}",
        "Content-Security-Policy": "default-src 'none'",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }


@pytest.mark.parametrize(("interval", "max_age"), [(0.1, 1), (3600, 3600)])
def test_badge_for_shields_is_cached_like_the_picture(interval: float, max_age: int) -> None:
    response = responses.badge_json(Badge("\u00e9", "3+"), interval)
    assert response.status_code == 200
    assert json.loads(response.get_body()) == Badge("\u00e9", "3+").to_json()
    assert dict(response.headers) == {
        "Content-Type": "application/json",
        "Cache-Control": f"public, max-age={max_age}",
        "X-Content-Type-Options": "nosniff",
    }


def test_wrong_method_is_405_with_allowed_methods() -> None:
    response = responses.method_not_allowed("DELETE", ("GET", "HEAD"))
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


def test_options_is_204_with_allowed_methods() -> None:
    response = responses.method_not_allowed("OPTIONS", ("POST",))
    assert (response.status_code, response.headers["Allow"], response.get_body()) == (204, "POST", b"")


@pytest.mark.parametrize(
    ("problem", "status", "content"),
    [
        (
            SettingsError("BlobHost is not set"),
            500,
            {"error": "The app is not set up: BlobHost is not set", "recorded": "no"},
        ),
        (
            NotAcknowledged("too slow", recorded="no"),
            503,
            {"error": "The visit was not acknowledged: too slow", "recorded": "no"},
        ),
        (
            NotAcknowledged("no answer", recorded="unknown"),
            503,
            {"error": "The visit was not acknowledged: no answer", "recorded": "unknown"},
        ),
        (PermanentError("a wrong key"), 503, {"error": "a wrong key", "recorded": "no"}),
        (OutcomeUnknown("no answer"), 503, {"error": "no answer", "recorded": "no"}),
        (ContentUnavailable("no content"), 503, {"error": "no content", "recorded": "no"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_expected_error_is_one_line_of_json(problem: Exception, status: int, content: dict[str, str]) -> None:
    response = responses.error(problem)
    assert response.status_code == status
    assert json.loads(response.get_body()) == content
    assert len(response.get_body().splitlines()) == 1
    assert is_never_cached_json(response)
    assert ("Retry-After" in response.headers) == (status == 503)


def test_unacknowledged_visit_has_retry_after() -> None:
    assert int(responses.error(NotAcknowledged("too slow", recorded="no")).headers["Retry-After"]) > 0


def test_wrong_settings_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    responses.error(SettingsError("BlobHost is not set"))
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "BlobHost is not set" in caplog.text


def test_errors_logged_elsewhere_are_not_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    for problem in (
        NotAcknowledged("too slow", recorded="no"),
        ContentUnavailable("no content"),
        PermanentError("a wrong key"),
        SignalRError("busy"),
    ):
        responses.error(problem)
    assert not caplog.records


def test_unexpected_error_is_raised_again() -> None:
    with pytest.raises(ZeroDivisionError):
        responses.error(ZeroDivisionError())


async def test_expected_error_of_a_handler_is_a_response() -> None:
    async def fails(req: func.HttpRequest) -> func.HttpResponse:
        raise OutcomeUnknown("no answer")

    async def fails_later(req: func.HttpRequest) -> func.HttpResponse:
        await asyncio.sleep(0)
        raise OutcomeUnknown("no answer")

    for handler in (fails, fails_later):
        assert (await responses.errors_as_responses(handler)(request())).status_code == 503


async def test_unexpected_error_of_a_handler_is_raised() -> None:
    async def fails(req: func.HttpRequest) -> func.HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await responses.errors_as_responses(fails)(request())


async def test_cancelled_request_is_no_error() -> None:
    async def waits(req: func.HttpRequest) -> func.HttpResponse:
        await asyncio.Event().wait()
        raise AssertionError

    waiting = asyncio.ensure_future(responses.errors_as_responses(waits)(request()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_wrapped_handler_keeps_name_and_signature() -> None:
    """The worker reads both. It runs coroutine functions on its event loop and other functions in threads."""

    async def handler(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()

    wrapped = responses.errors_as_responses(handler)
    assert wrapped.__name__ == "handler"
    assert list(inspect.signature(wrapped).parameters) == ["req"]
    assert inspect.iscoroutinefunction(wrapped)


async def test_response_declares_its_length() -> None:
    async def succeeds(req: func.HttpRequest) -> func.HttpResponse:
        return responses.negotiation(ACCESS)

    async def fails(req: func.HttpRequest) -> func.HttpResponse:
        raise OutcomeUnknown("down")

    for handler in (succeeds, fails):
        response = await responses.errors_as_responses(handler)(request())
        assert response.headers["Content-Length"] == str(len(response.get_body())) != "0"


@pytest.mark.parametrize("status", [204, 304])
async def test_response_without_body_declares_no_length(status: int) -> None:
    async def succeeds(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse(status_code=status)

    assert "Content-Length" not in (await responses.errors_as_responses(succeeds)(request())).headers


def test_script_for_other_sites_has_the_time_of_retry_after() -> None:
    script = (REPOSITORY / "content/live.js").read_text(encoding="utf-8")
    assert re.findall(r"pause = ([\d_]+);", script) == [f"{responses._RETRY_AFTER}_000"]
