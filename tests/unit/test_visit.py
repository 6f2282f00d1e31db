from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import azure.functions as func
import pytest

from signin.visits import visit as visit_module
from signin.visits.visit import Visit

from .test_user_agent import IPHONE, WINDOWS, gecko, webkit

FIREFOX = gecko(WINDOWS)
SAFARI = webkit(IPHONE, "Version/18.1 Mobile/15E148 Safari/604.1")


def test_a_visit_has_the_labels_of_its_user_agent() -> None:
    visit = Visit.now(SAFARI)
    assert (visit.os, visit.browser, visit.device) == ("iOS", "Safari", "Phone")


def test_a_visit_without_a_user_agent_counts_as_other() -> None:
    visit = Visit.from_headers({})
    assert visit is not None
    assert (visit.os, visit.browser, visit.device) == ("Other", "Other", "Other")


@pytest.mark.parametrize(
    "headers",
    [
        {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"},
        {"user-agent": FIREFOX, "sec-purpose": "prefetch"},
        {"user-agent": FIREFOX, "sec-purpose": "prefetch;prerender"},
        {"user-agent": FIREFOX, "sec-purpose": "prefetch;anonymous-client-ip"},
    ],
    ids=["bot", "prefetch", "prerender", "prefetch through a proxy"],
)
def test_where_nobody_is_looking_there_is_no_visit(headers: dict[str, str]) -> None:
    assert Visit.from_headers(headers) is None


def test_headers_are_found_as_the_functions_host_hands_them_over() -> None:
    request = func.HttpRequest(method="GET", url="/signin", headers={"User-Agent": FIREFOX}, body=b"")
    visit = Visit.from_headers(request.headers)
    assert visit is not None
    assert visit.browser == "Firefox"


def test_keys_lie_in_the_order_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)
    steps = [timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=38), timedelta(days=3000)]
    moments = iter([start + step for step in steps])

    class Clock:
        @staticmethod
        def now(zone: object) -> datetime:
            assert zone is UTC
            return next(moments)

    monkeypatch.setattr(visit_module, "datetime", Clock)
    keys = [Visit.now().key for _ in steps]
    assert keys == sorted(keys)
    assert keys[0].startswith("20261123T091500.000000Z-")


def test_no_two_visits_have_the_same_key() -> None:
    assert len({Visit.now().key for _ in range(10_000)}) == 10_000


def test_a_key_is_legal_in_table_storage() -> None:
    key = Visit.now(FIREFOX).key
    assert len(key.encode("utf-16-le")) <= 1024
    assert not set(key) & set("/\\#?")
    assert not [character for character in key if unicodedata.category(character) == "Cc"]


def test_a_key_tells_nothing_but_the_time() -> None:
    time, _, rest = Visit.now(FIREFOX).key.partition("-")
    assert datetime.strptime(time, "%Y%m%dT%H%M%S.%f%z").tzinfo is UTC
    assert len(bytes.fromhex(rest)) == 16
