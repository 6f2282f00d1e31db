"""Whether the three services behind the app answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from signin.app import App
from signin.counting.table import StorageError
from signin.live.hub import SignalRError
from signin.website.blobs import ContentUnavailable


def check_services(app: App) -> Mapping[str, str | None]:
    """For each of `table`, `blob` and `signalr`: None where it is well, else one line that says what is wrong.

    Blocks until all have answered or timed out, a few seconds at most.
    """
    parts: dict[str, Callable[[], object]] = {
        "table": lambda: app.table.read(0),
        "blob": app.content.check,
        "signalr": app.hub.check,
    }
    with ThreadPoolExecutor(len(parts)) as pool:
        return dict(zip(parts, pool.map(_problem, parts.values()), strict=True))


def _problem(ask: Callable[[], object]) -> str | None:
    try:
        ask()
    except (StorageError, ContentUnavailable, SignalRError) as error:
        return str(error)
    return None
