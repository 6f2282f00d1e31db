"""The package with its dependencies, for a deployment that builds nothing: it runs on a Python without any package."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email import message_from_bytes
from importlib.util import find_spec
from pathlib import Path
from urllib.request import urlopen

import pytest
from packaging.utils import canonicalize_name

from local import REPOSITORY
from local.commands import build_package, parse
from local.emulators.azurite import Account
from local.environment.services import settings_for
from local.publishing import dependencies, package
from tests.conftest import SignalR
from tests.support.function_app import load
from tests.support.local_environment import visit
from tests.support.running_host import RunningHost

from .bicep import read
from .test_requirements import PINS, THIS_PYTHON

# Packages that the stand-in for the Functions host needs and the app does not: they may lie beside the app, and cannot
# replace a package that is missing in the archive.
OF_THE_HOST = ("aiohappyeyeballs", "aiohttp", "aiosignal", "attr", "attrs", "frozenlist")

# This Python, and one whose pins and wheels are others.
BUILT = [THIS_PYTHON, "3.14" if THIS_PYTHON in ("3.11", "3.12") else "3.11"]

runs_here = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="the package is for Linux on x86-64"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package by Python version."""
    folder = tmp_path_factory.mktemp("packages")
    built = {}
    for python in BUILT:
        built[python] = folder / f"{python}.zip"
        build_package(built[python], python)
    return built


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.parametrize("python", BUILT)
def test_package_has_the_app_and_every_pinned_package(built: dict[str, Path], python: str, tmp_path: Path) -> None:
    package.build(tmp_path / "app.zip")
    inside = contents(built[python])
    packages = {name: data for name, data in inside.items() if name.startswith(f"{dependencies.FOLDER}/")}
    assert inside == packages | contents(tmp_path / "app.zip")
    metadata = [message_from_bytes(data) for name, data in packages.items() if name.endswith(".dist-info/METADATA")]
    installed = {(canonicalize_name(text["Name"]), text["Version"]) for text in metadata}
    assert installed == {(pin.name, pin.version) for pin in PINS if pin.is_for(python)}


@pytest.mark.parametrize("python", BUILT)
def test_extensions_are_for_linux_and_that_python(built: dict[str, Path], python: str) -> None:
    extensions = [name for name in contents(built[python]) if re.search(r"\.(so|pyd|dylib)(\.|$)", name)]
    suffix = rf"\.(cpython-{python.replace('.', '')}-x86_64-linux-gnu|abi3)\.so"
    assert extensions
    assert [name for name in extensions if not re.search(rf"{suffix}$", name)] == []


@pytest.mark.parametrize("python", BUILT)
def test_package_has_no_trace_of_the_installation(built: dict[str, Path], python: str) -> None:
    """Scripts have the path of this machine's Python; pip's records have the hashes of the scripts."""
    traces = rb"/(bin|Scripts|__pycache__)/|\.pyc$|\.dist-info/(INSTALLER|RECORD|REQUESTED|direct_url\.json)$"
    inside = contents(built[python])
    assert [name for name in inside if re.search(traces.decode(), name.removeprefix(dependencies.FOLDER))] == []
    assert [name for name, data in inside.items() if str(REPOSITORY).encode() in data] == []


def test_same_pins_give_the_same_bytes(built: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))  # another place, at another time
    build_package(tmp_path / "again.zip", THIS_PYTHON)
    assert (tmp_path / "again.zip").read_bytes() == built[THIS_PYTHON].read_bytes()
    names = list(contents(tmp_path / "again.zip"))
    assert names == sorted(names)


@pytest.fixture
def app(built: dict[str, Path], tmp_path: Path) -> Path:
    """A folder with the unpacked package for this Python."""
    with zipfile.ZipFile(built[THIS_PYTHON]) as archive:
        archive.extractall(tmp_path / "app")
    return tmp_path / "app"


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """A Python that has nothing installed, not even pip."""
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare/bin/python"
    program = "from importlib.metadata import distributions; print(*distributions())"
    listing = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert listing.stdout.strip() == ""
    return python


@runs_here
def test_app_imports_nothing_from_outside_the_package(app: Path, bare_python: Path) -> None:
    program = f"""
import json, sys
sys.path[:0] = [{str(app)!r}, {str(app / dependencies.FOLDER)!r}]
import function_app
names = [function.get_function_name() for function in function_app.app.get_functions()]
files = [module.__file__ for module in sys.modules.values() if getattr(module, "__file__", None)]
print(json.dumps([names, files]))
"""
    result = subprocess.run([bare_python, "-I", "-B", "-c", program], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    names, files = json.loads(result.stdout)
    assert names == [function.get_function_name() for function in load().app.get_functions()]
    folders = (f"{app}/", f"{sysconfig.get_path('stdlib')}/", f"{sysconfig.get_path('platstdlib')}/")
    assert [file for file in files if not file.startswith(folders)] == []
    assert any(file.startswith(f"{app / dependencies.FOLDER}/azure/functions/") for file in files)


@runs_here
def test_app_signs_in_from_the_package_alone(
    app: Path, bare_python: Path, tmp_path: Path, account: Account, signalr: SignalR
) -> None:
    packages, host = app / dependencies.FOLDER, tmp_path / "host"
    host.mkdir()
    (host / "local").symlink_to(REPOSITORY / "local", target_is_directory=True)
    for name in OF_THE_HOST:
        spec = find_spec(name)
        assert spec is not None, name
        assert spec.origin is not None, name
        assert not (packages / name).exists()
        (host / name).symlink_to(Path(spec.origin).parent, target_is_directory=True)
    account.publish().close()
    running = RunningHost(
        app,
        "--port=0",
        environment=settings_for(account, signalr.url)
        | {"PYTHONPATH": f"{packages}:{host}", "PYTHONDONTWRITEBYTECODE": "1"},
        python=bare_python,
    )
    try:
        assert running.port, running.text
        assert visit(running.url) == 1
        with urlopen(f"{running.url}/health", timeout=30) as health:
            assert [part["ok"] for part in json.load(health).values()] == [True, True, True]
        with urlopen(running.url, timeout=30) as page:
            assert b"<title>" in page.read()
    finally:
        running.close()


def test_offered_pythons_are_those_of_the_infrastructure() -> None:
    text = (REPOSITORY / "infra/main.bicep").read_text(encoding="utf-8")
    assert list(dependencies.PYTHONS) == read("main.bicep").allowed["pythonVersion"]
    assert f"param pythonVersion string = '{dependencies.DEFAULT_PYTHON}'" in text
    assert parse(["package", "--with-dependencies"]).python == dependencies.DEFAULT_PYTHON
    assert parse(["package"]).python is None


def test_python_without_dependencies_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["package", "--python", "3.13"])
    assert "--python is only for --with-dependencies" in capsys.readouterr().err
