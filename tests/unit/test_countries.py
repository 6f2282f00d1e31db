"""The country of a time zone that a browser reports."""

from __future__ import annotations

from importlib.resources import files

import pytest

from signin.visits.countries import _ELSEWHERE, COUNTRIES
from signin.visits.dimensions import OTHER, SignInRequest, labels_of


def table(name: str) -> list[list[str]]:
    """The lines of a table of tzdata without comments, split at tabs."""
    text = files("tzdata.zoneinfo").joinpath(name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(
    ("zone", "country"),
    [
        ("Europe/Berlin", "DE"),
        ("America/New_York", "US"),
        ("America/Argentina/Buenos_Aires", "AR"),
        # the time of another country's zone
        ("Europe/Amsterdam", "NL"),
        ("Europe/Oslo", "NO"),
        ("Atlantic/Reykjavik", "IS"),
        # old names, which Chromium and Safari send
        ("Asia/Calcutta", "IN"),
        ("Asia/Saigon", "VN"),
        ("Asia/Katmandu", "NP"),
        ("Asia/Rangoon", "MM"),
        ("Europe/Kiev", "UA"),
        ("America/Buenos_Aires", "AR"),
        ("America/Montreal", "CA"),
        ("Africa/Asmera", "ER"),
        ("US/Pacific", "US"),
        ("US/Arizona", "US"),
        # no place
        ("UTC", OTHER),
        ("Etc/UTC", OTHER),
        ("Etc/GMT+5", OTHER),
        ("EST", OTHER),
        ("CET", OTHER),
        ("", OTHER),
        ("europe/berlin", OTHER),
        ("Europe/Atlantis", OTHER),
        ("Europe/Berlin,Europe/Paris", OTHER),
        ("DE", OTHER),
        ("../../etc/passwd", OTHER),
        ("x" * 100_000, OTHER),
    ],
)
def test_time_zone_has_its_country(zone: str, country: str) -> None:
    assert labels_of(SignInRequest(params={"zone": zone}))["Country"] == country


def test_request_without_time_zone_is_other() -> None:
    assert labels_of(SignInRequest({"x-forwarded-for": "192.0.2.1"}))["Country"] == OTHER


def test_countries_are_iso_codes_and_almost_all_of_them() -> None:
    iso = {code for code, _ in table("iso3166.tab")}
    assert iso - set(COUNTRIES.values()) == {"BV", "HM"}, "islands without inhabitants have no zone"
    assert set(COUNTRIES.values()) <= iso


def test_every_zone_of_the_table_has_its_own_country() -> None:
    assert {zone: COUNTRIES[zone] for _, _, zone, *_ in table("zone.tab")} == {
        zone: country for country, _, zone, *_ in table("zone.tab")
    }


def test_old_names_of_shared_zones_are_checked_by_hand() -> None:
    """Fails if a new tzdata has one more: decide whether its country is the first of the zone, or another one."""
    shared = {zone for countries, _, zone, *_ in table("zone1970.tab") if "," in countries}
    places = {zone for _, _, zone, *_ in table("zone.tab")}
    links = [line.split() for [line, *_] in table("tzdata.zi") if line.startswith("L ")]
    old = {alias for _, target, alias in links if target in shared and "/" in alias and alias not in places}
    assert {alias: COUNTRIES[alias] for alias in old - _ELSEWHERE.keys()} == {
        "America/Montreal": "CA",
        "America/Nipigon": "CA",
        "America/Thunder_Bay": "CA",
        "Asia/Rangoon": "MM",
        "Canada/Eastern": "CA",
        "Europe/Belfast": "GB",
        "Pacific/Samoa": "AS",
        "US/Arizona": "US",
        "US/Samoa": "AS",
    }
    assert _ELSEWHERE.keys() <= old
