"""A connection that was idle for long is replaced, since a NAT on the way may have forgotten it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import requests
from azure.core.pipeline.transport import RequestsTransport
from azure.data.tables import TableClient
from urllib3 import Retry

from signin.counting.table import VisitTable
from signin.live.connection_string import ConnectionString
from signin.live.hub import Hub
from signin.network import sessions
from signin.network.sessions import MAX_IDLE_SECONDS, session
from signin.website.blobs import Container
from tests.support.clock import Clock


class ForgetfulNetwork:
    """A server that answers 200 to each request; what arrives on a connection that was forgotten is lost silently."""

    def __init__(self) -> None:
        self.connections = 0
        self.lost = 0
        self._generation = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def forget(self) -> None:
        """From now on lose everything on the connections that are open."""
        self._generation += 1

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self._generation), daemon=True).start()

    def _serve(self, connection: socket.socket, generation: int) -> None:
        with connection:
            while request := connection.recv(65536):
                if generation < self._generation:
                    self.lost += 1
                elif request.endswith(b"\r\n\r\n"):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


@pytest.fixture
def network() -> Iterator[ForgetfulNetwork]:
    network = ForgetfulNetwork()
    yield network
    network.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sessions, "time", clock)
    return clock


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with session(connections=2, retry=Retry(total=False)) as client:
        yield client


def test_connection_is_used_again(network: ForgetfulNetwork, clock: Clock, client: requests.Session) -> None:
    for _ in range(3):
        assert client.get(network.url, timeout=5).status_code == 200
        clock.now += MAX_IDLE_SECONDS
    assert network.connections == 1


def test_idle_connection_is_replaced(network: ForgetfulNetwork, clock: Clock, client: requests.Session) -> None:
    assert client.get(network.url, timeout=5).status_code == 200
    network.forget()
    clock.now += MAX_IDLE_SECONDS + 1
    assert client.get(network.url, timeout=5).status_code == 200
    assert network.connections == 2
    assert network.lost == 0, "the request was first sent on the forgotten connection"


def test_forgotten_connection_loses_a_request(
    network: ForgetfulNetwork, clock: Clock, client: requests.Session
) -> None:
    """The network of these tests does what the test above relies on."""
    assert client.get(network.url, timeout=5).status_code == 200
    network.forget()
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.get(network.url, timeout=0.1)
    assert network.lost == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_every_service_has_such_connections(scheme: str) -> None:
    key = "a" * 44
    hub = Hub(ConnectionString.parse(f"Endpoint={scheme}://signalr.test;AccessKey={key};Version=1.0;"), "hub")
    container = Container(f"{scheme}://blob.test/content")
    account = (
        f"DefaultEndpointsProtocol={scheme};AccountName=a;AccountKey={key}=;TableEndpoint={scheme}://table.test/a;"
    )
    client = VisitTable.from_connection_string(account)._client
    assert isinstance(client, TableClient)
    transport = client._client._client._pipeline._transport
    assert isinstance(transport, RequestsTransport)
    for owner in (hub._session, container._session, transport.session):
        assert isinstance(owner, requests.Session)
        assert isinstance(owner.get_adapter(f"{scheme}://a.test"), sessions._Adapter)
