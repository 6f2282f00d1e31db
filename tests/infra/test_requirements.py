"""requirements.txt, which is deployed, pins the ranges of requirements.in for every Python that can be deployed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import requires, version

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local import REPOSITORY

from .bicep import read

PYTHONS = read("main.bicep").allowed["pythonVersion"]
THIS_PYTHON = "{}.{}".format(*sys.version_info)


@dataclass(frozen=True, slots=True)
class Pin:
    """A line of requirements.txt, with the names that its comment `via` gives as the reason for it."""

    requirement: Requirement
    via: frozenset[str]

    @property
    def name(self) -> str:
        return canonicalize_name(self.requirement.name)

    @property
    def version(self) -> str:
        (specifier,) = self.requirement.specifier
        assert specifier.operator == "=="
        return specifier.version

    def is_for(self, python: str) -> bool:
        return applies(self.requirement, python)


def applies(requirement: Requirement, python: str, extra: str = "") -> bool:
    """Whether a requirement's marker holds for a Python version in Azure, which is CPython on Linux."""
    return requirement.marker is None or requirement.marker.evaluate(
        {
            "extra": extra,
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{python}.0",
            "python_version": python,
            "sys_platform": "linux",
        }
    )


def lines(name: str) -> Iterator[str]:
    """The lines of a requirements file without comments."""
    for line in (REPOSITORY / name).read_text(encoding="utf-8").splitlines():
        if text := re.sub(r"(^|\s)#.*", "", line).strip():
            yield text


def pins_in(text: str) -> Iterator[Pin]:
    for line, comments in re.findall(r"^(\S.*)\n((?: +#.*\n)*)", text, re.MULTILINE):
        if not line.startswith("#"):
            via = re.findall(r"^ +#(?: via| {2}) +(\S.*)", comments, re.MULTILINE)
            yield Pin(Requirement(line), frozenset(via))


RANGES = [Requirement(line) for line in lines("requirements.in")]
PINS = list(pins_in((REPOSITORY / "requirements.txt").read_text(encoding="utf-8")))


def test_requirements_txt_contains_only_exact_pins() -> None:
    assert len(PINS) == len(list(lines("requirements.txt")))
    for pin in PINS:
        assert re.fullmatch(r"==[\w.]+", str(pin.requirement.specifier)), pin
        assert (pin.requirement.url, pin.requirement.extras) == (None, set()), pin


def test_requirements_txt_names_no_package_index() -> None:
    """The index is the reader's: Azure's builds, CI and a network with a mirror each have their own."""
    text = (REPOSITORY / "requirements.txt").read_text(encoding="utf-8")
    assert re.findall(r"://|--(?:extra-)?index-url|--find-links|--hash", text) == []


@pytest.mark.parametrize("python", PYTHONS)
def test_each_range_has_one_pin_within_it(python: str) -> None:
    for wanted in RANGES:
        versions = [pin.version for pin in PINS if pin.name == canonicalize_name(wanted.name) and pin.is_for(python)]
        assert len(versions) == 1, f"{wanted.name}: {versions}"
        assert wanted.specifier.contains(versions[0]), f"{wanted}: {versions[0]}"


@pytest.mark.parametrize("python", PYTHONS)
def test_each_package_has_at_most_one_pin(python: str) -> None:
    names = [pin.name for pin in PINS if pin.is_for(python)]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("pin", PINS, ids=lambda pin: str(pin.requirement))
def test_each_pin_is_needed_by_a_range_or_another_pin(pin: Pin) -> None:
    known = {canonicalize_name(wanted.name) for wanted in RANGES}
    assert pin.via, "no comment gives the reason"
    assert pin.via <= {"-r requirements.in", *(other.name for other in PINS)}
    assert ("-r requirements.in" in pin.via) == (pin.name in known)


def dependencies(wanted: Requirement) -> list[Requirement]:
    """The requirements of an installed package, with the extras that are wanted of it, on this Python."""
    all_of_them = [Requirement(text) for text in requires(wanted.name) or ()]
    return [
        further
        for further in all_of_them
        if any(applies(further, THIS_PYTHON, extra) for extra in ("", *wanted.extras))
    ]


def test_pins_are_what_is_installed_and_needed() -> None:
    """The metadata of the installed packages gives all dependencies: none is missing, and no pin is superfluous."""
    needed: dict[str, str] = {}
    waiting, seen = list(RANGES), set[str]()
    while waiting:
        wanted = waiting.pop()
        if str(wanted) not in seen:
            seen.add(str(wanted))
            needed[canonicalize_name(wanted.name)] = version(wanted.name)
            waiting += dependencies(wanted)
    assert needed == {pin.name: pin.version for pin in PINS if pin.is_for(THIS_PYTHON)}


def test_two_ci_jobs_run_the_app_under_microsofts_worker_library() -> None:
    (library,) = (Requirement(line) for line in lines("requirements-dev.txt") if line.startswith("azure-functions-"))
    workflow = (REPOSITORY / ".github/workflows/test.yml").read_text(encoding="utf-8")
    (pythons,) = re.findall(r"python: \[(.*)\]", workflow)
    assert [python for python in re.findall(r"[\d.]+", pythons) if applies(library, python)] == ["3.13", "3.14"]
