"""The whole app between a table in memory and two services on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from signin import app as app_module
from signin.app import App
from signin.counting.table import VisitTable
from signin.settings import Settings
from tests.support.web_server import Request, Response, WebServer

from .table_service import TableService

KEY = "a-key-of-44-characters-as-the-service-makes="


class Surroundings:
    """The three services behind an app, and the environment that names them."""

    def __init__(self, table: TableService, signalr: WebServer, blobs: WebServer) -> None:
        self.table = table
        self.signalr = signalr
        self.blobs = blobs

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TableConnectionString": "UseDevelopmentStorage=true",
            "BlobHost": self.blobs.url,
            "AzureSignalRConnectionString": f"Endpoint={self.signalr.url};AccessKey={KEY};Version=1.0;",
            "BroadcastIntervalSeconds": "0.1",
        }

    def broadcasts(self) -> list[Any]:
        """The arguments of each broadcast."""
        return [json.loads(request.body)["arguments"] for request in self.signalr.requests if request.method == "POST"]


def signalr_service(request: Request) -> Response:
    if request.method == "POST":
        return Response(202)
    return Response(200 if request.target == "/api/v1/health" else 404)


def blob_service(request: Request) -> Response:
    if request.target == "/content/index.html":
        return Response(200, b"<p>Home", {"Content-Type": "text/html"})
    return Response(404)


@contextmanager
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Surroundings]:
    table = TableService()
    monkeypatch.setattr(VisitTable, "from_connection_string", lambda text: table.visit_table())
    with WebServer(signalr_service) as signalr, WebServer(blob_service) as blobs:
        yield Surroundings(table, signalr, blobs)


@contextmanager
def running_app(around: Surroundings, **settings: str) -> Iterator[App]:
    """A started app with these settings besides those of its surroundings, closed at the end."""
    app = App(Settings.from_environment(around.environment | settings))
    app.start()
    try:
        yield app
    finally:
        close(app)


def close(app: App) -> None:
    app.close()
    for counter in app._counters.values():
        counter._hub._session.close()


def forget_current() -> App | None:
    """The app that the first request made, if any; the next request makes another."""
    app, app_module._app = app_module._app, None
    return app
