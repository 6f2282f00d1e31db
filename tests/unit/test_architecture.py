"""The packages of `signin` import each other in one direction, as `signin/__init__.py` describes."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import pairwise

import pytest

from signin.visits.dimensions import DIMENSIONS
from tests.support.imports import Imports, cycle, imported, imports_of, module_files

# The modules that may name a dimension: the list, and the classification of a User-Agent.
CLASSIFYING = {"signin.visits.dimensions", "signin.visits.user_agent"}

# What each package may import besides itself. The modules outside of the packages may import everything.
EVERYTHING_BELOW = "counting, identity, live, network, settings, telemetry, visits, website"
BASE = {"visits", "identity", "network", "telemetry"}
ALLOWED: Mapping[str, AbstractSet[str]] = {
    "visits": set(),
    "identity": set(),
    "network": set(),
    "telemetry": set(),
    "counting": BASE,
    "website": BASE,
    "live": BASE | {"counting"},
    "operators": BASE | {"counting", "website", "live", "settings"},
}

# `visits` holds pure values: no third-party package but the parser, and nothing that does I/O, waits, logs or reads
# the environment.
PARSERS = {"user_agents", "ua_parser"}
EFFECTS = {"asyncio", "concurrent", "http", "logging", "os", "socket", "subprocess", "threading", "time", "urllib"}


FILES = module_files("function_app.py", "signin/**/*.py")
PACKAGES = {name for name, path in FILES.items() if path.name == "__init__.py"}
IMPORTS = imports_of(FILES)


def part_of(module: str) -> str:
    """The package of `signin` that a module is in, or the name of a module that is in none of them."""
    return module.removeprefix("signin.").split(".")[0]


def arrows(imports: Imports, package: str) -> Iterator[tuple[str, str]]:
    """Each import of a package's modules, as (module, imported module)."""
    for module, targets in sorted(imports.items()):
        if part_of(module) == package:
            yield from ((module, target) for target in sorted(targets))


def impure(imports: Imports) -> list[str]:
    """The imports that make `visits` more than pure values."""
    allowed = {*sys.stdlib_module_names, *PARSERS, "signin"} - EFFECTS
    return [
        f"{module} -> {target}: visits holds pure values"
        for module, target in arrows(imports, "visits")
        if target.split(".")[0] not in allowed
    ]


def upward(imports: Imports) -> list[str]:
    """The imports from a package to a part of the app that it must not depend on."""
    return [
        f"{module} -> {target}: {package} may import {', '.join(sorted(allowed)) or 'no other package'}"
        for package, allowed in ALLOWED.items()
        for module, target in arrows(imports, package)
        if target.split(".")[0] in ("signin", "function_app") and part_of(target) not in {package, *allowed}
    ]


def test_visits_are_pure_values() -> None:
    found = impure(IMPORTS)
    assert not found, "\n".join(found)


def test_packages_import_in_one_direction() -> None:
    found = upward(IMPORTS)
    assert not found, "\n".join(found)


def test_every_package_has_a_rule() -> None:
    assert {"signin", *(f"signin.{package}" for package in ALLOWED)} == PACKAGES


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_package_describes_each_module(package: str) -> None:
    description = ast.get_docstring(ast.parse(FILES[f"signin.{package}"].read_text(encoding="utf-8"))) or ""
    modules = {name.rpartition(".")[2] for name in FILES if name.startswith(f"signin.{package}.")}
    assert sorted(module for module in modules if f"`{module}`" not in description) == []


def test_modules_have_no_import_cycle() -> None:
    found = cycle(IMPORTS)
    assert not found, " -> ".join(found)


# Tests of the checks, with imports that they must find or allow


@pytest.mark.parametrize(
    "target",
    ["azure.data.tables", "requests", "asyncio", "threading", "logging", "time", "os", "socket", "urllib.request"],
)
def test_check_finds_effects_in_visits(target: str) -> None:
    assert impure({"signin.visits.a": {target}}) == [f"signin.visits.a -> {target}: visits holds pure values"]
    assert impure({"signin.live.a": {target}}) == []


@pytest.mark.parametrize("target", ["user_agents", "ua_parser.user_agent_parser", "datetime", "signin.visits.b"])
def test_check_allows_values_in_visits(target: str) -> None:
    assert impure({"signin.visits.a": {target}}) == []


