"""deploy.sh and destroy.sh without Azure: their checks, the order of their steps, and the confirmation."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bicep import read
from .shell import BLOB_URL, URL, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, "az", "python3", "curl", "sleep")


def option(command: list[str], name: str) -> list[str]:
    """The values of an option."""
    values = command[command.index(name) + 1 :]
    ends = [index for index, word in enumerate(values) if word.startswith("--")]
    return values[: ends[0]] if ends else values


def test_deploy_runs_its_steps_in_order(shell: Shell) -> None:
    result = shell.run("infra/deploy.sh", "demo", "westeurope", "signalRSku=Standard_S1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"Deployed: {URL}/"

    *_, provision, publish, package, deploy, wait = shell.recorded
    assert provision[:4] == ["az", "deployment", "sub", "create"]
    assert option(provision, "--parameters") == [
        *("environmentName=demo", "location=westeurope", "principalId=object-id-of-the-user", "signalRSku=Standard_S1")
    ]
    assert publish == ["python3", "dev.py", "publish", "--blob-url", BLOB_URL, "--site", URL]
    assert package[:3] == ["python3", "dev.py", "package"]
    assert deploy[:5] == ["az", "functionapp", "deployment", "source", "config-zip"]
    assert (option(deploy, "--resource-group"), option(deploy, "--name")) == (["rg-demo"], ["signin-abc"])
    assert option(deploy, "--src") == option(package, "--output")
    assert (wait[0], wait[-1]) == ("curl", f"{URL}/health")


def test_deploy_can_be_repeated(shell: Shell) -> None:
    for _ in range(2):
        assert shell.run("infra/deploy.sh", "demo", "westeurope").returncode == 0
    half = len(shell.recorded) // 2
    assert shell.recorded[:half] == shell.recorded[half:]


def test_deploy_retries_until_the_role_has_effect(shell: Shell) -> None:
    shell.answers["az functionapp deployment"] = ("", [1, 1, 0])
    result = shell.run("infra/deploy.sh", "demo", "westeurope")
    assert result.returncode == 0, result.stderr
    assert [command[0] for command in shell.recorded[-6:]] == ["az", "sleep", "az", "sleep", "az", "curl"]


@pytest.mark.parametrize(
    "step",
    [
        "az account get-access-token",
        "az deployment sub create",
        "python3 dev.py publish",
        "python3 dev.py package",
        "az functionapp",
        "curl",
    ],
)
def test_deploy_stops_at_the_first_failed_step(shell: Shell, step: str) -> None:
    shell.answers |= {step: ("", 1)}
    result = shell.run("infra/deploy.sh", "demo", "westeurope")
    assert result.returncode != 0
    assert "Deployed" not in result.stdout
    assert " ".join(shell.recorded[-1]).startswith(step)


def test_deploy_lists_all_problems_before_it_starts(shell: Shell) -> None:
    shell.remove("az")
    shell.remove("curl")
    shell.answers["python3 -c"] = ("", 1)
    result = shell.run("infra/deploy.sh", "No_Name", "West Europe", "Free_F1")
    assert result.returncode == 1
    complaints = result.stderr.splitlines()
    expected = ("NAME must be", "REGION must be", "'Free_F1' is not", "Python 3.11", "curl is", "The Azure CLI is")
    assert len(complaints) == len(expected), result.stderr
    for complaint, words in zip(complaints, expected, strict=True):
        assert complaint.startswith(words)
    assert [command[:2] for command in shell.recorded] == [["python3", "-c"]]


def test_deploy_without_sign_in_names_the_command(shell: Shell) -> None:
    shell.answers["az account show --query name"] = ("", 1)
    result = shell.run("infra/deploy.sh", "demo", "westeurope")
    assert (result.returncode, result.stderr) == (1, "Not signed in to Azure: run az login\n")


@pytest.mark.parametrize("arguments", [[], ["demo"]])
def test_deploy_without_arguments_shows_its_usage(shell: Shell, arguments: list[str]) -> None:
    result = shell.run("infra/deploy.sh", *arguments)
    assert result.returncode != 0
    assert "usage: infra/deploy.sh NAME REGION" in result.stderr


@pytest.mark.parametrize("name", ["ab", "signin-demo", "a" * 40])
def test_deploy_accepts_names_of_the_template(shell: Shell, name: str) -> None:
    assert shell.run("infra/deploy.sh", name, "westeurope").returncode == 0


@pytest.mark.parametrize("name", ["a", "-demo", "demo-", "a" * 41, "Demo", "de mo", "demo;az"])
def test_deploy_rejects_names_that_azure_rejects(shell: Shell, name: str) -> None:
    assert shell.run("infra/deploy.sh", name, "westeurope").returncode == 1


def test_deploy_reads_outputs_of_the_template(shell: Shell) -> None:
    shell.run("infra/deploy.sh", "demo", "westeurope")
    (provision,) = (command for command in shell.recorded if "sub" in command)
    (query,) = option(provision, "--query")
    outputs = query.partition("[")[2].rstrip("]").split(", ")
    assert {output.removesuffix(".value") for output in outputs} <= read("main.bicep").outputs


def test_destroy_deletes_after_confirmation(shell: Shell) -> None:
    result = shell.run("infra/destroy.sh", "demo", answer="demo\n")
    assert result.returncode == 0, result.stderr
    assert "list of all resources" in result.stdout
    assert shell.recorded[-1] == ["az", "group", "delete", "--name", "rg-demo", "--yes"]


@pytest.mark.parametrize("answer", ["", "\n", "y\n", "yes\n", "demo2\n"])
def test_destroy_deletes_nothing_without_confirmation(shell: Shell, answer: str) -> None:
    result = shell.run("infra/destroy.sh", "demo", answer=answer)
    assert result.returncode == 1
    assert "delete" not in [word for command in shell.recorded for word in command]


@pytest.mark.parametrize("tag", [("", 0), ("other", 0), ("", 3)])
def test_destroy_deletes_only_groups_of_deploy(shell: Shell, tag: tuple[str, int]) -> None:
    shell.answers["az group show --name rg-demo"] = tag
    result = shell.run("infra/destroy.sh", "demo", answer="demo\n")
    assert result.returncode == 1
    assert "nothing was deleted" in result.stderr
    assert "delete" not in [word for command in shell.recorded for word in command]
