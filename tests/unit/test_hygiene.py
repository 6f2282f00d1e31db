"""Rules about the source as a whole: its checks, its imports and the example settings."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import files, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from local.lint import CHECKS
from signin.settings import Settings, SettingsError

REPOSITORY = Path(__file__).parents[2]
DEPLOYED = [REPOSITORY / "function_app.py", *sorted((REPOSITORY / "signin").glob("**/*.py"))]


@pytest.mark.parametrize("check", CHECKS)
def test_source_passes_its_check(check: str) -> None:
    result = subprocess.run(
        CHECKS[check], cwd=REPOSITORY, capture_output=True, text=True, encoding="utf-8", timeout=300
    )
    assert result.returncode == 0, result.stdout + result.stderr


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, also those inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@cache
def required() -> frozenset[str]:
    """The modules, as `package.module`, of the packages in requirements.in and of their direct dependencies."""
    lines = (REPOSITORY / "requirements.in").read_text(encoding="utf-8").splitlines()
    direct = {Requirement(line.partition("#")[0]).name for line in lines if not line.startswith("#")}
    further = [Requirement(text) for name in direct for text in requires(name) or ()]
    indirect = {requirement.name for requirement in further if not requirement.marker}  # no extras, for all platforms
    return frozenset(
        ".".join(file.with_suffix("").parts).removesuffix(".__init__")
        for name in direct | indirect
        for file in files(name) or ()
        if file.suffix == ".py"
    )


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_deployed_module_imports_only_requirements(path: Path) -> None:
    third_party = {
        module for module in imported(path) if module.split(".")[0] not in {*sys.stdlib_module_names, "signin"}
    }
    missing = sorted(third_party - required())
    assert not missing, f"not installed by requirements.in: {', '.join(missing)}"


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_deployed_module_does_not_import_local(path: Path) -> None:
    assert not {module for module in imported(path) if module.split(".")[0] in {"local", "tests", "dev"}}


# What the standard library lacks on Windows: modules, and names that tests use of `os` and `signal`.
POSIX_MODULES = {"curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {"os.fork", "os.geteuid", "os.getuid", "os.killpg", "os.openpty", "signal.SIGHUP", "signal.SIGKILL"}
SOURCES = [
    path for folder in ("signin", "local", "tests", "benchmarks") for path in (REPOSITORY / folder).rglob("*.py")
]


def is_guarded(node: ast.AST) -> bool:
    """Whether what is inside of a statement is skipped on Windows, or its failure handled."""
    match node:
        case ast.If(test=test):
            return re.search(r"sys\.platform|os\.name|TYPE_CHECKING", ast.unparse(test)) is not None
        case ast.Try(handlers=handlers):
            return any("ImportError" in ast.unparse(handler) for handler in handlers)
    return isinstance(node, ast.Lambda)


def needs_posix(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """The POSIX-only modules and names that are used when a module is imported: not inside functions or guards."""
    for node in nodes:
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names if alias.name in POSIX_MODULES)
            case ast.ImportFrom(module=str(module)) if module in POSIX_MODULES:
                yield module
            case ast.Attribute() if (name := ast.unparse(node)) in POSIX_NAMES:
                yield name
            case ast.FunctionDef(decorator_list=decorators) | ast.AsyncFunctionDef(decorator_list=decorators):
                yield from needs_posix(decorators)
            case _ if not is_guarded(node):
                yield from needs_posix(ast.iter_child_nodes(node))


def test_every_module_can_be_imported_on_windows() -> None:
    """Otherwise pytest could not even collect the tests there."""
    found = {
        path.relative_to(REPOSITORY).as_posix(): names
        for path in SOURCES
        if (names := list(needs_posix([ast.parse(path.read_text(encoding="utf-8"))])))
    }
    assert found == {}, "use it in a function, or behind a guard"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os, pty", ["pty"]),
        ("from termios import tcgetattr", ["termios"]),
        ("class A:\n    import fcntl", ["fcntl"]),
        ("if DEBUG:\n    import resource", ["resource"]),
        ("try:\n    import pwd\nexcept OSError:\n    pass", ["pwd"]),
        ("STOP = signal.SIGKILL", ["signal.SIGKILL"]),
        ("@parametrize([signal.SIGKILL])\ndef test(): ...", ["signal.SIGKILL"]),
        ("import os\nfrom posixpath import join", []),
        ("def f():\n    import pty\n    os.killpg(1, signal.SIGKILL)", []),
        ("if sys.platform != 'win32':\n    import resource", []),
        ("try:\n    import fcntl\nexcept ImportError:\n    pass", []),
        ("stop = lambda: os.killpg(1, 15)", []),
    ],
)
def test_check_finds_what_windows_lacks(source: str, found: list[str]) -> None:
    assert list(needs_posix([ast.parse(source)])) == found


@pytest.mark.skipif(not (REPOSITORY / ".git").exists() or not shutil.which("git"), reason="not a checkout of git")
def test_no_file_of_a_tool_is_committed() -> None:
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    tracked = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True).stdout
    assert tracked.splitlines() == [], "it matches .gitignore"


def test_function_app_has_no_postponed_annotations() -> None:
    """The Functions worker inspects the annotations of each function and needs types, not text."""
    assert "__future__" not in set(imported(REPOSITORY / "function_app.py"))


def test_example_settings_are_the_required_ones() -> None:
    example = json.loads((REPOSITORY / "local.settings.json.example").read_text(encoding="utf-8"))["Values"]
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({})
    needed = set(re.findall(r"(\w+) is not set", str(raised.value)))
    assert set(example) == needed | {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"}
    assert example["FUNCTIONS_WORKER_RUNTIME"] == "python"


def test_example_settings_are_valid() -> None:
    example = json.loads((REPOSITORY / "local.settings.json.example").read_text(encoding="utf-8"))["Values"]
    assert Settings.from_environment(example).blob_url == "http://127.0.0.1:10000/devstoreaccount1"


def test_newest_release_of_the_changelog_is_the_project_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)", changelog, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(project['version'])}\] - \d{{4}}-\d\d-\d\d", headings[1])
    assert "version" not in json.loads((REPOSITORY / "package.json").read_text(encoding="utf-8"))