@pytest.mark.parametrize(
    ("package", "target", "rule"),
    [
        ("visits", "signin.telemetry.b", "visits may import no other package"),
        ("identity", "signin.visits.b", "identity may import no other package"),
        ("telemetry", "signin.settings", "telemetry may import no other package"),
        ("counting", "signin.live.b", "counting may import identity, network, telemetry, visits"),
        ("counting", "signin.website.b", "counting may import identity, network, telemetry, visits"),
        ("website", "signin.counting.b", "website may import identity, network, telemetry, visits"),
        ("website", "signin.live", "website may import identity, network, telemetry, visits"),
        ("live", "signin.website.b", "live may import counting, identity, network, telemetry, visits"),
        ("live", "signin.settings", "live may import counting, identity, network, telemetry, visits"),
        ("live", "signin", "live may import counting, identity, network, telemetry, visits"),
        ("live", "function_app", "live may import counting, identity, network, telemetry, visits"),
        *[
            (
                "operators",
                target,
                f"operators may import {EVERYTHING_BELOW}",
            )
            for target in ("signin.app", "signin.responses", "signin.health", "signin.__main__")
        ],
    ],
)
def test_check_finds_upward_imports(package: str, target: str, rule: str) -> None:
    assert upward({f"signin.{package}.a": {target}}) == [f"signin.{package}.a -> {target}: {rule}"]


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("signin.operators.a", "signin.settings"),
        ("signin.operators.a", "signin.website.b"),
        ("signin.live.a", "signin.counting.b"),
        ("signin.website.a", "signin.telemetry.b"),
        ("signin.visits.a", "signin.visits.b"),
        ("signin.settings", "signin.live.b"),
        ("signin.app", "signin.operators.b"),
        ("function_app", "signin.website.b"),
        ("signin.visits.a", "datetime"),
    ],
)
def test_check_allows_downward_imports(module: str, target: str) -> None:
    assert upward({module: {target}}) == []


def test_check_finds_import_cycles() -> None:
    imports = {"a": {"b", "os"}, "b": {"c"}, "c": {"a", "d"}, "d": set[str]()}
    found = cycle(imports)
    assert found[0] == found[-1]
    assert sorted(found[1:]) == ["a", "b", "c"]
    assert all(target in imports[module] for module, target in pairwise(found))
    assert cycle(imports | {"b": set()}) == []


@pytest.mark.parametrize(
    "statement",
    [
        "import signin.counting.table",
        "import signin.counting.table as table",
        "from signin.counting.table import VisitTable",
        "from signin.counting import table",
        "from ..counting import table",
        "from ..counting.table import VisitTable",
        "def late():\n    from signin.counting.table import VisitTable",
        "if TYPE_CHECKING:\n    from signin.counting.table import VisitTable",
    ],
)
def test_every_form_of_import_is_found(statement: str) -> None:
    assert list(imported("signin.live.hub", statement, FILES)) == ["signin.counting.table"]


def test_relative_import_of_a_package_is_found() -> None:
    assert list(imported("signin.live", "from . import hub", FILES)) == ["signin.live.hub"]
    assert list(imported("signin.live", "from ..settings import Settings", FILES)) == ["signin.settings"]


def names_of_dimensions(source: str) -> list[str]:
    """The dimensions that a module names: in attributes, parameters, arguments, texts and docstrings."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=str(name)) | ast.arg(arg=str(name)) | ast.keyword(arg=str(name)):
                pass
            case ast.Constant(value=str(name)):
                pass
            case _:
                continue
        found |= {
            dimension.column
            for dimension in DIMENSIONS
            if name.lower() in (dimension.column.lower(), f"by_{dimension.column}".lower())
            or re.search(rf"\b[bB]y{dimension.column}\b", name)
        }
    return sorted(found)


@pytest.mark.parametrize("module", sorted(FILES.keys() - CLASSIFYING))
def test_module_iterates_over_dimensions(module: str) -> None:
    found = names_of_dimensions(FILES[module].read_text(encoding="utf-8"))
    assert not found, f"{module} names {found}; only {sorted(CLASSIFYING)} may"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("row = {'Browser': visit.labels}", ["Browser"]),
        ("statistics.by_device", ["Device"]),
        ("visit.os", ["OS"]),
        ("def f(browser): ...", ["Browser"]),
        ("Visit(device='Phone')", ["Device"]),
        ("def f():\n    'Returns byOS.'", ["OS"]),
        ("row['ByOS']", ["OS"]),
        ("import os\nos.environ['TZ']", []),
        ("def f():\n    'The browser repeats it.'", []),
    ],
)
def test_check_finds_named_dimensions(source: str, found: list[str]) -> None:
    assert names_of_dimensions(source) == found
