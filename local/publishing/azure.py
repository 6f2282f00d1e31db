"""Publishing the content into a storage account in Azure."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import closing

from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from local.progress import Note, StepFailed
from local.publishing.publisher import Publisher
from signin.identity.credential import STORAGE_SCOPE
from signin.website.site import CONTAINER

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"  # the name that the Azure CLI uses

_ROLE_SECONDS = 1800.0  # until a new role takes effect: usually ten minutes, and up to 30 (Azure/azure-signalr #1955)
_PAUSE_SECONDS = 10.0


def publish(blob_url: str | None, site: str, note: Note, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Publish the content and return the names of the changed blobs. Raises StepFailed.

    `site` is the public address of the app, without a trailing slash, or "" if it is unknown. With a url of Blob
    Storage the credential is the identity that is signed in to azd or az (AZURE_TOKEN_CREDENTIALS selects it, as for
    every program that uses azure-identity); without one it is the connection string in the environment.
    """
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)  # StepFailed reports its errors
    deadline = time.monotonic() + _ROLE_SECONDS
    is_waiting = False
    while True:
        try:
            with closing(_publisher(blob_url, site)) as publisher:
                return publisher.publish()
        except HttpResponseError as error:
            if _code(error) != "AuthorizationPermissionMismatch" or time.monotonic() > deadline:
                raise StepFailed(_explanation(error, by_key=not blob_url)) from None
            if not is_waiting:
                note("waiting for the role to take effect, up to 30 minutes")
            is_waiting = True
            sleep(_PAUSE_SECONDS)
        except AzureError as error:
            reason = f"Blob Storage cannot be reached ({type(error).__name__}): is the address right?"
            raise StepFailed(reason) from None


def _publisher(blob_url: str | None, site: str) -> Publisher:
    if blob_url:
        from azure.identity import DefaultAzureCredential  # only here: the other commands start faster without it

        try:
            credential = DefaultAzureCredential(process_timeout=60)
        except ValueError as error:  # AZURE_TOKEN_CREDENTIALS has an unknown value
            raise StepFailed(str(error)) from None
        credential.get_token(STORAGE_SCOPE)  # an error is raised here at once; the storage SDK would retry it
        return Publisher(blob_url, site, credential)
    connection_string = os.environ.get(CONNECTION_STRING)
    if not connection_string:
        raise StepFailed(f"Where to? Give --blob-url, or set {CONNECTION_STRING} in the environment.")
    try:
        return Publisher(connection_string, site)
    except ValueError:  # its message may contain a part of the secret
        raise StepFailed(f"{CONNECTION_STRING} is not the connection string of a storage account.") from None


def _code(error: HttpResponseError) -> str:
    """The service's error code; "" if the error does not come from the service."""
    return str(getattr(error, "error_code", None) or "")


def _explanation(error: HttpResponseError, *, by_key: bool) -> str:
    """The cause of an error response, and what to do about it."""
    if isinstance(error, ClientAuthenticationError):
        if by_key:
            return f"The key in {CONNECTION_STRING} is not one of the storage account."
        if error.status_code is None:
            return (
                "You are not signed in to Azure, or no longer: run `azd auth login` or `az login`, then this command "
                "again."
            )
        return "Blob Storage does not accept the sign-in: is it to the tenant of the storage account, and still valid?"
    match _code(error):
        case "AuthorizationPermissionMismatch":
            return (
                "You may not write to the storage account: the role Storage Blob Data Contributor "
                f"on the container {CONTAINER} is missing. A deployment with infra/ grants it to you."
            )
        case "PublicAccessNotPermitted":
            return (
                "The storage account forbids public access to containers: give --blob-url instead of a connection "
                "string, and let the app read with its identity."
            )
        case code:
            return f"Blob Storage answered {error.status_code} {code or error.reason}."
