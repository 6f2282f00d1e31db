"""Azure SignalR Service in serverless mode: the connection string, client tokens, and broadcasts by REST."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import jwt
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

CLIENT_TOKEN_SECONDS = 3600  # an open connection outlives its token
_REST_TOKEN_SECONDS = 3600
_REST_TOKEN_MARGIN = 300
_TIMEOUT = (2.0, 5.0)  # seconds to connect, seconds to answer


class ConnectionStringError(ValueError):
    """A SignalR connection string that cannot be used; the message names the property and never its secret."""


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """What a SignalR connection string says; urls are without a trailing slash.

    `endpoint` is what tokens are made out to. Clients and the REST API are sent to `client_endpoint` and
    `server_endpoint`, which differ from it where a proxy stands in front of the service.
    """

    endpoint: str
    access_key: str
    client_endpoint: str
    server_endpoint: str

    @classmethod
    def parse(cls, text: str) -> ConnectionString:
        """Parse `Endpoint=…;AccessKey=…;Version=1.0;…` as the service's own SDKs do. Raises ConnectionStringError."""
        properties = _properties(text)
        if "endpoint" not in properties:
            raise ConnectionStringError("Endpoint is missing")
        version = properties.get("version", "1.0")
        if not re.fullmatch(r"1\.\d+(?:[\w.-]+)?", version, re.ASCII):
            raise ConnectionStringError(f"Version {version!r} is not supported, only 1.x")
        auth_type = properties.get("authtype", "").lower()
        if auth_type in ("azure", "azure.msi", "azure.app"):
            raise ConnectionStringError(f"AuthType={auth_type} is not supported yet; use an AccessKey")
        if not properties.get("accesskey"):
            raise ConnectionStringError("AccessKey is missing")
        endpoint = _with_port(_url("Endpoint", properties["endpoint"]), properties.get("port"))
        return cls(
            endpoint=endpoint,
            access_key=properties["accesskey"],
            client_endpoint=_url("ClientEndpoint", properties.get("clientendpoint", endpoint)),
            server_endpoint=_url("ServerEndpoint", properties.get("serverendpoint", endpoint)),
        )


def _properties(text: str) -> dict[str, str]:
    """The properties by lower-case name. There is no quoting; a part without "=" is passed over, as the SDKs do."""
    parts = [part for part in text.split(";") if part.strip()]
    if len(parts) < 2:
        raise ConnectionStringError("it needs at least Endpoint=… and AccessKey=…, separated by ';'")
    properties: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if not equals:
            continue
        if name in properties:
            raise ConnectionStringError(f"{name!r} is given twice")
        properties[name] = value.strip()
    return properties


def _url(name: str, value: str) -> str:
    value = value.rstrip("/")
    try:
        parts = urlsplit(value)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if not is_usable:
        raise ConnectionStringError(f"{name} {value!r} is not an absolute http or https url")
    return value


def _with_port(url: str, port: str | None) -> str:
    if port is None:
        return url
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise ConnectionStringError(f"Port {port!r} is not a number from 1 to 65535")
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return parts._replace(netloc=f"{host}:{port}").geturl()


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """Where a client connects, and the token it shows there; each client gets its own."""

    url: str
    token: str


class BroadcastError(Exception):
    """The service did not take a broadcast; the message says why."""


class Hub:
    """One hub of the service. `broadcast` may be called from one thread at a time, `client_access` from any."""

    def __init__(self, connection: ConnectionString, name: str) -> None:
        self._connection = connection
        self._name = name
        self._token = ""
        self._token_expires = 0.0
        self._session = requests.Session()
        # A kept-alive connection may have been closed meanwhile. A broadcast carries the whole state, so sending one
        # twice does no harm.
        retry = Retry(total=1, status=0, respect_retry_after_header=False, allowed_methods=("POST",))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def client_access(self) -> ClientAccess:
        """A url and a fresh token for one client. Sends nothing."""
        path = f"/client/?hub={self._name}"
        token = self._sign(self._connection.endpoint + path, CLIENT_TOKEN_SECONDS)
        return ClientAccess(self._connection.client_endpoint + path, token)

    def broadcast(self, target: str, arguments: Sequence[Any]) -> None:
        """Call `target` with `arguments` at every connected client. Raises BroadcastError."""
        path = f"/api/v1/hubs/{self._name}"
        try:
            response = self._session.post(
                self._connection.server_endpoint + path,
                json={"target": target, "arguments": list(arguments)},
                headers={"Authorization": f"Bearer {self._rest_token(path)}"},
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise BroadcastError(f"SignalR did not answer ({type(error).__name__})") from error
        if response.status_code != requests.codes.accepted:
            reason = response.headers.get("WWW-Authenticate", response.reason)
            raise BroadcastError(f"SignalR answered {response.status_code} {reason}")

    def check(self) -> None:
        """Ask whether the service is well. Raises BroadcastError."""
        try:
            response = requests.head(f"{self._connection.server_endpoint}/api/v1/health", timeout=_TIMEOUT)
        except requests.RequestException as error:
            raise BroadcastError(f"SignalR did not answer ({type(error).__name__})") from error
        if not response.ok:
            raise BroadcastError(f"SignalR answered {response.status_code} {response.reason}")

    def _rest_token(self, path: str) -> str:
        now = time.time()
        if now > self._token_expires - _REST_TOKEN_MARGIN:
            self._token = self._sign(self._connection.endpoint + path, _REST_TOKEN_SECONDS)
            self._token_expires = now + _REST_TOKEN_SECONDS
        return self._token

    def _sign(self, audience: str, seconds: int) -> str:
        """A token for `audience`: HS256 with the key's UTF-8 bytes, `aud` and `exp` being all that the service needs.

        No `nbf` or `iat`: a clock a little ahead of the service's would make the token invalid.
        """
        claims = {"aud": audience, "exp": int(time.time()) + seconds, "jti": uuid4().hex}
        return jwt.encode(claims, self._connection.access_key, algorithm="HS256")
