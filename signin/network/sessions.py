"""HTTP sessions that replace a connection after two idle minutes.

Azure's outbound NAT forgets a connection that was idle for four minutes, and informs neither end. The next request on
such a connection would wait for its read timeout: the first visitor after a pause waited 5 s.
"""

from __future__ import annotations

import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry

MAX_IDLE_SECONDS = 120.0


def session(connections: int, retry: Retry) -> requests.Session:
    """A session that keeps at most so many connections to a host open for the next request."""
    result = requests.Session()
    for scheme in ("http://", "https://"):
        result.mount(scheme, _Adapter(pool_maxsize=connections, max_retries=retry))
    return result


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


class _Pool(HTTPConnectionPool):
    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)
        if time.monotonic() - getattr(connection, "idle_since", float("inf")) > MAX_IDLE_SECONDS:
            connection.close()  # it connects again when it is used
        return connection

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = time.monotonic()
        super()._put_conn(conn)


class _SecurePool(_Pool, HTTPSConnectionPool):
    pass
