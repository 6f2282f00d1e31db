"""The three ways to deploy, from the first command to the last, with stand-ins for Azure: what the user sees."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from local import REPOSITORY

from .azd import stand_in
from .shell import URL, Shell

HEALTHY = (200, '{"table": {"ok": true}, "blob": {"ok": true}, "signalr": {"ok": true}}')
NO_ROLE = (
    503,
    '{"table": {"ok": false, "error": "The role is missing."}, "blob": {"ok": true}, "signalr": {"ok": true}}',
)
NO_FUNCTIONS = (404, "")
NEVER = 10_000.0  # minutes

Way = Callable[[Shell], "subprocess.CompletedProcess[str]"]


def deploy_sh(shell: Shell) -> subprocess.CompletedProcess[str]:
    return shell.run("infra/deploy.sh", "demo", "westeurope")


def azd_up(shell: Shell) -> subprocess.CompletedProcess[str]:
    return shell.run("azd", "up")


def pipeline(shell: Shell) -> subprocess.CompletedProcess[str]:
    """The steps of the workflow after the sign-in."""
    workflow = (REPOSITORY / ".github/workflows/azure-dev.yml").read_text()
    steps = re.findall(r"^        run: (.*azd .*)$", workflow, re.MULTILINE)
    return shell.run("bash", "-e", "-c", "\n".join(steps))


def seen(result: subprocess.CompletedProcess[str]) -> str:
    """What the user sees; `infra/retry.sh` writes all output of its command to standard error."""
    return result.stdout + result.stderr


WAYS = [deploy_sh, azd_up, pipeline]
THAT_RETRY = [deploy_sh, pipeline]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    shell = Shell(tmp_path, "az", "azd-step", "python3", "sleep")
    shell.add("azd", stand_in())
    shell.health = [(NEVER, *HEALTHY)]
    return shell


STEPS = {
    "python3 dev.py publish --prepare": "prepare",
    "python3 dev.py publish --blob-url": "publish",
    "python3 dev.py wait": "wait",
    "az deployment sub create": "provision",
    "azd-step provision": "provision",
    "az functionapp deployment": "deploy",
    "azd-step deploy": "deploy",
}


def steps(shell: Shell) -> list[str]:
    """The steps that were begun, in order."""
    commands = [" ".join(command) for command in shell.recorded]
    return [step for command in commands for words, step in STEPS.items() if command.startswith(words)]


def fail(shell: Shell, step: str, message: str, times: int | None = None) -> None:
    """Let a step fail, always or some times; then it succeeds."""
    for words, name in STEPS.items():
        if name == step:
            shell.answers[words] = (message, 1 if times is None else [1] * times + [0])


ALL = ["prepare", "provision", "publish", "deploy", "wait"]


@pytest.mark.parametrize("way", WAYS)
def test_deployment_succeeds_each_time(shell: Shell, way: Way) -> None:
    for count in (1, 2):
        result = way(shell)
        assert result.returncode == 0, result.stderr
        assert steps(shell) == ALL * count
        assert f"  0.0 min  The app is healthy: {URL}/" in seen(result).splitlines()


@pytest.mark.parametrize("way", WAYS)
def test_role_of_twenty_minutes_is_waited_for(shell: Shell, way: Way) -> None:
    shell.health = [(20, *NO_ROLE), (NEVER, *HEALTHY)]
    result = way(shell)
    assert result.returncode == 0, result.stderr
    lines = seen(result).splitlines()
    assert lines.count("  0.0 min  table: The role is missing.") == 1
    assert f" 20.0 min  The app is healthy: {URL}/" in lines


@pytest.mark.parametrize("way", THAT_RETRY)
def test_package_is_stored_once_the_role_has_effect(shell: Shell, way: Way) -> None:
    fail(shell, "deploy", "InaccessibleStorageException: Failed to access storage account for deployment", times=20)
    result = way(shell)
    assert result.returncode == 0, result.stderr
    assert steps(shell) == [*ALL[:3], *["deploy"] * 21, "wait"]
    assert result.stderr.count("The app's roles have no effect yet") == 20


@pytest.mark.parametrize("way", WAYS)
def test_role_that_never_comes_ends_with_advice(shell: Shell, way: Way) -> None:
    shell.health = [(NEVER, *NO_ROLE)]
    result = way(shell)
    assert result.returncode != 0
    assert f"{URL} is not healthy after 30 minutes. Compare the roles" in seen(result)
    assert steps(shell) == ALL, "it is not deployed again"


@pytest.mark.parametrize("way", THAT_RETRY)
def test_package_that_can_never_be_stored_ends_with_advice(shell: Shell, way: Way) -> None:
    fail(shell, "deploy", "InaccessibleStorageException: Failed to access storage account for deployment")
    result = way(shell)
    assert result.returncode != 0
    assert "compare them with docs/security.md" in result.stderr.splitlines()[-1]
    assert "wait" not in steps(shell)


def test_wrong_region_ends_deploy_sh_before_it_changes_anything(shell: Shell) -> None:
    shell.answers["az functionapp list-flexconsumption-locations"] = ("", 0)
    result = deploy_sh(shell)
    assert (result.returncode, steps(shell)) == (1, [])


@pytest.mark.parametrize("way", [azd_up, pipeline])
def test_wrong_region_ends_azd_before_the_content_is_published(shell: Shell, way: Way) -> None:
    """azd offers only the allowed regions; one from a variable fails in the validation of the template."""
    fail(shell, "provision", "InvalidTemplate: The value 'westindia' is not part of the allowed value(s)")
    result = way(shell)
    assert (result.returncode, steps(shell)) == (1, ["prepare", "provision"])


@pytest.mark.parametrize("way", WAYS)
def test_missing_package_on_this_machine_ends_it_first(shell: Shell, way: Way) -> None:
    fail(shell, "prepare", "pip ended with exit code 1. Is the package index reachable? Run the command again.")
    result = way(shell)
    assert (result.returncode, steps(shell)) == (1, ["prepare"])


@pytest.mark.parametrize("way", WAYS)
def test_failed_remote_build_ends_it_at_once(shell: Shell, way: Way) -> None:
    fail(shell, "deploy", "Zip deployment failed: pip: No matching distribution found for azure-functions==9.9")
    result = way(shell)
    assert (result.returncode, steps(shell)) == (1, ALL[:4])
    assert "sleep" not in [command[0] for command in shell.recorded]


@pytest.mark.parametrize("way", WAYS)
def test_deployment_without_functions_is_found(shell: Shell, way: Way) -> None:
    """A remote build without requirements.txt, or an app that cannot be imported: Azure reports success."""
    shell.health = [(NEVER, *NO_FUNCTIONS)]
    result = way(shell)
    assert result.returncode != 0
    assert "it has loaded 0 functions" in seen(result)
    assert "with a remote build" in seen(result)


def test_expired_sign_in_ends_deploy_sh_before_it_changes_anything(shell: Shell) -> None:
    shell.answers["az account get-access-token"] = ("", 1)
    result = deploy_sh(shell)
    assert (result.returncode, steps(shell)) == (1, [])
    assert "az login" in seen(result)


@pytest.mark.parametrize("way", WAYS)
def test_sign_in_that_expires_meanwhile_is_not_retried(shell: Shell, way: Way) -> None:
    fail(shell, "deploy", "AADSTS700082: The refresh token has expired due to inactivity.")
    result = way(shell)
    assert (result.returncode, steps(shell)) == (1, ALL[:4])
    assert "sleep" not in [command[0] for command in shell.recorded]
