from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from typing import cast

import azure.functions as func
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from azure.data.tables import TableClient, TableErrorCode
from azure.identity import CredentialUnavailableError
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NameResolutionError

import function_app
from signin import health as health_module
from signin import responses
from signin.app import App
from signin.counting import single_flight
from signin.counting.errors import PermanentError
from signin.counting.rows import Partitions
from signin.counting.table import VisitTable
from signin.health import Health
from signin.identity.credential import Credential, Identity
from signin.live.connection_string import ConnectionString
from signin.live.hub import Hub
from signin.visits.dimensions import SignInRequest
from signin.website.blobs import Container
from tests.support.clock import Clock
from tests.support.web_server import CLOSE, Response, WebServer

from . import table_service
from .table_service import TableService, sdk_error
from .whole_app import Surroundings, forget_current, running_app

KEY = "a-key-of-44-characters-as-the-service-makes="


@pytest.fixture
def app(around: Surroundings) -> Iterator[App]:
    with running_app(around) as app:
        yield app


async def test_services_that_answer_have_no_problem(app: App) -> None:
    assert await app.counter().health.problems() == {"table": None, "blob": None, "signalr": None}


async def test_each_service_has_its_own_problem(around: Surroundings, app: App) -> None:
    around.table.read_errors.append(table_service.no_connection())
    around.signalr.handler = lambda request: CLOSE
    problems = await app.counter().health.problems()
    assert "cannot be reached" in (problems["table"] or "")
    assert problems["blob"] is None
    assert "did not answer" in (problems["signalr"] or "")


async def test_missing_homepage_is_a_problem(around: Surroundings, app: App) -> None:
    around.blobs.handler = lambda request: Response(404)
    assert "content/index.html does not exist" in ((await app.counter().health.problems())["blob"] or "")


async def test_check_changes_nothing(around: Surroundings, app: App) -> None:
    await app.counter().sign_in(SignInRequest())
    before = app._table.read(0)
    await app.counter().health.problems()
    assert app._table.read(0) == before, "a process relies on the ETag"
    assert {row["PartitionKey"] for row in around.table.rows()} <= {"00", Partitions().lease}
    assert len(around.table.attempts) == 1
    app.close()
    assert len(around.broadcasts()) == 1


async def test_checks_do_not_block_the_event_loop() -> None:
    """Nor each other: all three are under way before the first ends."""
    loop = asyncio.get_running_loop()
    are_all_under_way = asyncio.Barrier(3)

    def check() -> None:
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(are_all_under_way.wait(), 10), loop).result(10)

    health = Health({"table": check, "blob": check, "signalr": check})
    assert await health.problems() == {"table": None, "blob": None, "signalr": None}


# One check for all who ask within a second


