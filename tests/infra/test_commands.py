"""Every command in the scripts and in the documents exists and has valid arguments.

The commands run in a shell with stand-ins that record their arguments, so that quotes and variables are expanded as on
a reader's machine. The Azure CLI's own argument parser then checks those of `az`, and so on.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from local import REPOSITORY
from local.commands import parse
from signin.counting.table import TABLE_NAME
from signin.operators import commands
from signin.settings import Settings, SettingsError
from signin.website.site import CONTAINER

from .azd import hooks
from .shell import Shell

DOCUMENTS = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]

PROGRAMS = ("az", "azd", "curl", "func", "pre-commit", "python", "python3", "uv")

# Variables that the documents assume to be set.
VARIABLES = {"TableConnectionString": "AccountName=account"}

Recorded = Mapping[str, list[list[str]]]


def script_of(document: Path) -> str:
    """The commands of a document: its shell blocks in order, then each `az` command with options in its text."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`(az [^`]* --[^`]*)`", text)])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """The recorded commands of each document and script."""

    def shell() -> Shell:
        return Shell(tmp_path_factory.mktemp("shell"), *PROGRAMS)

    everything = {}
    for document in DOCUMENTS:
        here = shell()
        result = here.run("bash", "-eu", "-c", script_of(document), **VARIABLES)
        assert result.returncode == 0, f"{document.name}: {result.stderr}"
        everything[document.name] = here.recorded
    for user_type in ("user", "servicePrincipal"):
        here = shell()
        here.answers["az account show --query user.type"] = (user_type, 0)
        assert here.run("infra/deploy.sh", "demo", "westeurope").returncode == 0
        assert here.run("infra/destroy.sh", "demo", answer="demo\n").returncode == 0
        everything[f"the scripts, as a {user_type}"] = here.recorded
    return everything


def of(recorded: Recorded, *beginning: str) -> list[tuple[str, ...]]:
    """The remaining arguments of each distinct command that begins with these words."""
    following = {
        tuple(command[len(beginning) :])
        for document in recorded.values()
        for command in document
        if tuple(command[: len(beginning)]) == beginning
    }
    return sorted(following)


def test_azure_cli_accepts_every_az_command(recorded: Recorded, azure_cli: Path, tmp_path: Path) -> None:
    invocations = of(recorded, "az")
    assert ("deployment", "sub", "create") in {words[:3] for words in invocations}
    result = subprocess.run(
        [azure_cli / "python", Path(__file__).with_name("accepted_by_az.py")],
        input=json.dumps(invocations),
        env={"AZURE_CONFIG_DIR": str(tmp_path), "AZURE_CORE_COLLECT_TELEMETRY": "false", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    verdicts = zip(invocations, json.loads(result.stdout), strict=True)
    assert [f"az {' '.join(words)}: {problem}" for words, problem in verdicts if problem] == []


def option(command: Sequence[str], name: str) -> str:
    return command[command.index(name) + 1]


def test_steps_set_what_the_app_needs(recorded: Recorded) -> None:
    steps = recorded["deploy-step-by-step.md"]
    (settings,) = [command for command in steps if command[:5] == ["az", "functionapp", "config", "appsettings", "set"]]
    names = {setting.partition("=")[0] for setting in settings[settings.index("--settings") + 1 :]}
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({})
    assert names == set(re.findall(r"(\w+) is not set", str(raised.value)))
    for beginning, name, value in (
        ("az storage account create", "--allow-blob-public-access", "true"),
        ("az storage table create", "--name", TABLE_NAME),
        ("az storage container create", "--name", CONTAINER),
        ("az storage container create", "--public-access", "blob"),
        ("az signalr create", "--service-mode", "Serverless"),
        ("az functionapp scale config set", "--trigger-settings", "perInstanceConcurrency=100"),
    ):
        (command,) = [command for command in steps if " ".join(command).startswith(f"{beginning} ")]
        assert option(command, name) == value


def test_steps_package_for_the_python_of_the_app(recorded: Recorded) -> None:
    steps = recorded["deploy-step-by-step.md"]
    created = [option(command, "--runtime-version") for command in steps if command[1:3] == ["functionapp", "create"]]
    (packaged,) = [option(command, "--python") for command in steps if "--with-dependencies" in command]
    assert len(created) == 3
    assert set(created) == {packaged}


def test_every_command_of_core_tools_is_known(recorded: Recorded) -> None:
    """Its own parser is in no package registry for Python."""
    publishing = of(recorded, "func", "azure", "functionapp", "publish")
    assert publishing
    assert len(of(recorded, "func")) == len(publishing)
    for name, *options in publishing:
        assert re.fullmatch(r"[\w-]+", name)
        assert options == ["--python"]


def test_dev_py_accepts_every_command(recorded: Recorded) -> None:
    for arguments in of(recorded, "python3", "dev.py"):
        parse(list(arguments))


def test_every_operator_command_exists(recorded: Recorded) -> None:
    assert of(recorded, "python", "-m", "signin")
    for arguments in of(recorded, "python", "-m", "signin"):
        with pytest.raises(SystemExit, match=r"^0$"):
            commands.main([*arguments, "--help"])


@pytest.mark.parametrize("system", ["posix", "windows"])
@pytest.mark.parametrize("name", hooks())
def test_dev_py_accepts_the_commands_of_azd(name: str, system: str) -> None:
    commands_of_hook = re.findall(r"^(python3?) dev\.py (.*)", hooks()[name][system], re.MULTILINE)
    assert [program for program, _ in commands_of_hook] == ["python3" if system == "posix" else "python"]
    address = "https://account.blob.core.windows.net"
    for _, arguments in commands_of_hook:
        parse(re.sub(r'"?\$(env:)?(blobUrl|appUrl)"?', address, arguments).split())


def test_azd_and_the_document_require_one_version() -> None:
    (required,) = re.findall(r'^  azd: ">= (\d+\.\d+)\.0"$', (REPOSITORY / "azure.yaml").read_text(), re.MULTILINE)
    document = " ".join((REPOSITORY / "docs/deploy.md").read_text(encoding="utf-8").split())
    assert f"install-azd), {required} or newer" in document
    assert tuple(map(int, required.split("."))) >= (1, 30), "hooks and the pipeline's sign-in need it"


def test_hook_on_windows_fails_with_its_program() -> None:
    """PowerShell continues after a program that failed; the exit code of a hook is that of its last line."""
    for name, scripts in hooks().items():
        assert scripts["windows"].endswith("\nexit $LASTEXITCODE\n"), name


@pytest.mark.parametrize(
    "task", json.loads((REPOSITORY / ".vscode/tasks.json").read_text())["tasks"], ids=lambda t: t["label"]
)
def test_dev_py_accepts_the_tasks_of_vs_code(task: dict[str, str]) -> None:
    command = task["command"]
    if command == "host start":
        assert task["type"] == "func"
    elif not command.endswith("--help"):
        parse(command.removeprefix("python3 dev.py").split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_documented_path_exists(document: Path) -> None:
    named = re.findall(
        r"`((?:benchmarks|content|docs|infra|local|signin|tests|\.github)/[\w./-]*\w)`",
        document.read_text(encoding="utf-8"),
    )
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
