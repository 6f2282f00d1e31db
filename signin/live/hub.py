"""Azure SignalR Service in serverless mode: client tokens, and broadcasts by REST."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from random import getrandbits
from typing import Any

import jwt
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from signin.identity.credential import SIGNALR_SCOPE, Bearer, Credential, IdentityError
from signin.identity.refreshing import Expiring, RefreshingValue
from signin.live.connection_string import ConnectionString

CLIENT_TOKEN_SECONDS = 3600  # an open connection outlives its token
_REST_TOKEN_SECONDS = 3600
_TIMEOUT = (2.0, 5.0)  # seconds to connect, seconds to answer
MAX_RETRY_AFTER = 3600.0  # seconds

_ADVICE = {
    401: "check the AccessKey in AzureSignalRConnectionString, and this machine's clock",
    403: "check that its network rules let this app in",
    404: "check that the service is in serverless mode",
    429: "its quota is used up: give it more units, or raise BroadcastIntervalSeconds",
}


@dataclass(frozen=True, slots=True)
class ClientAccess:
    """Where a client connects, and the token it shows there."""

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
        self._client_path = f"/client/?hub={name}"
        self._credential = Credential(connection.identity) if connection.identity else None
        self._generated = RefreshingValue(self._generate_access)
        self._session = requests.Session()
        # A kept-alive connection may have been closed meanwhile. A broadcast carries the whole state, so sending one
        # twice does no harm, and the other requests change nothing.
        retry = Retry(total=1, status=0, respect_retry_after_header=False, allowed_methods=None)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def client_access(self) -> Future[ClientAccess]:
        """A url and a token for one client, or SignalRError.

        With an access key it is a token of the client's own, and the future is done. Without one the service makes the
        tokens, which takes a request; so clients share one, which says nothing about any of them.
        """
        if self._credential is not None:
            return self._generated.get()
        access: Future[ClientAccess] = Future()
        access.set_result(self._access(self._sign(self._client_path, CLIENT_TOKEN_SECONDS)))
        return access

    @property
    def access_without_token(self) -> ClientAccess:
        """The url, and no token: whoever gets it has to ask again."""
        return self._access("")

    def broadcast(self, target: str, arguments: Sequence[Any]) -> None:
        """Call `target` with `arguments` at every connected client. Raises SignalRError."""
        self._request(
            "POST", f"/api/v1/hubs/{self._name}", {"target": target, "arguments": list(arguments)}, answers=(202,)
        )

    def check(self) -> None:
        """Ask whether the service is there and lets us in, by a question without an effect. Raises SignalRError."""
        self._request("HEAD", f"/api/v1/hubs/{self._name}/connections/none", answers=(200, 404))  # 404: no such client

    def _access(self, token: str) -> ClientAccess:
        return ClientAccess(self._connection.client_endpoint + self._client_path, token)

    def _generate_access(self) -> Expiring[ClientAccess]:
        until = time.time() + CLIENT_TOKEN_SECONDS
        path = f"/api/hubs/{self._name}/:generateToken"
        query = f"api-version=2022-11-01&minutesToExpire={CLIENT_TOKEN_SECONDS // 60}"
        answer = self._request("POST", path, query=query, answers=(200,))
        try:
            return Expiring(self._access(answer.json()["token"]), until)
        except (KeyError, TypeError, ValueError) as error:
            raise SignalRError(
                "SignalR answered without a token: check that Endpoint is that of the service"
            ) from error

    def _request(
        self, method: str, path: str, content: object = None, *, query: str = "", answers: tuple[int, ...]
    ) -> requests.Response:
        """One request to the REST API, answered with one of these statuses. Raises SignalRError."""
        try:
            answer = self._session.request(
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
        except (requests.RequestException, ValueError) as error:  # ValueError: a host name that cannot be one
            raise SignalRError(f"SignalR did not answer ({type(error).__name__})") from error
        if answer.status_code not in answers:
            raise self._refusal(answer)
        return answer

    def _rest_token(self, path: str) -> str:
        if self._credential is not None:
            return self._credential.get_token(SIGNALR_SCOPE).token
        return self._sign(path, _REST_TOKEN_SECONDS)

    def _sign(self, path: str, seconds: int) -> str:
        """A token for a path: HS256 with the key's UTF-8 bytes, `aud` and `exp` being all that the service needs.

        No `nbf` or `iat`: a clock a little ahead of the service's would make the token invalid.
        """
        audience = self._connection.endpoint + path
        claims = {"aud": audience, "exp": int(time.time()) + seconds, "jti": f"{getrandbits(128):032x}"}
        return jwt.encode(claims, self._connection.access_key, algorithm="HS256")

    def _refusal(self, answer: requests.Response) -> SignalRError:
        reason = answer.headers.get("WWW-Authenticate", answer.reason)
        if self._credential is not None and answer.status_code in (401, 403):
            advice = "give the app's identity the role SignalR REST API Owner on the SignalR resource"
        else:
            advice = _ADVICE.get(answer.status_code, "check AzureSignalRConnectionString")
        return SignalRError(f"SignalR answered {answer.status_code} {reason}: {advice}", _retry_after(answer))


def _retry_after(answer: requests.Response) -> float:
    """The seconds that a Retry-After header asks for, an hour at most; 0 where there is none, or no sense in it."""
    try:
        return min(Retry().get_retry_after(answer.raw) or 0.0, MAX_RETRY_AFTER)
    except (InvalidHeader, ValueError):  # ValueError: a year or a number that Python does not take
        return 0.0
