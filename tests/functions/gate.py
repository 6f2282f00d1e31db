"""A gate at which a request to the sample app can be held in flight."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support import TEST_TIMEOUT


class Gate:
    """A function of the sample app connects to it, sends its visit and process id, and waits for the end."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(TEST_TIMEOUT)
        self.port: int = self._server.getsockname()[1]

    @contextmanager
    def held(self) -> Iterator[tuple[str, int]]:
        """Wait for the next request; its visit and process id. It continues at the end of the context."""
        connection, _ = self._server.accept()
        with connection:
            with connection.makefile("r") as lines:
                visit, pid = lines.readline().split()
            yield visit, int(pid)

    def close(self) -> None:
        self._server.close()
