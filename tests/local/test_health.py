"""`python3 dev.py wait`: how it judges an answer, what it prints, and how it ends."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

import pytest

from local import commands, health
from local.health import Problem, check, wait
from signin import responses
from signin.settings import SettingsError
from tests.support import TEST_TIMEOUT
from tests.support.https_storage import certificate
from tests.support.web_server import CLOSE, Request, Response, WebServer, nothing_listening

SITE = "https://signin-abc.azurewebsites.net"


def parts(**problems: str | None) -> bytes:
    """The body of /health, by the problem of each service."""
    return json.dumps({name: {"ok": not problem, "error": problem} for name, problem in problems.items()}).encode()


HEALTHY = Response(200, parts(table=None, blob=None, signalr=None))


def problem_with(response: Response) -> Problem:
    with WebServer(lambda request: response) as site:
        problem = check(site.url)
    assert problem
    assert [(request.method, request.target) for request in site.requests] == [("GET", "/health")]
    return problem


# One answer


def test_healthy_app_has_no_problem() -> None:
    with WebServer(lambda request: HEALTHY) as site:
        assert check(site.url) is None


def test_failed_services_are_named_with_their_reasons() -> None:
    problem = problem_with(Response(503, parts(table="No permission.", blob=None, signalr="No address.")))
    assert problem.reason == "table: No permission.\nsignalr: No address."
    assert "docs/security.md" in problem.advice


@pytest.mark.parametrize("table", [None, "The table does not exist."])
def test_response_of_the_app_is_understood(table: str | None) -> None:
    response = responses.health({"table": table, "blob": None})
    problem = health._problem_of(response.status_code, response.get_body().decode())
    assert (problem and problem.reason) == (table and f"table: {table}")


def test_failed_service_counts_whatever_the_status() -> None:
    assert problem_with(Response(200, parts(table="No permission."))).reason == "table: No permission."


def test_status_counts_whatever_the_services() -> None:
    assert "(500: " in problem_with(Response(500, HEALTHY.body)).reason


def test_site_without_functions_is_a_case_of_its_own() -> None:
    problem = problem_with(Response(404))
    for text in (problem.reason, problem.advice):
        assert "0 functions" in text
        assert "with a remote build" in text


def test_name_without_app_is_a_case_of_its_own() -> None:
    problem = problem_with(Response(404, b"<html><h2>404 Web Site not found.</h2></html>"))
    assert "no app of this name" in problem.reason
    assert "0 functions" not in problem.advice


def test_host_that_does_not_run_is_a_case_of_its_own() -> None:
    problem = problem_with(Response(503, b"Function host is not running."))
    assert problem.reason == "The Functions host does not run (503: Function host is not running.)."
    assert "delete it" in problem.advice


def test_app_with_a_wrong_setting_reports_all_of_it() -> None:
    error = SettingsError("; ".join(f"{name} is not set" for name in ("BlobHost", "A" * 60, "B" * 60)))
    response = responses.error(error)
    problem = problem_with(Response(response.status_code, response.get_body()))
    assert problem.reason == f"The app is not set up: {error}"
    assert "docs/settings.md" in problem.advice


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b'{"table": true}', b'"text"', b"\xff", b"", b'{"error": 1, "recorded": "no"}', b"[" * 50_000],
)
@pytest.mark.parametrize("status", [200, 500])
def test_answer_of_another_program_is_not_healthy(status: int, body: bytes) -> None:
    assert f"not that of the app's /health ({status}" in problem_with(Response(status, body)).reason


def test_page_is_reported_by_its_first_text() -> None:
    page = (
        b"<!DOCTYPE html><head><title>A</title><style>b {}</style></head><body>\n<h1>Sign in</h1><p>to go on</p></body>"
    )
    assert "(200: Sign in to go on)" in problem_with(Response(200, page)).reason
    assert len(problem_with(Response(200, b"x" * 10_000)).reason) < 200


def test_name_that_does_not_resolve_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise URLError(socket.gaierror(-2, "Name or service not known"))

    monkeypatch.setattr(health, "urlopen", unknown)
    problem = check(SITE)
    assert problem
    assert problem.reason == "The name signin-abc.azurewebsites.net cannot be resolved."


def test_refused_connection_is_reported() -> None:
    with nothing_listening() as url:
        problem = check(url)
    assert problem
    assert "The connection to 127.0.0.1 fails: " in problem.reason


def test_connection_that_breaks_is_reported() -> None:
    def reset(request: Request) -> Response | None:
        request.reset()
        return CLOSE

    with WebServer(reset) as site:
        problem = check(site.url)
    assert problem
    assert "The connection to 127.0.0.1 fails: " in problem.reason


@pytest.mark.parametrize("host", ["a" * 64, "127.0.0.1"])
def test_invalid_host_name_is_reported_at_once(host: str) -> None:
    with WebServer(lambda request: Response(302, headers={"Location": f"http://{'a' * 64}/"})) as site:
        problem = check(site.url.replace("127.0.0.1", host))
    assert problem
    assert problem.reason.startswith(f"The connection to {host} fails: ")


def test_answer_that_is_not_http_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"SSH-2.0-OpenSSH\r\n")

        threading.Thread(target=answer, daemon=True).start()
        problem = check(f"http://127.0.0.1:{server.getsockname()[1]}")
    assert problem
    assert problem.reason == "The connection to 127.0.0.1 fails: SSH-2.0-OpenSSH."


def test_body_that_breaks_off_is_reported() -> None:
    problem = problem_with(Response(200, b'{"table":', {"Content-Length": "100"}))
    assert "not that of the app's /health" in problem.reason


@contextmanager
def tls_site(folder: Path) -> Iterator[str]:
    """The address of a server whose certificate no one trusts."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate(folder))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, pytest.raises((ssl.SSLError, ConnectionError)):
                context.wrap_socket(connection, server_side=True)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(TEST_TIMEOUT)


