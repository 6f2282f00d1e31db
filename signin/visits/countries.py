"""The country of a time zone, by the tables of the package tzdata.

A browser reports its time zone by a name of the IANA database, for example "Europe/Berlin". That is the name of a
place, so it gives the country without an address of the visitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

# Browsers send old names too: Chromium "Asia/Calcutta" for "Asia/Kolkata". tzdata makes an old name an alias of a zone
# with the same time. If several countries share that zone, it may lie in another one than the place of the old name.
_ELSEWHERE = {
    "Africa/Asmera": "ER",
    "Africa/Timbuktu": "ML",
    "America/Coral_Harbour": "CA",
    "America/Virgin": "VI",
    "Antarctica/South_Pole": "AQ",
    "Atlantic/Jan_Mayen": "SJ",
    "Pacific/Ponape": "FM",
    "Pacific/Truk": "FM",
    "Pacific/Yap": "FM",
}


def _lines(name: str) -> list[str]:
    return files("tzdata.zoneinfo").joinpath(name).read_text(encoding="utf-8").splitlines()


def _countries() -> Mapping[str, str]:
    """The ISO 3166 code of each zone that is named after a place: not of "Etc/UTC", "EST" or "Japan"."""
    places = {}
    for line in _lines("zone.tab"):
        if not line.startswith("#"):
            country, _, zone = line.split("\t")[:3]
            places[zone] = country
    aliases = {}
    for line in _lines("tzdata.zi"):
        if line.startswith("L "):  # a link: its target, its name
            _, target, alias = line.split()
            if "/" in alias and target in places:
                aliases[alias] = places[target]
    return {**aliases, **places, **_ELSEWHERE}


COUNTRIES = _countries()
