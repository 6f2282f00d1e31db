from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta

import azure.functions as func
import pytest

from signin.visits.dimensions import SignInRequest
from signin.visits.visit import InvalidIdempotencyKey, Visit, new_key
from tests.support.user_agents import CRAWLER, FIREFOX_ON_WINDOWS, SAFARI_ON_IPHONE, by

AT = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)


def test_visit_has_labels_of_its_user_agent() -> None:
    visit = Visit.now(by(SAFARI_ON_IPHONE))
    assert {"OS": "iOS", "Browser": "Safari", "Device": "Phone"}.items() <= visit.labels.items()


def test_missing_user_agent_counts_as_other() -> None:
    visit = Visit.from_request(SignInRequest(), at=AT)
    assert visit is not None
    assert set(visit.labels.values()) == {"Other"}


def test_request_that_does_not_count_is_no_visit() -> None:
    assert Visit.from_request(by(CRAWLER), at=AT) is None
    assert Visit.from_request(SignInRequest({"sec-fetch-site": "cross-site"}), at=AT) is None


def test_headers_of_functions_request_are_read() -> None:
    request = func.HttpRequest(method="GET", url="/signin", headers={"User-Agent": FIREFOX_ON_WINDOWS}, body=b"")
    visit = Visit.from_request(SignInRequest(request.headers), at=AT)
    assert visit is not None
    assert (visit.labels["Browser"], visit.at) == ("Firefox", AT)


def test_keys_are_sorted_by_time() -> None:
    start = datetime(2026, 11, 23, 9, 15, tzinfo=UTC)
    steps = [timedelta(0), timedelta(microseconds=1), timedelta(seconds=1), timedelta(days=38), timedelta(days=3000)]
    keys = [new_key(start + step) for step in steps]
    assert keys == sorted(keys)
    assert keys[0].startswith("20261123T091500.000000Z-")


def test_key_starts_with_time_of_visit() -> None:
    before = datetime.now(UTC)
    visit = Visit.now()
    assert before <= visit.at <= datetime.now(UTC)
    assert visit.key.startswith(f"{visit.at:%Y%m%dT%H%M%S.%fZ}-")


@pytest.mark.parametrize("key", ["0123456789abcdef", "A-Z_" * 16], ids=["shortest", "longest"])
def test_row_key_does_not_depend_on_the_idempotency_key(key: str) -> None:
    first, second = (Visit.from_request(SignInRequest(), key, at=AT) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.idempotency_key == second.idempotency_key == key
    assert key not in first.key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "0123456789abcde",
        "a" * 65,
        "0123456789abcde/",
        "0123456789abcdef\n",
        "0123456789abcdé0",
        "a" * 16 + "," + "b" * 16,
    ],
)
@pytest.mark.parametrize("user_agent", [FIREFOX_ON_WINDOWS, "Googlebot/2.1"])
def test_malformed_idempotency_key_is_an_error(key: str, user_agent: str) -> None:
    with pytest.raises(InvalidIdempotencyKey, match="visit has to be 16 to 64 of the characters"):
        Visit.from_request(by(user_agent), key, at=AT)


def test_bot_with_an_idempotency_key_is_no_visit() -> None:
    assert Visit.from_request(by("Mozilla/5.0 (compatible; Googlebot/2.1)"), "a" * 16, at=AT) is None


def test_keys_of_visits_are_unique() -> None:
    assert len({Visit.now().key for _ in range(10_000)}) == 10_000


def test_key_is_legal_in_table_storage() -> None:
    key = Visit.now(by(FIREFOX_ON_WINDOWS)).key
    assert len(key.encode("utf-16-le")) <= 1024
    assert not set(key) & set("/\\#?")
    assert not [character for character in key if unicodedata.category(character) == "Cc"]


def test_key_holds_only_time_and_random_bits() -> None:
    time, _, rest = Visit.now(by(FIREFOX_ON_WINDOWS)).key.partition("-")
    assert datetime.strptime(time, "%Y%m%dT%H%M%S.%f%z").tzinfo is UTC
    assert len(bytes.fromhex(rest)) == 16
