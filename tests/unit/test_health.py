from __future__ import annotations

import asyncio

import pytest

from signin.health import check_services
from tests.support.web_server import CLOSE, Response

from . import table_service
from .whole_app import Surroundings, running_app


async def test_services_that_answer_have_no_problem(around: Surroundings) -> None:
    with running_app(around) as app:
        assert await check_services(app) == {"table": None, "blob": None, "signalr": None}


async def test_each_service_has_its_own_problem(around: Surroundings) -> None:
    around.table.read_errors.append(table_service.no_connection())
    around.signalr.handler = lambda request: CLOSE
    with running_app(around) as app:
        problems = await check_services(app)
    assert "cannot be reached" in (problems["table"] or "")
    assert problems["blob"] is None
    assert "did not answer" in (problems["signalr"] or "")


async def test_missing_homepage_is_a_problem(around: Surroundings) -> None:
    around.blobs.handler = lambda request: Response(404)
    with running_app(around) as app:
        assert "content/index.html does not exist" in ((await check_services(app))["blob"] or "")


async def test_check_changes_nothing(around: Surroundings) -> None:
    with running_app(around) as app:
        await check_services(app)
    assert not around.table.attempts
    assert not around.broadcasts()


async def test_checks_do_not_block_the_event_loop(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor each other: all three are under way before the first ends."""
    loop = asyncio.get_running_loop()
    are_all_under_way = asyncio.Barrier(3)

    def check() -> None:
        asyncio.run_coroutine_threadsafe(asyncio.wait_for(are_all_under_way.wait(), 10), loop).result(10)

    with running_app(around) as app:
        for part in (app._site, app._hub):
            monkeypatch.setattr(part, "check", check)
        monkeypatch.setattr(app._table, "read", lambda shard: check())
        assert await check_services(app) == {"table": None, "blob": None, "signalr": None}


async def test_defect_is_not_reported_as_a_problem(around: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect() -> None:
        raise ZeroDivisionError

    with running_app(around) as app:
        monkeypatch.setattr(app._site, "check", defect)
        with pytest.raises(ZeroDivisionError):
            await check_services(app)
