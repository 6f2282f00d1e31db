from __future__ import annotations

import pytest

from signin.health import check_services
from tests.support.web_server import CLOSE, Response

from . import table_service
from .whole_app import Surroundings, running_app


def test_all_is_well_when_the_three_services_answer(around: Surroundings) -> None:
    with running_app(around) as app:
        assert check_services(app) == {"table": None, "blob": None, "signalr": None}


def test_each_service_is_judged_by_itself(around: Surroundings) -> None:
    around.table.read_errors.append(table_service.no_connection())
    around.signalr.handler = lambda request: CLOSE
    with running_app(around) as app:
        problems = check_services(app)
    assert "cannot be reached" in (problems["table"] or "")
    assert problems["blob"] is None
    assert "did not answer" in (problems["signalr"] or "")


def test_a_missing_homepage_is_a_problem(around: Surroundings) -> None:
    around.blobs.handler = lambda request: Response(404)
    with running_app(around) as app:
        assert "content/index.html does not exist" in (check_services(app)["blob"] or "")


def test_asking_changes_nothing(around: Surroundings) -> None:
    with running_app(around) as app:
        check_services(app)
    assert not around.table.attempts
    assert not around.broadcasts()


def test_a_defect_is_not_taken_for_a_service_that_is_down(
    around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect() -> None:
        raise ZeroDivisionError

    with running_app(around) as app:
        monkeypatch.setattr(app.content, "check", defect)
        with pytest.raises(ZeroDivisionError):
            check_services(app)
