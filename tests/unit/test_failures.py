"""The reasons of real failures of connections, as each of the app's HTTP clients meets them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import pytest

from signin.counting.errors import NoEffect, OutcomeUnknown, StorageError
from signin.counting.rows import ABSENT
from signin.counting.table import _REQUEST_OPTIONS, VisitTable
from signin.live.connection_string import ConnectionString
from signin.live.hub import Hub, SignalRError
from signin.telemetry.outage import with_notes
from signin.visits.visit import Visit
from signin.website.blobs import Container, ContentUnavailable
from tests.support import https_storage
from tests.support.web_server import CLOSE, WebServer, nothing_listening

KEY = "a-key-of-44-characters-as-the-service-makes="
SIGNATURE = "the-signature-is-a-secret"


def commit(url: str) -> None:
    access = f"TableEndpoint={url};SharedAccessSignature=sv=2020-12-06&sig={SIGNATURE}"
    VisitTable.from_connection_string(access).commit(0, ABSENT, [Visit.now()])


def check_blobs(url: str) -> None:
    Container(f"{url}/content").check("index.html")


def check_signalr(url: str) -> None:
    Hub(ConnectionString.parse(f"Endpoint={url};AccessKey={KEY}"), "chat").check()


CLIENTS = [commit, check_blobs, check_signalr]
ERRORS = (StorageError, ContentUnavailable, SignalRError)


@contextmanager
def unknown_host() -> Iterator[str]:
    yield "http://no-such-host.invalid"


@contextmanager
def hangs_up() -> Iterator[str]:
    with WebServer(lambda request: CLOSE) as server:
        yield server.url


@contextmanager
def is_silent() -> Iterator[str]:
    """The system accepts connections, and nothing answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def has_no_tls() -> Iterator[str]:
    with WebServer(lambda request: CLOSE) as server:
        yield server.url.replace("http:", "https:")


@contextmanager
def has_untrusted_certificate(folder: Path) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(https_storage.certificate(folder))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def shake_hands() -> None:
            with suppress(OSError):
                while True:
                    with server.accept()[0] as connection, suppress(OSError):
                        context.wrap_socket(connection, server_side=True).close()

        threading.Thread(target=shake_hands, daemon=True).start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def assert_reason(client: Callable[[str], None], url: str, reason: str, meaning: type[StorageError]) -> None:
    """`meaning` is the kind of error that a commit raises."""
    with pytest.raises(ERRORS) as raised:
        client(url)
    message = str(raised.value)
    assert f": {reason}; check " in message
    for secret in (SIGNATURE, KEY, url.partition("//")[2]):
        assert secret not in with_notes(raised.value)
    if client is commit:
        assert type(raised.value) is meaning


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("server", "reason", "meaning"),
    [
        (unknown_host, "its host name cannot be resolved", NoEffect),
        (nothing_listening, "it accepts no connection", NoEffect),
        (hangs_up, "the connection broke, or the answer is incomplete", OutcomeUnknown),
        (is_silent, "it does not respond in time", OutcomeUnknown),
        (has_no_tls, "its TLS certificate is not trusted, or it has none", OutcomeUnknown),
    ],
)
def test_reason_of_a_failed_connection(
    server: Callable[[], AbstractContextManager[str]],
    reason: str,
    meaning: type[StorageError],
    client: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(_REQUEST_OPTIONS, "read_timeout", 0.2)
    for module in ("signin.live.hub", "signin.website.blobs"):
        monkeypatch.setattr(f"{module}._TIMEOUT", (2.0, 0.2))
    with server() as url:
        assert_reason(client, url, reason, meaning)


@pytest.mark.parametrize("client", CLIENTS)
def test_reason_of_an_untrusted_certificate(client: Callable[[str], None], tmp_path: Path) -> None:
    """The handshake fails before the request is sent."""
    with has_untrusted_certificate(tmp_path) as url:
        assert_reason(client, url, "its TLS certificate is not trusted, or it has none", NoEffect)
