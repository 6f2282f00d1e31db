"""Azure SignalR Service in serverless mode: client tokens, and broadcasts through the REST API."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from random import getrandbits
from typing import Any

import jwt
import requests
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from signin.identity.credential import SIGNALR_SCOPE, Bearer, Credential, IdentityError
from signin.identity.refreshing import Expiring, RefreshingValue
from signin.live.connection_string import ConnectionString
from signin.network.failures import no_response_reason
from signin.network.sessions import session
from signin.telemetry.outage import Outage

logger = logging.getLogger(__name__)

CLIENT_TOKEN_SECONDS = 3600  # a connection stays open when its token expires
_REST_TOKEN_SECONDS = 3600
_CONNECTIONS = 2  # a broadcast, and a token or a health check at the same time
_TIMEOUT = (2.0, 5.0)  # seconds to connect, seconds to read
MAX_RETRY_AFTER = 3600.0  # seconds

_ADVICE = {
    401: "check the AccessKey in AzureSignalRConnectionString, and this machine's clock",
    403: "check that its network rules allow this app",
    404: "check that Endpoint is that of an Azure SignalR Service, and that this is in serverless mode",
    429: "its quota is exhausted: add units, or raise BroadcastIntervalSeconds",
}
_OTHER_ADVICE = "check that AzureSignalRConnectionString is that of an Azure SignalR Service"
_UNAVAILABLE_ADVICE = "it is too busy or fails, try again later"


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """The url that a client connects to, and its access token."""

    url: str
    token: str


class SignalRError(Exception):
    """A request to the service failed.

    The message has the reason and what to do in the app's own words. A note has the reason in those of the service.

    `retry_after` is the number of seconds to wait before the next request, 0 if the service specified none.
    """

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Hub:
    """One hub of the service. `broadcast` may be called from one thread at a time, the rest from any."""

    def __init__(self, connection: ConnectionString, name: str, credential: Credential | None = None) -> None:
        """`credential` is that of the connection's identity; None if it has an access key."""
        self._connection = connection
        self._name = name
        self._client_path = f"/client/?hub={name}"
        self._credential = credential
        self._shared_access = RefreshingValue(self._generate_access)
        self._access_outage = Outage(logger, "pages cannot connect", "pages can connect again")
        # The service may have closed a kept-alive connection. Sending a broadcast twice is harmless, because it carries
        # the whole state, and the other requests change nothing.
        retry = Retry(total=1, status=0, respect_retry_after_header=False, allowed_methods=None)
        self._session = session(_CONNECTIONS, retry)

    def client_access(self) -> Future[ClientAccess]:
        """A url and a token for one client. The future fails with SignalRError if there is no token.

        With an access key each client gets its own token, and the future is done. Without a key a token takes a request
        to the service, so clients share one; it does not identify any of them.
        """
        if self._credential is not None:
            return self._shared_access.get()
        access: Future[ClientAccess] = Future()
        access.set_result(self._access(self._sign(self._client_path, CLIENT_TOKEN_SECONDS)))
        return access

    @property
    def access_without_token(self) -> ClientAccess:
        """The url with an empty token. A client that gets it has to negotiate again."""
        return self._access("")

    def broadcast(self, target: str, arguments: Sequence[Any]) -> None:
        """Call `target` with `arguments` at every connected client. Raises SignalRError."""
        content = {"target": target, "arguments": list(arguments)}
        self._request("POST", f"/api/v1/hubs/{self._name}", content, expected=(202,))

    def check(self) -> None:
        """Check that this is a SignalR Service that accepts the app's requests. Raises SignalRError.

        Two requests without an effect: the service's own health, and the existence of a connection whose id no
        connection has, for which the answer is 404. Another web server answers both alike.
        """
        self._request("HEAD", "/api/v1/health", expected=(200,))
        self._request("HEAD", f"/api/v1/hubs/{self._name}/connections/none", expected=(404,))

    def _access(self, token: str) -> ClientAccess:
        return ClientAccess(self._connection.client_endpoint + self._client_path, token)

    def _generate_access(self) -> Expiring[ClientAccess]:
        try:
            access = self._request_access()
        except SignalRError as error:
            self._access_outage.failed(error)
            raise
        self._access_outage.succeeded()
        return access

    def _request_access(self) -> Expiring[ClientAccess]:
        until = time.time() + CLIENT_TOKEN_SECONDS
        path = f"/api/hubs/{self._name}/:generateToken"
        query = f"api-version=2022-11-01&minutesToExpire={CLIENT_TOKEN_SECONDS // 60}"
        response = self._request("POST", path, query=query, expected=(200,))
        try:
            return Expiring(self._access(response.json()["token"]), until)
        except (KeyError, TypeError, ValueError) as error:
            raise SignalRError(
                "SignalR answered without a token: check that Endpoint is that of the service"
            ) from error

    def _request(
        self, method: str, path: str, content: object = None, *, query: str = "", expected: tuple[int, ...]
    ) -> requests.Response:
        """Send a request to the REST API. Raises SignalRError, also if the status is not an expected one."""
        try:
            response = self._session.request(
                method,
                self._connection.server_endpoint + path,
                params=query,
                json=content,
                auth=Bearer(lambda: self._rest_token(path)),
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except IdentityError as error:
            raise SignalRError(f"SignalR cannot be accessed: {error}") from error
        except (requests.RequestException, ValueError) as error:  # ValueError: an invalid host name
            raise SignalRError(
                f"SignalR did not answer: {no_response_reason(error)}; "
                "check that it runs and what AzureSignalRConnectionString names"
            ) from error
        if response.status_code not in expected:
            raise self._error_of(response)
        return response

    def _rest_token(self, path: str) -> str:
        if self._credential is not None:
            return self._credential.get_token(SIGNALR_SCOPE).token
        return self._sign(path, _REST_TOKEN_SECONDS)

    def _sign(self, path: str, seconds: int) -> str:
        """A token for a path, signed by HS256 with the key's UTF-8 bytes. The service needs only `aud` and `exp`.

        It has no `nbf` or `iat`: with these it would be invalid if this machine's clock is ahead of the service's.
        """
        audience = self._connection.endpoint + path
        claims = {"aud": audience, "exp": int(time.time()) + seconds, "jti": f"{getrandbits(128):032x}"}
        return jwt.encode(claims, self._connection.access_key, algorithm="HS256")

    def _error_of(self, response: requests.Response) -> SignalRError:
        status = response.status_code
        if self._credential is not None and status in (401, 403):
            advice = (
                "give the app's identity the role SignalR REST API Owner on the SignalR resource; "
                "a new role can take 30 minutes to take effect"
            )
        else:
            advice = _ADVICE.get(status, _OTHER_ADVICE if status < 500 else _UNAVAILABLE_ADVICE)
        error = SignalRError(f"SignalR answered {status}: {advice}", _retry_after(response))
        error.add_note(str(response.headers.get("WWW-Authenticate", response.reason)))
        return error


def _retry_after(response: requests.Response) -> float:
    """The seconds of the Retry-After header, an hour at most; 0 if it is missing or malformed."""
    try:
        return min(Retry().get_retry_after(response.raw) or 0.0, MAX_RETRY_AFTER)
    except (InvalidHeader, ValueError):  # ValueError: a year or a number that is too large for Python
        return 0.0
