"""A fake of the endpoint that issues tokens of a managed identity in App Service, on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.web_server import Request, Response, WebServer

SECRET = "the-secret-of-this-machine"


class IdentityEndpoint:
    """Responds as App Service does (API version 2019-08-01): a token by resource, if the request has the secret header.

    `queries` are those of the requests so far; `failure`, if set, is the response to every further one.
    """

    def __init__(self, server: WebServer, tokens: Mapping[str, str]) -> None:
        self._server = server
        self.tokens = dict(tokens)
        self.queries: list[dict[str, str]] = []
        self.failure: Response | None = None
        server.handler = self._respond

    @property
    def environment(self) -> dict[str, str]:
        return {"IDENTITY_ENDPOINT": f"{self._server.url}/msi/token", "IDENTITY_HEADER": SECRET}

    def _respond(self, request: Request) -> Response:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}
        self.queries.append(query)
        if self.failure is not None:
            return self.failure
        if request.headers.get("x-identity-header") != SECRET or query.get("api-version") != "2019-08-01":
            return Response(400, b"bad request")
        if query["resource"] not in self.tokens:
            return Response(400, json.dumps({"error": "invalid_resource"}).encode())
        answer = {
            "access_token": self.tokens[query["resource"]],
            "expires_on": str(int(time.time()) + 86400),
            "resource": query["resource"],
            "token_type": "Bearer",
        }
        return Response(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})


@contextmanager
def identity_endpoint(tokens: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityEndpoint]:
    """An endpoint with these tokens by resource, named in the environment of this process."""
    with WebServer(lambda request: Response(500)) as server:
        endpoint = IdentityEndpoint(server, tokens)
        for name, value in endpoint.environment.items():
            monkeypatch.setenv(name, value)
        yield endpoint
