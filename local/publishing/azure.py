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

CONNECTION_STRING = "AZURE_STORAGE_CONNECTION_STRING"  # as the Azure CLI has it

_ROLE_SECONDS = 600.0  # how long a role may take to have effect: Azure names ten minutes
_PAUSE_SECONDS = 10.0


def publish(blob_url: str | None, site: str, note: Note, sleep: Callable[[float], None] = time.sleep) -> list[str]:
    """Make the container hold the content; the names of the blobs that had to change. Raises StepFailed.

    `site` is the address of the app, without a trailing slash; "" where it is not known. With a url of Blob Storage it
    is done as whoever is signed in to azd or az (AZURE_TOKEN_CREDENTIALS chooses, as for every program that uses
    azure-identity), without one by the connection string in the environment.
    """
    logging.getLogger("azure.identity").setLevel(logging.CRITICAL)  # what is wrong is said once, below
    deadline = time.monotonic() + _ROLE_SECONDS
    while True:
        try:
            with closing(_publisher(blob_url, site)) as publisher:
                return publisher.publish()
        except HttpResponseError as error:
            if _code(error) != "AuthorizationPermissionMismatch" or time.monotonic() > deadline:
                raise StepFailed(_explanation(error, by_key=not blob_url)) from None
            note("waiting for the role to take effect")
            sleep(_PAUSE_SECONDS)
        except AzureError as error:
            reason = f"Blob Storage cannot be reached ({type(error).__name__}): is the address right?"
            raise StepFailed(reason) from None


def _publisher(blob_url: str | None, site: str) -> Publisher:
    if blob_url:
        from azure.identity import DefaultAzureCredential  # here, since the other commands need not wait for it

        try:
            credential = DefaultAzureCredential(process_timeout=60)
        except ValueError as error:  # AZURE_TOKEN_CREDENTIALS names none that there is
            raise StepFailed(str(error)) from None
        credential.get_token(STORAGE_SCOPE)  # asked here, since the storage SDK would ask again and again
        return Publisher(blob_url, site, credential)
    connection_string = os.environ.get(CONNECTION_STRING)
    if not connection_string:
        raise StepFailed(f"Where to? Give --blob-url, or set {CONNECTION_STRING} in the environment.")
    try:
        return Publisher(connection_string, site)
    except ValueError:  # its words may hold a part of it
        raise StepFailed(f"{CONNECTION_STRING} is not the connection string of a storage account.") from None


def _code(error: HttpResponseError) -> str:
    """The service's own word for what is wrong; "" where no service was asked."""
    return str(getattr(error, "error_code", None) or "")


def _explanation(error: HttpResponseError, *, by_key: bool) -> str:
    """What a refusal means, and what to do about it."""
    if isinstance(error, ClientAuthenticationError):
        if by_key:
            return f"The key in {CONNECTION_STRING} is not one of the storage account."
        if error.status_code is None:
            return "Nobody is signed in to Azure: `azd auth login` or `az login`, then run this again."
        return "Blob Storage does not accept the sign-in: is it to the tenant of the storage account, and still valid?"
    match _code(error):
        case "AuthorizationPermissionMismatch":
            return (
                "You may not write to the storage account: the role Storage Blob Data Contributor "
                f"on the container {CONTAINER} is missing. Whoever deploys with infra/ gets it."
            )
        case "PublicAccessNotPermitted":
            return (
                "The storage account forbids containers that anybody may read: give --blob-url instead of a "
                "connection string, and let the app read with its identity."
            )
        case code:
            return f"Blob Storage answered {error.status_code} {code or error.reason}."
