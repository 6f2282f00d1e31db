from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import files, requires
from pathlib import Path

import pytest

from signin.settings import Settings, SettingsError

REPOSITORY = Path(__file__).parents[2]
DEPLOYED = [REPOSITORY / "function_app.py", *sorted((REPOSITORY / "signin").glob("**/*.py"))]


@pytest.mark.parametrize("arguments", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy"]], ids=" ".join)
def test_the_repository_passes(arguments: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=REPOSITORY, capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def distribution(requirement: str) -> str:
    """The name at the beginning of a requirement."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return found.group()


@cache
def required() -> frozenset[str]:
    """The modules, as `package.module`, of requirements.txt and of what these in turn require."""
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    direct = {distribution(line) for line in lines if line and not line.startswith("#")}
    indirect = {
        distribution(requirement)
        for name in direct
        for requirement in requires(name) or ()
        if ";" not in requirement  # neither an extra nor for some platforms only
    }
    return frozenset(
        ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        for name in direct | indirect
        for file in files(name) or ()
        if file.suffix == ".py"
    )


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_what_is_deployed_imports_only_what_it_requires(path: Path) -> None:
    third_party = {
        module for module in imported(path) if module.split(".")[0] not in {*sys.stdlib_module_names, "signin"}
    }
    missing = sorted(third_party - required())
    assert not missing, f"not by requirements.txt: {', '.join(missing)}"


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_what_is_deployed_knows_nothing_of_the_local_environment(path: Path) -> None:
    assert not {module for module in imported(path) if module.split(".")[0] in {"local", "tests", "dev"}}


def test_function_app_is_read_by_the_host_without_postponed_annotations() -> None:
    """The worker looks at the annotations of each function, which have to be types and not text."""
    assert "__future__" not in set(imported(REPOSITORY / "function_app.py"))


def test_the_example_settings_are_the_ones_that_have_to_be_set() -> None:
    example = json.loads((REPOSITORY / "local.settings.json.example").read_text())["Values"]
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({})
    needed = set(re.findall(r"(\w+) is not set", str(raised.value)))
    assert set(example) == needed | {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}
    assert example["FUNCTIONS_WORKER_RUNTIME"] == "python"


def test_the_example_settings_work_as_they_are() -> None:
    example = json.loads((REPOSITORY / "local.settings.json.example").read_text())["Values"]
    assert Settings.from_environment(example).blob_url == "http://127.0.0.1:10000/devstoreaccount1"
