"""What the answers of Table Storage mean for the request that was sent."""

from __future__ import annotations

from collections.abc import Mapping

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.data.tables import RequestTooLargeError, TableErrorCode
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from signin.identity.credential import IdentityError
from signin.network.failures import is_untrusted_certificate, no_response_reason

_NO_CONNECTION = (NewConnectionError, ConnectTimeoutError)
_ETAG_MISMATCH = (
    TableErrorCode.ENTITY_ALREADY_EXISTS,
    TableErrorCode.UPDATE_CONDITION_NOT_SATISFIED,
    TableErrorCode.CONDITION_NOT_MET,
    TableErrorCode.RESOURCE_NOT_FOUND,
    TableErrorCode.ENTITY_NOT_FOUND,
)
# With these statuses the service refuses every repetition of the request too: it is malformed or too large.
_REFUSED_FOR_GOOD = (400, 405, 411, 413, 414, 415, 416, 431)
_REQUEST_TIMEOUT = 408  # of the statuses from 400 to 499 the only one that does not mean that the request was refused

_NETWORK_RULES = "the storage account's network rules allow this app"
_KEY_ADVICE: Mapping[str, str] = {
    "AuthorizationPermissionMismatch": (
        "the shared access signature in TableConnectionString has to permit read, add and update"
    ),
    "AuthorizationFailure": f"check the key in TableConnectionString, and that {_NETWORK_RULES}",
    "KeyBasedAuthenticationNotPermitted": "it takes no keys, so set TableConnectionString__tableServiceUri instead",
    "AccountIsDisabled": "the storage account is disabled",
}
_OTHER_KEY_ADVICE = "check the key in TableConnectionString"
_IDENTITY_ADVICE: Mapping[str, str] = {
    "AuthorizationFailure": f"check that {_NETWORK_RULES}",
    "AccountIsDisabled": _KEY_ADVICE["AccountIsDisabled"],
}


class StorageError(Exception):
    """Table Storage did not do what was asked. The message states the reason and what to do, in the app's own words.

    Its notes, and those of its causes, have the words of the service (`telemetry.outage.with_notes`).
    """


class NoEffect(StorageError):
    """The request certainly had no effect: it was not sent, or it was refused. A repetition may succeed."""


class OutcomeUnknown(StorageError):
    """The request may have had its effect, or may still have it later."""


class EtagMismatch(StorageError):
    """The row is not at the expected ETag: this attempt wrote nothing, and no late copy of it ever will.

    An earlier attempt at the same commit may be what changed the ETag.
    """


class PermanentError(StorageError):
    """The request certainly had no effect, and a repetition would fail too.

    The cause is a wrong key, a missing permission, no such table, or a malformed row.
    """


def is_missing_row(error: Exception) -> bool:
    """Whether the SDK reports that the row, and not the table, does not exist."""
    return isinstance(error, ResourceNotFoundError) and _code(error) != TableErrorCode.TABLE_NOT_FOUND


def storage_error(error: Exception, table_name: str, *, has_identity: bool = False) -> StorageError:
    """The StorageError for an exception of the SDK; `has_identity`: the client sends tokens of the app's identity.

    A status from 400 to 499 means that the service has refused the request, so that it had no effect. This holds for a
    single attempt: an earlier one that was not answered may still have its effect. A status from 500 on may come after
    the effect (a batch that was committed can be answered 500). Every other exception is an OutcomeUnknown: a truncated
    reply is not even an AzureError.
    """
    result = _meaning(error, table_name, has_identity)
    if not isinstance(error, IdentityError):  # which has a note of its own
        status = _status(error)
        # Its text may contain the url, and so a shared access signature.
        result.add_note(_code(error) if status is None else f"{status} {_code(error)}")
    return result


def _meaning(error: Exception, table_name: str, has_identity: bool) -> StorageError:
    setting = "TableConnectionString__tableServiceUri" if has_identity else "TableConnectionString"
    if isinstance(error, IdentityError):
        return NoEffect(f"Table Storage cannot be accessed: {error}")
    if isinstance(error, ServiceRequestError) and isinstance(error.inner_exception, _NO_CONNECTION):
        reason = no_response_reason(error)
        return NoEffect(f"Table Storage cannot be reached: {reason}; check that it runs and what {setting} names")
    if is_untrusted_certificate(error):
        return NoEffect(f"Table Storage cannot be reached: {no_response_reason(error)}; check what {setting} names")
    code = _code(error)
    if code == TableErrorCode.TABLE_NOT_FOUND:
        return PermanentError(f"the table {table_name} does not exist: create it in the storage account")
    if code in _ETAG_MISMATCH:
        return EtagMismatch("another process has changed the row")
    status = _status(error)
    if status in (401, 403) or isinstance(error, ClientAuthenticationError):
        if has_identity:
            return PermanentError(f"Table Storage refuses access: {_identity_advice(status, code, table_name)}")
        return PermanentError(f"Table Storage refuses access: {_KEY_ADVICE.get(code, _OTHER_KEY_ADVICE)}")
    if status in _REFUSED_FOR_GOOD:
        return PermanentError(f"Table Storage cannot do what it was asked: check what {setting} names")
    if status is not None and 400 <= status < 500 and status != _REQUEST_TIMEOUT:
        return NoEffect(_refusal(status, code, table_name, setting))
    if status is not None:
        return OutcomeUnknown("Table Storage did not answer clearly: it is too busy or fails; try again later")
    return OutcomeUnknown(f"Table Storage did not answer: {no_response_reason(error)}; check what {setting} names")


def _identity_advice(status: int | None, code: str, table_name: str) -> str:
    if code in _IDENTITY_ADVICE:
        return _IDENTITY_ADVICE[code]
    if status == 403:
        return (
            f"give the app's identity the role Storage Table Data Contributor on the table {table_name}; "
            "a new role can take 30 minutes to take effect"
        )
    return "check that the account in TableConnectionString__tableServiceUri is in the tenant of the app's identity"


def _refusal(status: int, code: str, table_name: str, setting: str) -> str:
    if code == TableErrorCode.TABLE_BEING_DELETED:
        return f"the table {table_name} is being deleted: create it again, which can take minutes"
    if status == 429:
        return "Table Storage receives too many requests: try again later"
    return f"Table Storage does not take the request now: try again later, or check what {setting} names"


def _status(error: Exception) -> int | None:
    if isinstance(error, RequestTooLargeError):  # it has the status of the whole batch, 202
        return 413
    return error.status_code if isinstance(error, HttpResponseError) else None


def _code(error: Exception) -> str:
    """The service's error code, which the SDK adds to azure-core's exceptions; for others the name of the class."""
    code = getattr(error, "error_code", None)
    return code.value if isinstance(code, TableErrorCode) else str(code or type(error).__name__)