class Check:
    """A check that the test lets end; `runs` counts how often it began."""

    def __init__(self, error: Exception | None = None) -> None:
        self.runs = 0
        self.error = error
        self.has_begun = threading.Event()
        self.may_end = threading.Event()

    def __call__(self) -> None:
        self.runs += 1
        self.has_begun.set()
        assert self.may_end.wait(10)
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [None, PermanentError("no access")], ids=["success", "failure"])
async def test_fifty_who_ask_within_a_second_share_a_check(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(single_flight, "time", clock)
    check = Check(error)
    health = Health({"table": check})
    during = [asyncio.create_task(health.problems()) for _ in range(25)]
    await asyncio.to_thread(check.has_begun.wait, 10)
    during += [asyncio.create_task(health.problems()) for _ in range(25)]
    check.may_end.set()
    await asyncio.gather(*during)
    clock.now += 0.9
    after = [await health.problems() for _ in range(25)]
    expected = None if error is None else "No access."
    assert [await task for task in during] + after == [{"table": expected}] * 75
    assert check.runs == 1
    clock.now += 0.2
    await health.problems()
    assert check.runs == 2


async def test_app_sends_five_requests_for_fifty(around: Surroundings, app: App) -> None:
    for _ in range(2):
        await asyncio.gather(*(app.counter().health.problems() for _ in range(25)))
    assert len(around.table.reads) == 1
    assert around.table.writes == 1
    assert [request.method for request in around.blobs.requests] == ["HEAD"]
    assert [request.method for request in around.signalr.requests] == ["HEAD", "HEAD"]


# Reasons

LEAK = "tenant-7c9e application-41bd account-x77 secret-s3cr3t"
LEAK_HEADERS = {"WWW-Authenticate": f"Bearer {LEAK}", "x-ms-error-code": LEAK}
ROLE = "a new role can take 30 minutes to take effect"


@pytest.fixture(autouse=True)
def at_info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


async def reason_of(
    check: Callable[[], object], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The reason in the response; the response must leak nothing, and the log have one line for three failures."""
    monkeypatch.setattr(health_module, "SHARED_SECONDS", 0.0)
    health = Health({"part": check})
    for _ in range(3):
        problems = await health.problems()
    content = responses.health(problems).get_body().decode()
    assert [text for text in (*LEAK.split(), KEY, "Error") if text in content] == []
    assert len([record for record in caplog.records if record.name == "signin.health"]) == 1
    return problems["part"] or ""


def storage_failure(status: int, code: str, kind: type[HttpResponseError] = HttpResponseError) -> Exception:
    return sdk_error(kind(LEAK), status, code)


def no_such_host() -> Exception:
    cause = NameResolutionError(LEAK, HTTPConnection("x"), socket.gaierror(LEAK))
    return ServiceRequestError(LEAK, error=cause)


# The reason with a key, and with an identity if it is another one.
TABLE_REASONS: list[tuple[Exception, str, str | None]] = [
    (
        storage_failure(401, TableErrorCode.INVALID_AUTHENTICATION_INFO, ClientAuthenticationError),
        "Table Storage refuses access: check the key in TableConnectionString.",
        (
            "Table Storage refuses access: check that the account in TableConnectionString__tableServiceUri is in the "
            "tenant of the app's identity."
        ),
    ),
    (
        storage_failure(403, "AuthorizationPermissionMismatch"),
        (
            "Table Storage refuses access: the shared access signature in TableConnectionString has to permit read, "
            "add and update."
        ),
        (
            "Table Storage refuses access: give the app's identity the role Storage Table Data Contributor on the "
            f"table SignInInfo; {ROLE}."
        ),
    ),
    (
        storage_failure(403, TableErrorCode.AUTHORIZATION_FAILURE),
        (
            "Table Storage refuses access: check the key in TableConnectionString, and that the storage account's "
            "network rules allow this app."
        ),
        "Table Storage refuses access: check that the storage account's network rules allow this app.",
    ),
    (
        storage_failure(403, TableErrorCode.ACCOUNT_IS_DISABLED),
        "Table Storage refuses access: the storage account is disabled.",
        None,
    ),
    (
        storage_failure(404, TableErrorCode.TABLE_NOT_FOUND),
        "The table SignInInfo does not exist: create it in the storage account.",
        None,
    ),
    (
        storage_failure(409, TableErrorCode.TABLE_BEING_DELETED),
        "The table SignInInfo is being deleted: create it again, which can take minutes.",
        None,
    ),
    (storage_failure(429, LEAK), "Table Storage receives too many requests: try again later.", None),
    (
        storage_failure(503, TableErrorCode.SERVER_BUSY),
        "Table Storage did not answer clearly: it is too busy or fails; try again later.",
        None,
    ),
    (
        no_such_host(),
        (
            "Table Storage cannot be reached: its host name cannot be resolved; check that it runs and what "
            "TableConnectionString names."
        ),
        (
            "Table Storage cannot be reached: its host name cannot be resolved; check that it runs and what "
            "TableConnectionString__tableServiceUri names."
        ),
    ),
    (
        ZeroDivisionError(LEAK),
        (
            "Table Storage did not answer: the connection broke, or the answer is incomplete; check what "
            "TableConnectionString names."
        ),
        (
            "Table Storage did not answer: the connection broke, or the answer is incomplete; check what "
            "TableConnectionString__tableServiceUri names."
        ),
    ),
]


@pytest.mark.parametrize("has_identity", [False, True], ids=["key", "identity"])
@pytest.mark.parametrize(("error", "by_key", "by_identity"), TABLE_REASONS)
@pytest.mark.parametrize("request_of", ["get_entity", "update_entity"])
async def test_reason_of_table_storage(
    request_of: str,
    error: Exception,
    by_key: str,
    by_identity: str | None,
    has_identity: bool,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise error

    service = TableService()
    monkeypatch.setattr(service, request_of, fail)
    table = VisitTable(cast(TableClient, service), has_identity=has_identity)
    expected = by_identity if has_identity and by_identity is not None else by_key
    assert await reason_of(table.check, caplog, monkeypatch) == expected


def blob_failure(status: int, code: str) -> Response:
    return Response(status, LEAK.encode(), {**LEAK_HEADERS, "x-ms-error-code": code})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            blob_failure(403, "AuthorizationPermissionMismatch"),
            (
                "Blob Storage answered 403: give the app's identity the role Storage Blob Data Reader on the container "
                f"content; {ROLE}."
            ),
        ),
        (
            blob_failure(403, "AuthorizationFailure"),
            "Blob Storage answered 403: check that the storage account's network rules allow this app.",
        ),
        (
            blob_failure(409, "PublicAccessNotPermitted"),
            "Blob Storage answered 409: the account refuses anonymous requests, set BlobHost__credential.",
        ),
        (
            blob_failure(401, LEAK),
            "Blob Storage answered 401: check BlobHost, and that the app may read the container content.",
        ),
        (blob_failure(503, LEAK), "Blob Storage answered 503: it is too busy or fails, try again later."),
        (
            blob_failure(404, "ContainerNotFound"),
            (
                "The page content/index.html does not exist, and neither does its container: create it, and publish "
                "the content into it."
            ),
        ),
        (
            blob_failure(404, "BlobNotFound"),
            "The page content/index.html does not exist: publish the content into the container.",
        ),
        (
            blob_failure(404, "ResourceNotFound"),
            (
                "The page content/index.html does not exist, or the container is private: publish the content, or set "
                "BlobHost__credential."
            ),
        ),
        (
            CLOSE,
            "Blob Storage cannot be reached: the connection broke, or the answer is incomplete; check BlobHost.",
        ),
    ],
)
async def test_reason_of_blob_storage(
    answer: Response | None, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with WebServer(lambda request: answer) as server:
        container = Container(f"{server.url}/content")
        assert await reason_of(lambda: container.check("index.html"), caplog, monkeypatch) == reason
        container.close()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (
            401,
            "SignalR answered 401: check the AccessKey in AzureSignalRConnectionString, and this machine's clock.",
        ),
        (403, "SignalR answered 403: check that its network rules allow this app."),
        (
            404,
            (
                "SignalR answered 404: check that Endpoint is that of an Azure SignalR Service, and that this is in "
                "serverless mode."
            ),
        ),
        (
            429,
            "SignalR answered 429: its quota is exhausted: add units, or raise BroadcastIntervalSeconds.",
        ),
        (503, "SignalR answered 503: it is too busy or fails, try again later."),
        (
            None,
            (
                "SignalR did not answer: the connection broke, or the answer is incomplete; check that it runs and "
                "what AzureSignalRConnectionString names."
            ),
        ),
    ],
)
async def test_reason_of_signalr(
    status: int | None, reason: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = CLOSE if status is None else Response(status, LEAK.encode(), LEAK_HEADERS)
    with WebServer(lambda request: answer) as server:
        hub = Hub(ConnectionString.parse(f"Endpoint={server.url};AccessKey={KEY};Version=1.0;"), "chat")
        assert await reason_of(hub.check, caplog, monkeypatch) == reason
        hub._session.close()


@pytest.mark.parametrize(
    "error", [ClientAuthenticationError(LEAK), CredentialUnavailableError(LEAK), ValueError(LEAK), OSError(LEAK)]
)
async def test_reason_without_a_token(
    error: Exception, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def get_token(self, scope: str) -> None:
            raise error

    credential = Credential(Identity(is_managed=True))
    monkeypatch.setitem(vars(credential), "_azure_credential", Broken())
    table = VisitTable.from_url("https://127.0.0.1:1", credential)
    reason = await reason_of(table.check, caplog, monkeypatch)
    assert reason == (
        "Table Storage cannot be accessed: no token for the app's identity; check that this managed identity is "
        "assigned to the app."
    )
    [line] = caplog.messages
    assert (LEAK in line) == (type(error) is not ValueError), "the words of azure-identity are for the log"


async def test_reason_of_a_defect_is_in_the_log_only(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect() -> None:
        raise ZeroDivisionError(LEAK)

    reason = await reason_of(defect, caplog, monkeypatch)
    assert reason == "The check of part failed unexpectedly: the app's log has the reason."
    assert LEAK in caplog.text
    assert "Traceback" in caplog.text


async def test_outage_is_logged_with_the_services_words(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_module, "SHARED_SECONDS", 0.0)
    answers = iter([Response(503, headers=LEAK_HEADERS)] * 2)
    with WebServer(lambda request: next(answers, Response(200))) as server:
        container = Container(f"{server.url}/content")
        health = Health({"blob": lambda: container.check("index.html")})
        for _ in range(4):
            await health.problems()
        container.close()
    assert caplog.messages == [
        f"the check of blob fails: Blob Storage answered 503: it is too busy or fails, try again later (503 {LEAK})",
        "the check of blob passes again",
    ]


VALID = {
    "TableConnectionString": "UseDevelopmentStorage=true",
    "BlobHost": "example.blob.core.windows.net",
    "AzureSignalRConnectionString": f"Endpoint=https://example.service.signalr.net;AccessKey={KEY};Version=1.0;",
}
MALFORMED = {
    "TableConnectionString": f"AccountKey={KEY};{LEAK}",
    "BlobHost": f"ftp://{LEAK}",
    "AzureSignalRConnectionString": f"Endpoint={LEAK};AccessKey={KEY}",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed_setting_is_named_without_its_text(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert forget_current() is None
    for setting, value in {**VALID, name: MALFORMED[name]}.items():
        monkeypatch.setenv(setting, value)
    response = await function_app.health(func.HttpRequest(method="GET", url="/health", body=b""))
    assert response.status_code == 500
    content = response.get_body().decode()
    assert f"The app is not set up: {name} is malformed" in content
    assert [text for text in (*LEAK.split(), KEY) if text in content] == []
