"""The parts of `local` import each other in one direction, as `local/__init__.py` describes."""

from __future__ import annotations

import sys

import pytest

from tests.support.imports import Imports, cycle, imports_of, module_files

FILES = module_files("dev.py", "function_app.py", "signin/**/*.py", "local/**/*.py", "benchmarks/**/*.py")
IMPORTS = imports_of(FILES)

STANDARD = ("files", "hints", "progress", "installers", "health")  # of the standard library only, for dev.py
# Each may import those before it.
PARTS = [
    *(*STANDARD, "node", "lint", "compatibility", "processes"),
    *("publishing", "emulators", "environment", "browser"),
    *("commands", "__main__"),
]
FORBIDDEN = {
    "signin": {"local", "benchmarks", "tests", "dev"},
    "local": {"benchmarks", "tests", "dev"},
    "benchmarks": {"tests", "dev"},
}
# Programs of their own: of the rest of `local` they import only the rules for how a process listens and ends.
PROGRAMS = ["local.emulators.signalr", "local.emulators.functions"]


def part_of(module: str) -> str:
    return module.removeprefix("local.").split(".")[0]


def upward(imports: Imports) -> list[str]:
    """The imports of a part of `local` from a later one."""
    arrows = [(module, target) for module, targets in sorted(imports.items()) for target in sorted(targets)]
    return [
        f"{module} -> {target}"
        for module, target in arrows
        if module.startswith("local.") and target.startswith("local.")
        if PARTS.index(part_of(target)) > PARTS.index(part_of(module))
    ]


def test_parts_import_in_one_direction() -> None:
    assert not upward(IMPORTS)


def test_check_finds_upward_import() -> None:
    imports = {"local.processes.child": {"local.environment.ports"}, "local.commands": {"local.node"}}
    assert upward(imports) == ["local.processes.child -> local.environment.ports"]


def test_every_part_has_a_place() -> None:
    assert {part_of(module) for module in FILES if module.startswith("local.")} == set(PARTS)


def test_modules_have_no_import_cycle() -> None:
    found = cycle(IMPORTS)
    assert not found, " -> ".join(found)


@pytest.mark.parametrize("package", FORBIDDEN)
def test_package_never_imports_its_users(package: str) -> None:
    roots = {
        target.split(".")[0]
        for module, targets in IMPORTS.items()
        for target in targets
        if module.split(".")[0] == package
    }
    assert not roots & FORBIDDEN[package]


@pytest.mark.parametrize("program", PROGRAMS)
def test_emulators_share_only_rules_of_processes(program: str) -> None:
    others = {
        target
        for module, targets in IMPORTS.items()
        for target in targets
        if module.startswith(program) and target.startswith("local") and not target.startswith(program)
    }
    assert others == {"local.processes.lifetime", "local.processes.listening"}


@pytest.mark.parametrize(
    "module",
    ["dev", "local", *(f"local.{name}" for name in STANDARD), "local.processes", "local.processes.guard"],
)
def test_dev_py_needs_only_standard_library(module: str) -> None:
    third_party = {target for target in IMPORTS[module] if target.split(".")[0] not in sys.stdlib_module_names}
    assert third_party <= {f"local.{name}" for name in STANDARD}
