"""deploy.sh and destroy.sh without Azure: their checks, the order of their steps, and the confirmation."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from local import REPOSITORY

from .bicep import read
from .shell import BLOB_URL, URL, Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path, "az", "python3", "sleep")


def option(command: list[str], name: str) -> list[str]:
    """The values of an option."""
    values = command[command.index(name) + 1 :]
    ends = [index for index, word in enumerate(values) if word.startswith("--")]
    return values[: ends[0]] if ends else values


def test_deploy_runs_its_steps_in_order(shell: Shell) -> None:
    result = shell.run("infra/deploy.sh", "demo", "westeurope", "signalRSku=Standard_S1")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"Deployed: {URL}/"

    *_, prepare, package, provision, publish, deploy, wait = shell.recorded
    assert prepare == ["python3", "dev.py", "publish", "--prepare"]
    assert provision[:4] == ["az", "deployment", "sub", "create"]
    assert option(provision, "--parameters") == [
        *("environmentName=demo", "location=westeurope", "principalId=object-id-of-the-user", "signalRSku=Standard_S1")
    ]
    assert publish == ["python3", "dev.py", "publish", "--blob-url", BLOB_URL, "--site", URL]
    assert package[:3] == ["python3", "dev.py", "package"]
    assert deploy[:5] == ["az", "functionapp", "deployment", "source", "config-zip"]
    assert (option(deploy, "--resource-group"), option(deploy, "--name")) == (["rg-demo"], ["signin-abc"])
    assert option(deploy, "--src") == option(package, "--output")
    assert wait == ["python3", "dev.py", "wait", "--site", URL]


def test_deploy_can_be_repeated(shell: Shell) -> None:
    for _ in range(2):
        assert shell.run("infra/deploy.sh", "demo", "westeurope").returncode == 0
    half = len(shell.recorded) // 2
    assert shell.recorded[:half] == shell.recorded[half:]


def test_deployment_has_a_name_of_its_own_in_each_region(shell: Shell) -> None:
    """Azure refuses a name that a deployment in another region had, for as long as it remembers that one."""
    names = []
    for region in ("westeurope", "eastus2"):
        assert shell.run("infra/deploy.sh", "demo", region).returncode == 0
        (provision,) = (command for command in shell.recorded if "sub" in command and region in command)
        names.append(option(provision, "--name"))
    assert names == [["demo-westeurope"], ["demo-eastus2"]]


# What the Azure CLI and azd print if the roles of the app's identity have no effect yet.
NEW_ROLE = [
    "Zip deployment failed. InaccessibleStorageException: Failed to access storage account for deployment",
    "An error occured during deployment. Status Code: 403, Details: ",
    "Response status code does not indicate success: 403 (This request is not authorized to perform this operation.).",
    "Failed to fetch host key to check for function app status",
    "Deployment was successful but the app appears to be unhealthy. Please check the app logs.",
]


@pytest.mark.parametrize("error", NEW_ROLE)
def test_deploy_retries_what_a_new_role_causes(shell: Shell, error: str) -> None:
    shell.answers["az functionapp deployment"] = (error, [1, 1, 0])
    result = shell.run("infra/deploy.sh", "demo", "westeurope")
    assert result.returncode == 0, result.stderr
    assert [command[0] for command in shell.recorded[-6:]] == ["az", "sleep", "az", "sleep", "az", "python3"]
    assert error in result.stderr


@pytest.mark.parametrize("code", [0, 5])
def test_retry_appends_to_a_standard_error_that_is_a_file(tmp_path: Path, code: int) -> None:
    log = tmp_path / "log"
    with log.open("w") as file:
        file.write("earlier lines\n")
        file.flush()
        command = ["infra/retry.sh", "bash", "-c", f"echo deployed; exit {code}"]
        assert subprocess.run(command, cwd=REPOSITORY, stderr=file, timeout=60).returncode == code
    assert log.read_text() == "earlier lines\ndeployed\n"


@pytest.mark.parametrize("code", [0, 5])
def test_retry_writes_to_a_standard_error_that_is_a_socket(code: int) -> None:
    """As under some programs that run pipelines."""
    ours, its = socket.socketpair()
    with ours, its:
        command = ["infra/retry.sh", "bash", "-c", f"echo deployed; exit {code}"]
        assert subprocess.run(command, cwd=REPOSITORY, stderr=its.fileno(), timeout=60).returncode == code
        assert ours.recv(1000) == b"deployed\n"


def test_deploy_retries_for_half_an_hour_at_most(shell: Shell) -> None:
    shell.answers["az functionapp deployment"] = (NEW_ROLE[0], 7)
    result = shell.run("infra/deploy.sh", "demo", "westeurope")
    assert result.returncode == 7
    assert "docs/security.md" in result.stderr.splitlines()[-1]
    pauses = [command for command in shell.recorded if command[0] == "sleep"]
    assert pauses == [["sleep", "60"]] * 29


@pytest.mark.parametrize(
    "error",
    [
        "",
        "Zip deployment failed. {'status': 3, 'status_text': 'pip install failed'}",
        "The client does not have authorization to perform action",
        "AADSTS700082: The refresh token has expired due to inactivity.",
        "id 4403, in line 403",
    ],
)
def test_deploy_does_not_retry_what_stays(shell: Shell, error: str) -> None:
    shell.answers["az functionapp deployment"] = (error, 5)
    result = shell.run("infra/deploy.sh", "demo", "westeurope")
    assert result.returncode == 5
    assert error in result.stderr
    assert [command[0] for command in shell.recorded[-2:]] == ["python3", "az"], "it was tried again"


@pytest.mark.parametrize(
    "step",
    [
        "az functionapp list-flexconsumption-locations",
        "az group list --query",
        "python3 dev.py publish --prepare",
        "python3 dev.py package",
        "az deployment sub create",
        "python3 dev.py publish --blob-url",
        "az functionapp deployment",
        "python3 dev.py wait",
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
    shell.answers["python3 -c"] = ("", 1)
    result = shell.run("infra/deploy.sh", "No_Name", "West Europe", "Free_F1", "location=westus", "signalRSku=Free_F1")
    assert result.returncode == 1
    complaints = result.stderr.splitlines()
    expected = ("NAME must", "REGION must", "'Free_F1' is not", "location follows", "Python 3.11", "The Azure CLI is")
    assert len(complaints) == len(expected), result.stderr
    for complaint, words in zip(complaints, expected, strict=True):
        assert complaint.startswith(words)
    assert [command[:2] for command in shell.recorded] == [["python3", "-c"]]


def test_deploy_without_sign_in_names_the_command(shell: Shell) -> None:
    shell.answers["az account show --query name"] = ("", 1)
    result = shell.run("infra/deploy.sh", "demo", "westeurope")
    assert (result.returncode, result.stderr) == (1, "Not signed in to Azure: run az login\n")


def test_deploy_with_expired_sign_in_names_the_command(shell: Shell) -> None:
    """`az account show` reads a file, so it succeeds all the same."""
    shell.answers["az account get-access-token"] = ("", 1)
    result = shell.run("infra/deploy.sh", "demo", "westeurope")
    assert (result.returncode, result.stderr) == (1, "The sign-in to Azure is no longer valid: run az login\n")


def test_deploy_rejects_region_without_flex_consumption(shell: Shell) -> None:
    shell.answers["az functionapp list-flexconsumption-locations"] = ("", 0)
    result = shell.run("infra/deploy.sh", "demo", "westindia")
    assert result.returncode == 1
    assert result.stderr.startswith("westindia has no Flex Consumption: ")
    (query,) = (option(command, "--query") for command in shell.recorded if "functionapp" in command)
    assert query == ["[?name=='westindia'].name"]
    assert changes(shell) == []


def test_deploy_rejects_region_if_environment_is_in_another(shell: Shell) -> None:
    shell.answers["az group list --query"] = ("northeurope", 0)
    result = shell.run("infra/deploy.sh", "demo", "westeurope")
    assert result.returncode == 1
    assert result.stderr.startswith("demo exists in northeurope: ")
    (query,) = (option(command, "--query") for command in shell.recorded if "group" in command)
    assert query == ["[?name=='rg-demo' && location!='westeurope'].location"]
    assert changes(shell) == []


def changes(shell: Shell) -> list[list[str]]:
    """The recorded commands that change something in Azure or on this machine."""
    reading = {"show", "list", "list-flexconsumption-locations", "get-access-token"}
    return [command for command in shell.recorded if command[1] != "-c" and not reading & set(command)]


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


@pytest.mark.parametrize("found", ["", "rg-other"])
def test_destroy_deletes_only_groups_of_deploy(shell: Shell, found: str) -> None:
    shell.answers["az group list --tag azd-env-name=demo"] = (found, 0)
    result = shell.run("infra/destroy.sh", "demo", answer="demo\n")
    assert result.returncode == 1
    assert "nothing was deleted" in result.stderr
    (query,) = (option(command, "--query") for command in shell.recorded)
    assert query == ["[?name=='rg-demo'].name"]
    assert "delete" not in [word for command in shell.recorded for word in command]


def test_destroy_with_expired_sign_in_does_not_deny_the_group(shell: Shell) -> None:
    shell.answers["az group list --tag azd-env-name=demo"] = ("", 1)
    result = shell.run("infra/destroy.sh", "demo", answer="demo\n")
    assert (result.returncode, result.stderr) == (1, "")
    assert len(shell.recorded) == 1
