"""The app as a whole, between a table in memory and two services on loopback."""

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
from tests.support.web_server import Answer, Asked, WebServer, web_server

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
        return [json.loads(asked.body)["arguments"] for asked in self.signalr.asked if asked.method == "POST"]


def signalr_service(asked: Asked) -> Answer:
    return Answer(202 if asked.method == "POST" else 200)


def blob_service(asked: Asked) -> Answer:
    if asked.target == "/content/index.html":
        return Answer(200, b"<p>Home", {"Content-Type": "text/html"})
    return Answer(404)


@contextmanager
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Surroundings]:
    table = TableService()
    monkeypatch.setattr(VisitTable, "from_connection_string", lambda text: table.visit_table())
    with web_server(signalr_service) as signalr, web_server(blob_service) as blobs:
        yield Surroundings(table, signalr, blobs)


@contextmanager
def running_app(around: Surroundings) -> Iterator[App]:
    """An app of its own, closed at the end."""
    app = App(Settings.from_environment(around.environment))
    try:
        yield app
    finally:
        close(app)


def close(app: App) -> None:
    app.close()
    app.hub._session.close()


def forget_current() -> App | None:
    """The app that the first request put together, if any; the next request puts together another."""
    app, app_module._app = app_module._app, None
    return app
