from __future__ import annotations

import asyncio
import inspect
import json
import logging
from typing import Any

import azure.functions as func
import pytest

from signin import responses
from signin.app import SignIn
from signin.counting.committer import NotAcknowledged
from signin.counting.table import OutcomeUnknown, PermanentError
from signin.live.hub import ClientAccess
from signin.settings import SettingsError
from signin.visits.statistics import Statistics
from signin.website.blobs import ContentUnavailable
from signin.website.representation import Page

ACCESS = ClientAccess("https://x/client/?hub=signinsamplehub", "token")
STATISTICS = Statistics(3, {"iOS": 1, "Windows": 2}, {"Safari": 1, "Chrome": 2}, {"Phone": 1, "Desktop": 2})
STATISTICS_JSON = {
    "totalNumber": 3,
    "byOS": {"Windows": 2, "iOS": 1},
    "byBrowser": {"Chrome": 2, "Safari": 1},
    "byDevice": {"Desktop": 2, "Phone": 1},
}


def apart_from_history(statistics: dict[str, Any]) -> dict[str, Any]:
    """The members of the wire contract, after a look at the one that depends on the time."""
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


def test_a_sign_in_is_access_and_statistics() -> None:
    response = responses.sign_in(SignIn(ACCESS, STATISTICS))
    assert response.status_code == 200
    content = json.loads(response.get_body())
    assert content.keys() == {"authInfo", "stats"}
    assert content["authInfo"] == {"serviceUrl": ACCESS.url, "accessToken": ACCESS.token}
    assert apart_from_history(content["stats"]) == STATISTICS_JSON
    assert is_never_cached_json(response)


def test_a_negotiation_is_what_signalr_clients_expect() -> None:
    response = responses.negotiation(ACCESS)
    assert json.loads(response.get_body()) == {"url": ACCESS.url, "accessToken": ACCESS.token}
    assert is_never_cached_json(response)


def test_statistics_are_the_stats_of_a_sign_in() -> None:
    response = responses.statistics(STATISTICS)
    assert apart_from_history(json.loads(response.get_body())) == STATISTICS_JSON
    assert is_never_cached_json(response)


def test_health_is_200_when_all_is_well() -> None:
    response = responses.health({"table": None, "blob": None})
    assert response.status_code == 200
    assert json.loads(response.get_body()) == {"table": {"ok": True}, "blob": {"ok": True}}


def test_health_is_503_and_a_line_a_part_when_something_is_not() -> None:
    response = responses.health({"table": 'it says "no"', "blob": None})
    assert response.status_code == 503
    text = response.get_body().decode()
    assert json.loads(text) == {"table": {"ok": False, "error": 'it says "no"'}, "blob": {"ok": True}}
    assert len(text.splitlines()) == 4
    assert is_never_cached_json(response)


def test_a_page_is_passed_on_with_what_every_page_has() -> None:
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
def test_browsers_are_told_to_come_by_https_only_if_they_did(req: func.HttpRequest, is_secure: bool) -> None:
    assert ("Strict-Transport-Security" in responses.page(Page(200), req, {}).headers) == is_secure


@pytest.mark.parametrize(("interval", "max_age"), [(0.1, 1), (1, 1), (1.5, 2), (3600, 3600)])
def test_a_badge_may_be_shown_anywhere_and_kept_for_an_interval(interval: float, max_age: int) -> None:
    response = responses.badge(STATISTICS, interval)
    assert response.status_code == 200
    assert b"visits: 3" in response.get_body()
    assert dict(response.headers) == {
        "Content-Type": "image/svg+xml",
        "Cache-Control": f"public, max-age={max_age}",
        "Content-Security-Policy": "default-src 'none'",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }


def test_a_wrong_method_is_told_the_right_ones() -> None:
    response = responses.method_not_allowed("DELETE", ("GET", "HEAD"))
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


def test_who_asks_for_the_methods_is_told() -> None:
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
def test_an_error_that_may_happen_is_one_clear_line(problem: Exception, status: int, content: dict[str, str]) -> None:
    response = responses.error(problem)
    assert response.status_code == status
    assert json.loads(response.get_body()) == content
    assert len(response.get_body().splitlines()) == 1
    assert is_never_cached_json(response)
    assert ("Retry-After" in response.headers) == (status == 503)


def test_a_visitor_is_told_when_to_try_again() -> None:
    assert int(responses.error(NotAcknowledged("too slow", recorded="no")).headers["Retry-After"]) > 0


def test_what_the_operator_has_to_mend_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    for problem in (SettingsError("BlobHost is not set"), PermanentError("a wrong key")):
        responses.error(problem)
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert "BlobHost is not set" in caplog.text


def test_what_is_logged_once_for_all_is_not_logged_for_each(caplog: pytest.LogCaptureFixture) -> None:
    for problem in (NotAcknowledged("too slow", recorded="no"), ContentUnavailable("no content")):
        responses.error(problem)
    assert not caplog.records


def test_an_unexpected_error_is_raised_again() -> None:
    with pytest.raises(ZeroDivisionError):
        responses.error(ZeroDivisionError())


async def test_a_handler_answers_its_errors() -> None:
    def fails(req: func.HttpRequest) -> func.HttpResponse:
        raise OutcomeUnknown("no answer")

    async def fails_later(req: func.HttpRequest) -> func.HttpResponse:
        await asyncio.sleep(0)
        raise OutcomeUnknown("no answer")

    assert responses.errors_as_responses(fails)(request()).status_code == 503
    assert (await responses.errors_as_responses(fails_later)(request())).status_code == 503


async def test_a_handlers_unexpected_errors_are_not_swallowed() -> None:
    def fails(req: func.HttpRequest) -> func.HttpResponse:
        raise ZeroDivisionError

    async def fails_later(req: func.HttpRequest) -> func.HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        responses.errors_as_responses(fails)(request())
    with pytest.raises(ZeroDivisionError):
        await responses.errors_as_responses(fails_later)(request())


async def test_a_visitor_who_goes_away_is_no_error() -> None:
    async def waits(req: func.HttpRequest) -> func.HttpResponse:
        await asyncio.Event().wait()
        raise AssertionError

    waiting = asyncio.ensure_future(responses.errors_as_responses(waits)(request()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_a_handler_keeps_its_name_and_kind() -> None:
    """The host runs `async` functions on its event loop and all others in threads."""

    def blocking(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()

    async def waiting(req: func.HttpRequest) -> func.HttpResponse:
        return func.HttpResponse()

    for handler in (blocking, waiting):
        answering = responses.errors_as_responses(handler)
        assert answering.__name__ == handler.__name__
        assert list(inspect.signature(answering).parameters) == ["req"]
        assert inspect.iscoroutinefunction(answering) == inspect.iscoroutinefunction(handler)
