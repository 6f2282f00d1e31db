"""The app's own identity in Microsoft Entra ID: its tokens take the place of keys."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
from azure.core.credentials import AccessToken, TokenCredential
from requests.auth import AuthBase

from signin.identity.refreshing import Expiring, RefreshingValue

STORAGE_SCOPE = "https://storage.azure.com/.default"
SIGNALR_SCOPE = "https://signalr.azure.com/.default"

_PATIENCE: dict[str, Any] = {
    "connection_timeout": 2.0,  # seconds
    "read_timeout": 10.0,
    "retry_total": 2,
    "retry_backoff_max": 2.0,
}
# What gives out tokens of a managed identity is on the same machine, and visitors wait for the first of them.
_IMPATIENCE: dict[str, Any] = {"connection_timeout": 1.0, "read_timeout": 3.0, "retry_total": 1}


class IdentityError(Exception):
    """There is no token to be had; the message says why and what to do. It holds no secret."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the app is.

    A managed identity (the one with `client_id`, or else the system-assigned one); an application of the tenant
    `tenant_id`, with a secret or the path of a certificate; or neither: whoever the environment names, or is logged in
    on a developer's machine.
    """

    is_managed: bool = False
    client_id: str | None = None
    tenant_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_certificate: str | None = None


class Credential:
    """The tokens of an identity, as the Azure SDKs ask for them. Thread-safe."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._tokens: dict[str, RefreshingValue[AccessToken]] = {}

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token for one scope, good for a minute at least. May block for some seconds; raises IdentityError."""
        (scope,) = scopes
        token = self._tokens.setdefault(scope, RefreshingValue(lambda: self._fetch(scope)))
        return token.get().result()

    def _fetch(self, scope: str) -> Expiring[AccessToken]:
        try:
            token = self._source.get_token(scope)
        except Exception as error:  # azure-identity has many, and those of the libraries below it
            reason = str(error).strip().split("\n")[0].rstrip(".")
            raise IdentityError(f"no token for the app's identity: {reason}; {self._advice}") from error
        return Expiring(token, token.expires_on)

    @property
    def _advice(self) -> str:
        if self._identity.is_managed:
            return "check that this managed identity is assigned to the app"
        if self._identity.tenant_id:
            return "check ClientId, TenantId and ClientSecret or ClientCert"
        return "sign in by `az login` or `azd auth login`"

    @cached_property
    def _source(self) -> TokenCredential:
        # It takes longer to import than all the rest of the app, which runs without it where there are keys.
        from azure.identity import (
            CertificateCredential,
            ClientSecretCredential,
            DefaultAzureCredential,
            ManagedIdentityCredential,
        )

        # It says in many lines, more than once, what our error says in one.
        logging.getLogger("azure.identity").setLevel(logging.ERROR)
        who = self._identity
        if who.is_managed:
            return ManagedIdentityCredential(client_id=who.client_id, **_IMPATIENCE)
        if who.tenant_id and who.client_id and who.client_secret:
            return ClientSecretCredential(who.tenant_id, who.client_id, who.client_secret, **_PATIENCE)
        if who.tenant_id and who.client_id:
            return CertificateCredential(who.tenant_id, who.client_id, who.client_certificate, **_PATIENCE)
        return DefaultAzureCredential(managed_identity_client_id=who.client_id, **_PATIENCE)


def is_https_or_loopback(url: str) -> bool:
    """Whether nobody on the way to this url can read a token: it is https, or does not leave this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or parts.hostname in ("localhost", "127.0.0.1", "::1")


class Bearer(AuthBase):
    """Puts a bearer token into a request. A plain header would yield to a .netrc that has an entry for the host."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token()}"
        return request
