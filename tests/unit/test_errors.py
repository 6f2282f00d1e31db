"""What each answer of Table Storage means for a commit, and what the visitor gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from azure.data.tables import TableErrorCode

from signin.counting import committer as committer_module
from signin.counting.committer import Committer, NotAcknowledged
from signin.counting.errors import EtagMismatch, NoEffect, OutcomeUnknown, PermanentError, StorageError
from signin.counting.rows import ABSENT
from signin.counting.shards import Shards
from signin.counting.table import VisitTable
from signin.visits.visit import Visit
from tests.support.clock import Clock
from tests.support.web_server import CLOSE, Request, Response, WebServer

# The codes of "Table Storage error codes", of "Common REST API error codes" and of the authorisation errors in
# Microsoft's documentation, by status. The SDK has no members of TableErrorCode for the last line of 403.
DOCUMENTED: dict[int, str] = {
    400: """ConditionHeadersNotSupported DuplicatePropertiesSpecified EmptyMetadataKey EntityTooLarge
        HostInformationNotPresent InvalidDuplicateRow InvalidHeaderValue InvalidHttpVerb InvalidInput InvalidMd5
        InvalidMetadata InvalidQueryParameterValue InvalidResourceName InvalidUri InvalidValueType InvalidXmlDocument
        InvalidXmlNodeValue Md5Mismatch MetadataTooLarge MissingRequiredHeader MissingRequiredQueryParameter
        MissingRequiredXmlNode MultipleConditionHeadersNotSupported OutOfRangeInput OutOfRangeQueryParameterValue
        PropertiesNeedValue PropertyNameInvalid PropertyNameTooLong PropertyValueTooLarge RequestUrlFailedToParse
        TooManyProperties UnsupportedHeader UnsupportedQueryParameter UnsupportedXmlNode XMethodIncorrectCount
        XMethodIncorrectValue XMethodNotUsingPost""",
    401: "InvalidAuthenticationInfo NoAuthenticationInformation",
    403: """AccountIsDisabled AuthenticationFailed AuthorizationFailure InsufficientAccountPermissions
        AuthorizationPermissionMismatch AuthorizationProtocolMismatch KeyBasedAuthenticationNotPermitted""",
    404: "EntityNotFound ResourceNotFound TableNotFound",
    405: "MethodNotAllowed UnsupportedHttpVerb",
    409: """AccountAlreadyExists AccountBeingCreated EntityAlreadyExists ResourceAlreadyExists ResourceTypeMismatch
        TableAlreadyExists TableBeingDeleted""",
    411: "MissingContentLengthHeader",
    412: "ConditionNotMet UpdateConditionNotSatisfied",
    413: "RequestBodyTooLarge",
    415: "JsonFormatNotSupported",
    416: "InvalidRange",
    429: "TooManyRequests",
    500: "InternalError OperationTimedOut",
    501: "NotImplemented",
    503: "ServerBusy",
}
CASES = [(status, code) for status, codes in DOCUMENTED.items() for code in codes.split()]

MEANING: dict[int, type[StorageError]] = {
    404: NoEffect,
    409: NoEffect,
    429: NoEffect,
    500: OutcomeUnknown,
    501: OutcomeUnknown,
    503: OutcomeUnknown,
}
MEANING_OF_CODE: dict[str, type[StorageError]] = {
    "TableNotFound": PermanentError,
    **dict.fromkeys(("EntityNotFound", "ResourceNotFound", "EntityAlreadyExists"), EtagMismatch),
    **dict.fromkeys(("ConditionNotMet", "UpdateConditionNotSatisfied"), EtagMismatch),
}
RECORDED = {NoEffect: "no", PermanentError: "no", OutcomeUnknown: "unknown"}


def meaning(status: int, code: str) -> type[StorageError]:
    return MEANING_OF_CODE.get(code) or MEANING.get(status, PermanentError)


def whole(status: int, code: str) -> Response:
    """The answer to the request as a whole."""
    body = f'{{"odata.error": {{"code": "{code}", "message": {{"lang": "en-US", "value": "leaked words"}}}}}}'
    headers = {"Content-Type": "application/json", "x-ms-error-code": code}
    return Response(status, body.encode(), headers)


def in_batch(status: int, code: str) -> Response:
    """The answer 202 to a batch, with the one operation that failed."""
    error = f'{{"odata.error": {{"code": "{code}", "message": {{"lang": "en-US", "value": "0:leaked words"}}}}}}'
    lines = [
        "--batch",
        "Content-Type: multipart/mixed; boundary=changes",
        "",
        "--changes",
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        "",
        f"HTTP/1.1 {status} Refused",
        "Content-Type: application/json;odata=minimalmetadata",
        "",
        error,
        "--changes--",
        "--batch--",
        "",
    ]
    return Response(202, "\r\n".join(lines).encode(), {"Content-Type": "multipart/mixed; boundary=batch"})


def test_table_has_every_code_of_the_sdk() -> None:
    assert {code.value for code in TableErrorCode} <= {code for _, code in CASES}


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer(lambda request: Response(404)) as server:
        yield server


def table_at(server: WebServer) -> VisitTable:
    return VisitTable.from_connection_string(f"AccountName=a;AccountKey=a2V5;TableEndpoint={server.url}/a")


Answer = Callable[[int, str], Response]


@pytest.mark.parametrize("answer", [whole, in_batch])
@pytest.mark.parametrize(("status", "code"), CASES)
def test_each_code_has_a_meaning(answer: Answer, status: int, code: str, server: WebServer) -> None:
    server.handler = lambda request: answer(status, code)
    in_413 = answer is in_batch and status == 413  # for which the SDK reads no code
    with pytest.raises(StorageError) as raised:
        table_at(server).commit(0, ABSENT, [Visit.now()])
    assert type(raised.value) is meaning(status, code)
    assert raised.value.__notes__ == [f"{status} {'RequestTooLargeError' if in_413 else code}"]
    assert code not in str(raised.value)
    assert "leaked" not in str(raised.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_answer_of_a_gateway_may_come_after_the_effect(status: int, server: WebServer) -> None:
    server.handler = lambda request: Response(status)
    with pytest.raises(OutcomeUnknown):
        table_at(server).commit(0, ABSENT, [Visit.now()])


def test_answer_of_another_web_server_has_no_effect(server: WebServer) -> None:
    with pytest.raises(NoEffect, match="check what TableConnectionString names"):
        table_at(server).commit(0, ABSENT, [Visit.now()])
    with pytest.raises(NoEffect):
        table_at(server).check()


# What the visitor gets


def recorded(server: WebServer, answers: list[Response | None], monkeypatch: pytest.MonkeyPatch) -> str:
    """The outcome of a visit if the service gives its commits these answers, and then the last one for good."""
    monkeypatch.setattr(committer_module, "time", Clock())
    remaining = list(answers)

    def answer(request: Request) -> Response | None:
        if not request.target.endswith("/$batch"):
            return whole(404, "ResourceNotFound")  # the stats row
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    server.handler = answer
    table = table_at(server)
    committer = Committer(table, Shards(table, max_age=3600), on_commit=lambda: None)
    committer.start()
    error = committer.submit(Visit.now()).exception(30)
    committer.close(10)
    assert isinstance(error, NotAcknowledged)
    return error.recorded


REFUSALS = [
    (status, code) for status, code in CASES if status < 500 and meaning(status, code) in (NoEffect, PermanentError)
]


@pytest.mark.parametrize(
    ("status", "code"), [case for case in CASES if meaning(*case) is not EtagMismatch], ids=lambda value: str(value)
)
def test_refused_visit_is_recorded_no(
    status: int, code: str, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recorded(server, [in_batch(status, code)], monkeypatch) == RECORDED[meaning(status, code)]


@pytest.mark.parametrize(("status", "code"), REFUSALS)
def test_unanswered_attempt_before_a_refusal_is_unknown(
    status: int, code: str, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt without an answer may have committed, or may yet arrive."""
    assert recorded(server, [CLOSE, in_batch(status, code)], monkeypatch) == "unknown"
