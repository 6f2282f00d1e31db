"""The package that is deployed: the whole app and nothing else."""

from __future__ import annotations

import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pathspec
import pytest

from local import REPOSITORY
from local.emulators.azurite import Account
from local.environment.services import settings_for
from local.publishing import package
from tests.conftest import SignalR
from tests.support.local_environment import visit
from tests.support.running_host import RunningHost

from .tools import environment

Ignores = Callable[[str], bool]  # whether .funcignore leaves out a path; that of a folder ends with a slash


@pytest.fixture(scope="module")
def zip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "app.zip"
    package.build(path)
    return path


def names(zip_file: Path) -> list[str]:
    with zipfile.ZipFile(zip_file) as archive:
        return archive.namelist()


def test_package_contains_the_app_and_nothing_else(zip_file: Path) -> None:
    modules = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "signin").rglob("*.py")}
    assert {"signin/app.py", "signin/counting/committer.py"} <= modules
    assert set(names(zip_file)) == {"function_app.py", "host.json", "requirements.txt", *modules}


# What work in the folder leaves behind, one file of each kind.
LEFT_BEHIND = [
    *(".azure/demo/.env", ".coverage", ".hypothesis/x", ".idea/x", ".local/app.zip", ".mypy_cache/x"),
    *(".pytest_cache/x", ".ruff_cache/x", ".venv/pyvenv.cfg", "local.settings.json"),
    *("node_modules/azurite/package.json", "__pycache__/x.pyc", "signin/__pycache__/x.pyc"),
    *("signin/live/__pycache__/x.pyc", "realtime-signin_env/pyvenv.cfg", ".DS_Store", "signin/.DS_Store"),
]
# Hidden files within the app's package, as editors write them.
HIDDEN = ["signin/.idea/workspace.xml", "signin/live/.ipynb_checkpoints/hub-checkpoint.py", "signin/.#app.py"]


def lines(name: str) -> list[str]:
    return (REPOSITORY / name).read_text(encoding="utf-8").splitlines()


def by_git(name: str) -> Ignores:
    """A file of patterns as git reads it; azd and VS Code do, too."""
    return pathspec.GitIgnoreSpec.from_lines(lines(name)).match_file


def by_core_tools(name: str) -> Ignores:
    """A file of patterns as `func` reads it.

    By GitIgnoreParser.cs of Azure/azure-functions-core-tools: regular expressions that match from the root of the
    project, whether the pattern has a leading slash or not, up to the end of a word.
    """
    patterns = [line.removeprefix("/") for line in lines(name) if line and not line.startswith("#")]
    expressions = [re.escape(pattern).replace(r"\*\*", "(.+)").replace(r"\*", "([^/]+)") for pattern in patterns]
    expression = re.compile(rf"^(({')|('.join(expressions)}))\b", re.ASCII)
    return lambda path: expression.match(path) is not None


READERS = [by_git, by_core_tools]


def selected(root: Path, ignores: Ignores) -> list[str]:
    """The names of all files in a folder that the patterns leave over."""

    def files(folder: Path) -> Iterator[str]:
        for path in folder.iterdir():
            name = path.relative_to(root).as_posix()
            if path.is_dir() and not ignores(f"{name}/"):
                yield from files(path)
            elif path.is_file() and not ignores(name):
                yield name

    return sorted(files(root))


@pytest.mark.parametrize("reader", READERS)
def test_funcignore_selects_the_files_of_the_package(zip_file: Path, reader: Callable[[str], Ignores]) -> None:
    """Of all files that are in this folder now."""
    assert selected(REPOSITORY, reader(".funcignore")) == names(zip_file)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("folder", ["content", "docs", "infra", "local", "node_modules", "tests"])
def test_folder_of_signin_is_deployed_whatever_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Callable[[str], Ignores], folder: str
) -> None:
    for path in package.files():
        copy = tmp_path / package.name_of(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    module = f"signin/{folder}/{folder}/module.py"
    (tmp_path / module).parent.mkdir(parents=True)
    (tmp_path / module).touch()
    monkeypatch.setattr(package, "REPOSITORY", tmp_path)
    packaged = [package.name_of(path) for path in package.files()]
    assert module in packaged
    assert selected(tmp_path, reader(".funcignore")) == packaged


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", [*LEFT_BEHIND, *HIDDEN])
def test_leftovers_of_work_are_not_deployed(reader: Callable[[str], Ignores], name: str) -> None:
    assert reader(".funcignore")(name)


@pytest.mark.parametrize("name", HIDDEN)
def test_package_has_no_hidden_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for path in ("signin/app.py", name):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    monkeypatch.setattr(package, "REPOSITORY", tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in package.files()]
    assert names == ["function_app.py", "host.json", "requirements.txt", "signin/app.py"]


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_leftovers_of_work_are_not_committed(name: str) -> None:
    assert by_git(".gitignore")(name)


def test_same_files_give_the_same_bytes(zip_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    for path in reversed(list(package.files())):  # made in another order, at another time, with other permissions
        copy = elsewhere / package.name_of(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
        copy.chmod(0o600)
        os.utime(copy, (0, 0))
    monkeypatch.setattr(package, "REPOSITORY", elsewhere)
    package.build(tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == zip_file.read_bytes()


def test_package_records_neither_time_nor_builder(zip_file: Path) -> None:
    with zipfile.ZipFile(zip_file) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}, "the host could not read it"
    assert {(entry.create_system, entry.compress_type) for entry in entries} == {(3, zipfile.ZIP_STORED)}


def test_app_runs_from_the_package_alone(zip_file: Path, tmp_path: Path, account: Account, signalr: SignalR) -> None:
    """With the packages of its own requirements.txt, and of this repository only the host."""
    app, host = tmp_path / "app", tmp_path / "host"
    with zipfile.ZipFile(zip_file) as archive:
        archive.extractall(app)
    host.mkdir()
    (host / "local").symlink_to(REPOSITORY / "local", target_is_directory=True)
    python = environment(app / "requirements.txt", REPOSITORY / "tests/infra/host.txt") / "python"
    account.publish().close()
    running = RunningHost(
        app,
        "--port=0",
        environment=settings_for(account, signalr.url) | {"PYTHONPATH": str(host), "PYTHONDONTWRITEBYTECODE": "1"},
        python=python,
    )
    try:
        url = f"http://127.0.0.1:{running.port}"
        assert running.port, running.text
        assert visit(url) == 1
        with urlopen(f"{url}/health", timeout=30) as health:
            assert [part["ok"] for part in json.load(health).values()] == [True, True, True]
        with urlopen(url, timeout=30) as page:
            assert b"<title>" in page.read()
    finally:
        running.close()
