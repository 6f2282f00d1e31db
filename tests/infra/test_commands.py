"""Every command of the scripts and of the documentation is one that there is.

They are run where programs only write down what they are asked, so that the shell does to them what it will do to the
reader's; what was asked of `az` is put before the Azure CLI's own argument parser, and so on.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from local import REPOSITORY
from local.commands import parse
from signin.operators import commands

from .shell import Shell

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]

# What the documents take for set.
TAKEN_FOR_SET = {"TableConnectionString": "AccountName=account"}

Asked = Mapping[str, list[list[str]]]


def script_of(document: Path) -> str:
    """All that a document tells to type, in order: its blocks of shell, and `az` with options where the text has it."""
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`(az [^`]* --[^`]*)`", text)])


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """What each document, and each script, asks of the programs."""

    def shell() -> Shell:
        return Shell(tmp_path_factory.mktemp("shell"), "az", "azd", "curl", "python", "python3")

    everything = {}
    for document in DOCUMENTS:
        here = shell()
        result = here.run("bash", "-eu", "-c", script_of(document), **TAKEN_FOR_SET)
        assert result.returncode == 0, f"{document.name}: {result.stderr}"
        everything[document.name] = here.asked
    for user_type in ("user", "servicePrincipal"):
        here = shell()
        here.answers["az account show --query user.type"] = (user_type, 0)
        assert here.run("infra/deploy.sh", "demo", "westeurope").returncode == 0
        assert here.run("infra/destroy.sh", "demo", answer="demo\n").returncode == 0
        everything[f"the scripts, as a {user_type}"] = here.asked
    return everything


def of(asked: Asked, *beginning: str) -> list[tuple[str, ...]]:
    """What follows in each different command that begins so."""
    following = {
        tuple(command[len(beginning) :])
        for document in asked.values()
        for command in document
        if tuple(command[: len(beginning)]) == beginning
    }
    return sorted(following)


def test_every_az_command_is_accepted_by_the_azure_cli(asked: Asked, azure_cli: Path, tmp_path: Path) -> None:
    questions = of(asked, "az")
    assert ("deployment", "sub", "create") in {words[:3] for words in questions}
    result = subprocess.run(
        [azure_cli / "python", Path(__file__).with_name("accepted_by_az.py")],
        input=json.dumps(questions),
        env={"AZURE_CONFIG_DIR": str(tmp_path), "AZURE_CORE_COLLECT_TELEMETRY": "false", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    verdicts = zip(questions, json.loads(result.stdout), strict=True)
    assert [f"az {' '.join(words)}: {problem}" for words, problem in verdicts if problem] == []


def test_every_command_of_dev_py_is_one_that_it_understands(asked: Asked) -> None:
    for arguments in of(asked, "python3", "dev.py"):
        parse(arguments)


def test_every_operators_command_exists(asked: Asked) -> None:
    assert of(asked, "python", "-m", "signin")
    for arguments in of(asked, "python", "-m", "signin"):
        with pytest.raises(SystemExit, match=r"^0$"):
            commands.main([*arguments, "--help"])


@pytest.mark.parametrize("system", ["posix", "windows"])
def test_azd_publishes_by_a_command_that_dev_py_understands(system: str) -> None:
    hooks = (REPOSITORY / "azure.yaml").read_text().split(f"    {system}:\n")[1].split("    windows:\n")[0]
    (command,) = re.findall(r"dev\.py (.*)", hooks)
    address = "https://account.blob.core.windows.net"
    parse(re.sub(r'"?\$(env:)?(blobUrl|appUrl)"?', address, command).split())


@pytest.mark.parametrize(
    "task", json.loads((REPOSITORY / ".vscode/tasks.json").read_text())["tasks"], ids=lambda t: t["label"]
)
def test_a_task_of_vs_code_is_a_command_that_dev_py_understands(task: dict[str, str]) -> None:
    command = task["command"]
    if command == "host start":
        assert task["type"] == "func"
    elif not command.endswith("--help"):
        parse(command.removeprefix("python3 dev.py").split())


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_path_that_a_document_names_is_there(document: Path) -> None:
    named = re.findall(
        r"`((?:infra|signin|local|docs|\.github|content)/[\w./-]*\w)`", document.read_text(encoding="utf-8")
    )
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
