"""Whether the three services behind the app answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from signin.app import App
from signin.counting.errors import StorageError
from signin.live.hub import SignalRError
from signin.website.blobs import ContentUnavailable


async def check_services(app: App) -> Mapping[str, str | None]:
    """For each of `table`, `blob` and `signalr`: None if it answers, else one line that describes the problem.

    Takes until all have answered or timed out, a few seconds at most.
    """
    checks = {"table": app.check_table, "blob": app.check_content, "signalr": app.check_signalr}
    problems = await asyncio.gather(*(asyncio.to_thread(_problem, check) for check in checks.values()))
    return dict(zip(checks, problems, strict=True))


def _problem(check: Callable[[], None]) -> str | None:
    try:
        check()
    except (StorageError, ContentUnavailable, SignalRError) as error:
        return str(error)
    return None
