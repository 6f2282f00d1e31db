"""The package that is deployed: the app, the whole app, and nothing but the app."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path
from urllib.request import urlopen

import pathspec
import pytest

from local import REPOSITORY
from local.emulators.azurite import Account
from local.environment.services import settings_for
from local.publishing import package
from tests.conftest import SignalR
from tests.functions.running_host import RunningHost
from tests.local.environment import visit

from .tools import environment


@pytest.fixture(scope="module")
def zip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "app.zip"
    package.build(path)
    return path


def names(zip_file: Path) -> list[str]:
    with zipfile.ZipFile(zip_file) as archive:
        return archive.namelist()


def test_it_holds_the_app_and_nothing_else(zip_file: Path) -> None:
    modules = {f"signin/{path.name}" for path in (REPOSITORY / "signin").glob("*.py")}
    assert set(names(zip_file)) == {"function_app.py", "host.json", "requirements.txt", *modules}


# What work in the folder leaves behind, one file of each kind.
LEFT_BEHIND = [
    *(".azure/demo/.env", ".hypothesis/x", ".idea/x", ".local/app.zip", ".mypy_cache/x", ".pytest_cache/x"),
    *(".ruff_cache/x", ".venv/pyvenv.cfg", "local.settings.json", "node_modules/azurite/package.json"),
    *(
        "__pycache__/x.pyc",
        "signin/__pycache__/x.pyc",
        "realtime-signin_env/pyvenv.cfg",
        ".DS_Store",
        "signin/.DS_Store",
    ),
]


def patterns(name: str) -> pathspec.GitIgnoreSpec:
    return pathspec.GitIgnoreSpec.from_lines((REPOSITORY / name).read_text(encoding="utf-8").splitlines())


def test_funcignore_leaves_over_the_same_files(zip_file: Path) -> None:
    """Of all that is in this folder now."""
    ignored = patterns(".funcignore")
    deployed = []
    for folder, folders, files in os.walk(REPOSITORY):
        here = Path(folder).relative_to(REPOSITORY)
        folders[:] = [name for name in folders if not ignored.match_file(f"{(here / name).as_posix()}/")]
        deployed += [name for file in files if not ignored.match_file(name := (here / file).as_posix())]
    assert sorted(deployed) == names(zip_file)


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_work_leaves_behind_is_neither_deployed_nor_committed(name: str) -> None:
    assert patterns(".funcignore").match_file(name), "deployed"
    assert patterns(".gitignore").match_file(name), "committed"


def test_it_is_the_same_to_the_byte_whoever_builds_it(
    zip_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_nothing_in_it_tells_when_or_by_whom_it_was_built(zip_file: Path) -> None:
    with zipfile.ZipFile(zip_file) as archive:
        entries = archive.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}, "the host could not read it"
    assert {(entry.create_system, entry.compress_type) for entry in entries} == {(3, zipfile.ZIP_STORED)}


def test_the_app_runs_from_it_alone(zip_file: Path, tmp_path: Path, account: Account, signalr: SignalR) -> None:
    """With what its own requirements.txt installs, and nothing of this folder but the host."""
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
