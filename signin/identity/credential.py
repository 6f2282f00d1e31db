"""Access tokens of the app's own identity in Microsoft Entra ID, used in place of keys."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from requests.auth import AuthBase

from signin.identity.refreshing import Expiring, RefreshingValue

STORAGE_SCOPE = "https://storage.azure.com/.default"
SIGNALR_SCOPE = "https://signalr.azure.com/.default"

_TIMEOUTS: dict[str, Any] = {
    "connection_timeout": 2.0,  # seconds
    "read_timeout": 10.0,
    "retry_total": 2,
    "retry_backoff_max": 2.0,
}
# Shorter, because the endpoint for managed identities is on the same machine, and visitors wait for the first token.
_MANAGED_IDENTITY_TIMEOUTS: dict[str, Any] = {"connection_timeout": 1.0, "read_timeout": 3.0, "retry_total": 1}


class IdentityError(Exception):
    """No token could be fetched. The message states what to do; a note has the reason in azure-identity's words."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity that the app authenticates as.

    With `is_managed`, it is the managed identity with `client_id`, or the system-assigned one. With `tenant_id`, it is
    an application in that tenant, with a secret or the path of a certificate. With neither, `DefaultAzureCredential`
    chooses: from the environment variables of Azure Identity, or the account signed in on a developer's machine.
    """

    is_managed: bool = False
    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_certificate: str | None = None


class Credential:
    """A `TokenCredential` for the Azure SDKs that caches one token per scope. Thread-safe."""

    def __init__(self, identity: Identity, clock: Callable[[], float] = time.time) -> None:
        self._identity = identity
        self._clock = clock
        self._tokens: dict[str, RefreshingValue[AccessToken]] = {}

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token for one scope that is not about to expire. May block for some seconds; raises IdentityError."""
        (scope,) = scopes
        refreshing = self._tokens.setdefault(scope, RefreshingValue(lambda: self._fetch(scope), self._clock))
        token = refreshing.get()
        error = token.exception()
        if isinstance(error, IdentityError):
            # Each caller raises an error of its own: the traceback of a shared one grows with every raise.
            raise IdentityError(str(error)) from error
        return token.result()

    def _fetch(self, scope: str) -> Expiring[AccessToken]:
        try:
            token = self._azure_credential.get_token(scope)
        except Exception as error:  # azure-identity raises many types, some from the libraries below it
            problem = IdentityError(f"no token for the app's identity; {self._advice}")
            # The text of any other type may contain anything, a secret too.
            has_reason = isinstance(error, ClientAuthenticationError | OSError)
            problem.add_note(str(error).strip().split("\n")[0] if has_reason else type(error).__name__)
            raise problem from error
        return Expiring(token, token.expires_on)

    @property
    def _advice(self) -> str:
        if self._identity.is_managed:
            return "check that this managed identity is assigned to the app"
        if self._identity.tenant_id:
            return "check ClientId, TenantId and ClientSecret or ClientCert"
        return "sign in by `az login` or `azd auth login`"

    @cached_property
    def _azure_credential(self) -> TokenCredential:
        # Imported here because it takes longer than importing the rest of the app, and an app with keys never uses it.
        from azure.identity import (
            CertificateCredential,
            ClientSecretCredential,
            DefaultAzureCredential,
            ManagedIdentityCredential,
        )

        # azure-identity logs the same failure several times, in many lines; IdentityError has the reason in one.
        logging.getLogger("azure.identity").setLevel(logging.ERROR)
        identity = self._identity
        if identity.is_managed:
            return ManagedIdentityCredential(client_id=identity.client_id, **_MANAGED_IDENTITY_TIMEOUTS)
        if identity.tenant_id and identity.client_id and identity.client_secret:
            return ClientSecretCredential(identity.tenant_id, identity.client_id, identity.client_secret, **_TIMEOUTS)
        if identity.tenant_id and identity.client_id:
            return CertificateCredential(
                identity.tenant_id, identity.client_id, identity.client_certificate, **_TIMEOUTS
            )
        return DefaultAzureCredential(managed_identity_client_id=identity.client_id, **_TIMEOUTS)


def is_https_or_loopback(url: str) -> bool:
    """Whether a token sent to this url is safe on the way: the url is https, or the request stays on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


class Bearer(AuthBase):
    """Adds a bearer token to a request.

    As `auth`, because requests overwrites a plain Authorization header if a .netrc has an entry for the host.
    """

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token()}"
        return request
