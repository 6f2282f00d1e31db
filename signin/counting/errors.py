"""What the answers of Table Storage mean for the request that was sent."""

from __future__ import annotations

from collections.abc import Mapping

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.data.tables import TableErrorCode
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from signin.identity.credential import IdentityError

_NO_CONNECTION = (NewConnectionError, ConnectTimeoutError)
_ETAG_MISMATCH = (
    TableErrorCode.ENTITY_ALREADY_EXISTS,
    TableErrorCode.UPDATE_CONDITION_NOT_SATISFIED,
    TableErrorCode.CONDITION_NOT_MET,
    TableErrorCode.RESOURCE_NOT_FOUND,
    TableErrorCode.ENTITY_NOT_FOUND,
)

_ADVICE: Mapping[str, str] = {
    "AuthorizationPermissionMismatch": "give the app's identity the role Storage Table Data Contributor on it",
    "AuthorizationFailure": "check the key in TableConnectionString, and the storage account's network rules",
    "KeyBasedAuthenticationNotPermitted": "it takes no keys: set TableConnectionString__tableServiceUri instead",
}
_OTHER_ADVICE = "check the key in TableConnectionString"


class StorageError(Exception):
    """Table Storage did not do what was asked. The message states the reason and what to do; it holds no secret."""


class NotSent(StorageError):
    """There was no connection, so the request certainly had no effect."""


class OutcomeUnknown(StorageError):
    """The request may have had its effect, or may still have it later."""


class EtagMismatch(StorageError):
    """The row is not at the expected ETag: this attempt wrote nothing, and no late copy of it ever will.

    An earlier attempt at the same commit may be what changed the ETag.
    """


class PermanentError(StorageError):
    """A repetition would fail too: a wrong key, a missing permission, no such table, a malformed row."""


def is_missing_row(error: Exception) -> bool:
    """Whether the SDK reports that the row, and not the table, does not exist."""
    return isinstance(error, ResourceNotFoundError) and _code(error) != TableErrorCode.TABLE_NOT_FOUND


def storage_error(error: Exception, table_name: str) -> StorageError:
    """The StorageError for an exception of the SDK.

    Every exception that is not listed here is an OutcomeUnknown: a truncated reply is not even an AzureError.
    """
    if isinstance(error, IdentityError):
        return NotSent(f"Table Storage cannot be accessed: {error}")
    if isinstance(error, ServiceRequestError) and isinstance(error.inner_exception, _NO_CONNECTION):
        return NotSent("Table Storage cannot be reached: check that it runs and what TableConnectionString names")
    code = _code(error)
    if code == TableErrorCode.TABLE_NOT_FOUND:
        return PermanentError(f"the table {table_name} does not exist: create it in the storage account")
    if code in _ETAG_MISMATCH:
        return EtagMismatch(f"another process has changed the row ({code})")
    status = error.status_code if isinstance(error, HttpResponseError) else None
    if status in (401, 403) or isinstance(error, ClientAuthenticationError):
        return PermanentError(f"Table Storage refuses access ({code}): {_ADVICE.get(code, _OTHER_ADVICE)}")
    if status == 400:
        return PermanentError(f"Table Storage cannot do what it was asked ({code})")
    return OutcomeUnknown(f"Table Storage did not answer, or not clearly ({code})")


def _code(error: Exception) -> str:
    """The service's error code, which the SDK adds to azure-core's exceptions; for others the name of the class."""
    code = getattr(error, "error_code", None)
    return code.value if isinstance(code, TableErrorCode) else str(code or type(error).__name__)
