"""Azure SignalR Service in serverless mode: the connection string, client tokens, and broadcasts by REST."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import getrandbits
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import InvalidHeader
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
    access_key: str = field(repr=False)
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
            raise ConnectionStringError("Version is not supported, only 1.x")
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
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and not parts.query
    except ValueError:
        is_usable = False
    if not is_usable or " " in value:
        raise ConnectionStringError(f"{name} is not an absolute http or https url")
    return value


def _with_port(url: str, port: str | None) -> str:
    if port is None:
        return url
    if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 1 <= int(port) <= 65535:
        raise ConnectionStringError("Port is not a number from 1 to 65535")
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return parts._replace(netloc=f"{host}:{port}").geturl()


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """Where a client connects, and the token it shows there; each client gets its own."""

    url: str
    token: str


class SignalRError(Exception):
    """The service did not do what was asked; the message says why. `retry_after`: for how many seconds not to ask."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Hub:
    """One hub of the service. `broadcast` may be called from one thread at a time, the rest from any."""

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
        """Call `target` with `arguments` at every connected client. Raises SignalRError."""
        path = f"/api/v1/hubs/{self._name}"
        now = time.time()
        if now > self._token_expires - _REST_TOKEN_MARGIN:
            self._token = self._sign(self._connection.endpoint + path, _REST_TOKEN_SECONDS)
            self._token_expires = now + _REST_TOKEN_SECONDS
        answer = self._request("POST", path, self._token, {"target": target, "arguments": list(arguments)})
        if answer.status_code != requests.codes.accepted:
            raise _refusal(answer)

    def check(self) -> None:
        """Ask whether the service is there and takes our key, by a question without an effect. Raises SignalRError."""
        path = f"/api/v1/hubs/{self._name}/connections/none"
        answer = self._request("HEAD", path, self._sign(self._connection.endpoint + path, _REST_TOKEN_SECONDS))
        if answer.status_code not in (200, 404):  # 404: no connection has this id
            raise _refusal(answer)

    def _request(self, method: str, path: str, token: str, content: object = None) -> requests.Response:
        try:
            return self._session.request(
                method,
                self._connection.server_endpoint + path,
                json=content,
                auth=_Bearer(token),
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except (requests.RequestException, ValueError) as error:  # ValueError: a host name that cannot be one
            raise SignalRError(f"SignalR did not answer ({type(error).__name__})") from error

    def _sign(self, audience: str, seconds: int) -> str:
        """A token for `audience`: HS256 with the key's UTF-8 bytes, `aud` and `exp` being all that the service needs.

        No `nbf` or `iat`: a clock a little ahead of the service's would make the token invalid.
        """
        claims = {"aud": audience, "exp": int(time.time()) + seconds, "jti": f"{getrandbits(128):032x}"}
        return jwt.encode(claims, self._connection.access_key, algorithm="HS256")


class _Bearer(AuthBase):
    """A bearer token. As a header of the request it would yield to a .netrc that has an entry for the host."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


_ADVICE = {
    401: "check the AccessKey in AzureSignalRConnectionString, and this machine's clock",
    403: "check that its network rules let this app in",
    404: "check that the service is in serverless mode",
    429: "its quota is used up: give it more units, or raise BroadcastIntervalSeconds",
}


def _refusal(answer: requests.Response) -> SignalRError:
    reason = answer.headers.get("WWW-Authenticate", answer.reason)
    advice = _ADVICE.get(answer.status_code, "check AzureSignalRConnectionString")
    try:
        retry_after = Retry().get_retry_after(answer.raw) or 0.0
    except InvalidHeader:
        retry_after = 0.0
    return SignalRError(f"SignalR answered {answer.status_code} {reason}: {advice}", retry_after)
