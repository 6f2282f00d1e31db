"""The npm packages: which are installed, and when."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from local import REPOSITORY, node
from local.emulators import azurite
from local.node import install_packages, install_publishing_packages
from local.progress import StepFailed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "package-lock.json").write_text("{}")
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str | Path]]:
    """The commands that are run; they install nothing."""
    commands: list[Sequence[str | Path]] = []

    def run(command: Sequence[str | Path], note: object, hint: str, environment: Mapping[str, str]) -> None:
        commands.append(command[2:])
        Path(command[-1], "node_modules").mkdir(exist_ok=True)

    monkeypatch.setattr(node, "run", run)
    monkeypatch.setattr(node, "npm_options", lambda *_: nullcontext(()))
    return commands


def test_packages_are_installed_once(folder: Path, commands: list[object]) -> None:
    install_packages(folder)
    install_packages(folder)
    assert commands == [["ci", "--include=dev", "--prefix", folder]]


def test_packages_to_publish_are_installed_once(folder: Path, commands: list[object]) -> None:
    install_publishing_packages(folder)
    install_publishing_packages(folder)
    assert commands == [["ci", "--omit=dev", "--prefix", folder]]


def test_packages_to_publish_are_among_all(folder: Path, commands: list[object]) -> None:
    install_packages(folder)
    install_publishing_packages(folder)
    assert commands == [["ci", "--include=dev", "--prefix", folder]]


def test_other_packages_are_added_to_those_to_publish(folder: Path, commands: list[object]) -> None:
    """`npm ci` would first delete them, although the local environment may use them."""
    install_publishing_packages(folder)
    install_packages(folder)
    assert commands == [
        ["ci", "--omit=dev", "--prefix", folder],
        ["install", "--no-save", "--include=dev", "--prefix", folder],
    ]


def test_failed_addition_leaves_packages_to_publish(
    folder: Path, commands: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    install_publishing_packages(folder)

    def fail(*_: object) -> None:
        raise StepFailed("no network")

    monkeypatch.setattr(node, "run", fail)
    with pytest.raises(StepFailed):
        install_packages(folder)
    install_publishing_packages(folder)
    assert len(commands) == 1


@pytest.mark.parametrize("install", [install_packages, install_publishing_packages])
def test_changed_lock_installs_again(folder: Path, commands: list[object], install: object) -> None:
    assert callable(install)
    install(folder)
    (folder / "package-lock.json").write_text('{"lockfileVersion": 3}')
    install(folder)
    assert len(commands) == 2


def test_publishing_needs_few_packages() -> None:
    """All but these few would be downloaded by every deployment from a fresh machine, and never used."""
    packages = json.loads((REPOSITORY / "package-lock.json").read_text())["packages"]
    names = {name.removeprefix("node_modules/") for name, entry in packages.items() if not entry.get("dev")}
    names = {name for name in names if not name.startswith("@esbuild/")}  # the program, once for each system
    assert len(names) < 30, names
    assert {"esbuild", "@microsoft/signalr", "qrcode-generator"} <= names


def test_azurite_is_installed_apart(
    folder: Path, commands: list[Sequence[str | Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lint and publishing do not need it, and it is ten times as large as all that publishing needs."""
    packages = json.loads((REPOSITORY / "package-lock.json").read_text())["packages"]
    assert "node_modules/azurite" not in packages
    monkeypatch.setattr(azurite, "_FOLDER", folder)
    azurite.install()
    assert [command[-1] for command in commands] == [folder]