def test_untrusted_certificate_is_reported(tmp_path: Path) -> None:
    with tls_site(tmp_path) as url:
        problem = check(url)
    assert problem
    assert problem.reason == "The TLS connection to 127.0.0.1 fails: self-signed certificate."
    assert "SSL_CERT_FILE" in problem.advice


def test_answer_that_hangs_ends_after_its_time() -> None:
    def hang(request: Request) -> Response | None:
        request.wait_until_client_gives_up()
        return CLOSE

    with WebServer(hang) as site:
        problem = check(site.url, seconds=0.1)
    assert problem
    assert problem.reason == "The app does not answer within 0.1 seconds."


def test_name_resolution_that_hangs_ends_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no timeout of its own."""
    ended = threading.Event()

    def hang(*_: object, **__: object) -> None:
        ended.wait(TEST_TIMEOUT)
        raise URLError(socket.gaierror(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr(health, "urlopen", hang)
    started = time.monotonic()
    problem = check(SITE, seconds=0.1)
    assert time.monotonic() - started < 10
    ended.set()
    assert problem
    assert problem.reason == "The app does not answer within 0.1 seconds."


# The wait


class Time:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def waited(monkeypatch: pytest.MonkeyPatch, answers: Sequence[Problem | None]) -> tuple[str | None, list[str], float]:
    """Wait for an app with these answers, the last of them for ever: the result, the lines, the minutes."""
    remaining = iter(answers)
    monkeypatch.setattr(health, "check", lambda site: next(remaining, answers[-1]))
    fake = Time()
    lines: list[str] = []
    message = wait(SITE, lines.append, fake.clock, fake.sleep)
    return message, lines, (fake.now - 1000) / 60


ROLE = Problem("table: No permission.\nblob: No permission.", "Compare its roles.")
NO_FUNCTIONS = Problem("It has loaded 0 functions.", "Deploy again.")


def test_wait_ends_when_the_app_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    message, lines, minutes = waited(monkeypatch, [None])
    assert (message, minutes) == (None, 0)
    assert lines[1:] == [f"  0.0 min  The app is healthy: {SITE}/"]


def test_wait_prints_each_change_of_the_reason_once(monkeypatch: pytest.MonkeyPatch) -> None:
    message, lines, _ = waited(monkeypatch, [NO_FUNCTIONS] * 6 + [ROLE] * 114 + [None])
    assert message is None
    assert "\n".join(lines).splitlines() == [
        f"Waiting until {SITE}/health is healthy. New roles can take up to 30 minutes to take effect.",
        "  0.0 min  It has loaded 0 functions.",
        "  1.0 min  table: No permission.",
        "           blob: No permission.",
        f" 20.0 min  The app is healthy: {SITE}/",
    ]


def test_wait_ends_after_half_an_hour_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    message, lines, minutes = waited(monkeypatch, [ROLE])
    assert message == f"{SITE} is not healthy after 30 minutes. Compare its roles."
    assert len(lines) == 2
    assert minutes == pytest.approx(30, abs=0.2)


def test_advice_is_for_the_last_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    message, _, _ = waited(monkeypatch, [ROLE, NO_FUNCTIONS])
    assert message
    assert message.endswith("Deploy again.")


def test_command_exits_with_0_for_a_healthy_app(capsys: pytest.CaptureFixture[str]) -> None:
    with WebServer(lambda request: HEALTHY) as site:
        assert health.main(["--site", f"{site.url}/"]) is None
    assert f"The app is healthy: {site.url}/" in capsys.readouterr().out


@pytest.mark.parametrize(
    "site", ["", "signin-abc.azurewebsites.net", "https://a..b", "https://app/health", "ftp://app"]
)
def test_command_rejects_what_is_no_address(site: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        health.main(["--site", site])
    assert "is not like https://" in capsys.readouterr().err


def test_help_of_dev_py_lists_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.parse(["wait", "--site", SITE]).command == "wait"
    with pytest.raises(SystemExit, match=r"^0$"):
        commands.parse(["--help"])
    assert health.HELP in capsys.readouterr().out
