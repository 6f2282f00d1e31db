"""What visits are counted by is one list, and one more entry in it is counted everywhere."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from signin.operators.audit import audit
from signin.operators.export import export
from signin.visits.dimensions import DIMENSIONS, OTHER, Dimension, SignInRequest, labels_of
from signin.visits.statistics import Statistics
from signin.visits.visit import Visit
from tests.support.user_agents import SAFARI_ON_IPHONE

from .table_service import TableService

GUIDE = Path(__file__).parents[2] / "docs/count-something-else.md"

NOW = datetime(2026, 11, 23, 12, 34, 56, tzinfo=UTC)

PLANET = Dimension("Planet", {"mars": "Mars", "venus": "Venus"}, lambda request: request.params.get("planet", ""))


def on(planet: str) -> SignInRequest:
    return SignInRequest({"user-agent": SAFARI_ON_IPHONE}, {"planet": planet})


@pytest.fixture
def planets(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more dimension, for all modules of the app."""
    for name, module in list(sys.modules.items()):
        if name.startswith("signin.") and getattr(module, "DIMENSIONS", None) is DIMENSIONS:
            monkeypatch.setattr(module, "DIMENSIONS", (*DIMENSIONS, PLANET))


# The list


def test_wire_and_table_have_the_names_of_the_first_version() -> None:
    assert [(one.key, one.column, one.stats_column) for one in DIMENSIONS[:3]] == [
        ("byOS", "OS", "ByOS"),
        ("byBrowser", "Browser", "ByBrowser"),
        ("byDevice", "Device", "ByDevice"),
    ]


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda dimension: dimension.column)
def test_names_are_unique_and_valid_in_table_storage(dimension: Dimension) -> None:
    used = {"PartitionKey", "RowKey", "Timestamp", "Key", "Total", "History", "Closed", "Touched"}
    columns = [*used, *(one.column for one in DIMENSIONS), *(one.stats_column for one in DIMENSIONS)]
    assert [columns.count(name) for name in (dimension.column, dimension.stats_column)] == [1, 1]
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,99}", dimension.column)


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda dimension: dimension.column)
def test_labels_are_short_and_none_is_other(dimension: Dimension) -> None:
    labels = set(dimension.labels.values())
    assert labels
    assert OTHER not in labels
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z -]{0,19}", label) for label in labels)


@pytest.mark.parametrize(
    ("sent", "label"), [("new", "New"), ("returning", "Returning"), ("New", OTHER), ("no", OTHER), ("", OTHER)]
)
def test_visitor_is_read_from_its_parameter(sent: str, label: str) -> None:
    assert labels_of(SignInRequest({}, {"visitor": sent}))["Visitor"] == label


# One more entry


def test_value_without_label_is_other(planets: None) -> None:
    assert labels_of(on("mars"))["Planet"] == "Mars"
    for text in ("Mars", "pluto", "", OTHER, "x" * 100_000):
        assert labels_of(on(text))["Planet"] == OTHER


def test_request_is_counted_by_an_added_dimension(planets: None) -> None:
    visits = [Visit.now(on(planet), at=NOW) for planet in ("mars", "mars", "venus", "pluto")]
    statistics = Statistics.of(visits) + Statistics.of(visits[:1])
    by_planet = {"Mars": 3, OTHER: 1, "Venus": 1}
    assert statistics.counts["Planet"] == by_planet
    assert statistics.summary()[3]["byPlanet"] == by_planet
    assert list(statistics.to_json(NOW))[-2:] == ["byPlanet", "history"]


def stored() -> TableService:
    """A table with a visit from before the dimension was added, and three by it."""
    service = TableService()
    table = service.visit_table()
    with pytest.MonkeyPatch.context() as before:
        for name in ("dimensions", "statistics"):
            before.setattr(f"signin.visits.{name}.DIMENSIONS", DIMENSIONS)
        before.setattr("signin.counting.rows.DIMENSIONS", DIMENSIONS)
        table.commit(0, table.read(0), [Visit.now(on("mars"))])
    table.commit(0, table.read(0), [Visit.now(on(planet)) for planet in ("mars", "venus", "pluto")])
    return service


def columns_of(service: TableService, column: str) -> list[str | None]:
    return [row.get(column) for row in service.rows() if row["RowKey"] != "stats"]


def test_rows_and_stats_row_have_the_added_column(planets: None) -> None:
    service = stored()
    assert sorted(columns_of(service, "Planet"), key=str) == ["Mars", None, OTHER, "Venus"]
    by_planet = {OTHER: 2, "Mars": 1, "Venus": 1}
    assert json.loads(service.get_entity("00", "stats")["ByPlanet"]) == by_planet
    assert service.visit_table().read(0).statistics.counts["Planet"] == by_planet
    assert service.audited().counts["Planet"] == by_planet


def test_audit_compares_the_added_dimension(planets: None) -> None:
    service = stored()
    assert list(audit(service.visit_table(), lambda rows: None).problems()) == []
    changed = next(row for row in service.rows() if row.get("Planet") == "Venus")
    service.put("00", changed["RowKey"], **{**without_keys(changed), "Planet": "Mars"})
    assert list(audit(service.visit_table(), lambda rows: None).problems()) == [
        "shard 00, by Planet: Mars 2 in rows, 1 in stats row; Venus 0 in rows, 1 in stats row"
    ]


def without_keys(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("PartitionKey", "RowKey")}


def exported(service: TableService) -> Iterator[str]:
    output = io.StringIO()
    export(service.visit_table(), output, lambda rows: None)
    return (line[-1] for line in csv.reader(output.getvalue().splitlines()))


def test_export_has_the_added_column_last(planets: None) -> None:
    header, *labels = exported(stored())
    assert header == "planet"
    assert sorted(labels) == ["Mars", OTHER, OTHER, "Venus"]


def test_documented_entry_is_a_dimension() -> None:
    (entry,) = re.findall(r"^ *(Dimension\(.*\))$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    dimension = eval(entry, {"Dimension": Dimension})  # noqa: S307 (a file of this repository)
    assert dimension.key == "byDataSaver"
    assert dimension.labels[dimension.value(SignInRequest({"save-data": "On"}))] == "On"
    assert dimension.value(SignInRequest()) not in dimension.labels
