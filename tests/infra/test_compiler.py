"""The Bicep compiler and its linter, if this machine has them, as GitHub's runners do. All other tests need neither."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .bicep import INFRA
from .shell import Shell

# The warnings that remain, as "file: code". Each needs a reason.
WARNINGS: set[str] = set()

DIAGNOSTIC = re.compile(r"([\w.-]+\.bicep)\(\d+,\d+\) : (Error|Warning|Info) ([\w-]+):")


def compiler(path: str | None = None) -> list[str] | None:
    """The beginning of the compiler's commands, or None if there is no compiler on the PATH."""
    if bicep := shutil.which("bicep", path=path):
        return [bicep]
    az = shutil.which("az", path=path)
    if az and subprocess.run([az, "bicep", "version"], capture_output=True, timeout=60).returncode == 0:
        return [az, "bicep"]
    return None


def run(command: list[str], verb: str, *options: str) -> subprocess.CompletedProcess[str]:
    file = ["--file"] if command[-1] == "bicep" and len(command) == 2 else []
    return subprocess.run(
        [*command, verb, *file, str(INFRA / "main.bicep"), *options], capture_output=True, text=True, timeout=300
    )


def diagnostics(result: subprocess.CompletedProcess[str]) -> set[str]:
    return {f"{file}: {code}" for file, _, code in DIAGNOSTIC.findall(result.stdout + result.stderr)}


def test_compiler_and_linter_accept_the_files() -> None:
    command = compiler()
    if command is None:
        pytest.skip("no Bicep compiler (`bicep` or `az bicep`) on the PATH: the files were not compiled")
    built = run(command, "build", "--stdout")
    assert (built.returncode, diagnostics(built)) == (0, WARNINGS), built.stderr
    assert "subscriptionDeploymentTemplate" in json.loads(built.stdout)["$schema"]
    linted = run(command, "lint")
    assert (linted.returncode, diagnostics(linted)) == (0, WARNINGS), linted.stdout + linted.stderr


# Tests of this check, with stand-ins for the compiler


def test_compiler_is_found_in_the_azure_cli(tmp_path: Path) -> None:
    assert compiler(str(tmp_path)) is None
    shell = Shell(tmp_path, "az")
    shell.run("env")
    assert compiler(str(tmp_path)) == [str(tmp_path / "az"), "bicep"]
    shell.answers["az bicep version"] = ("", 1)  # without the compiler, which it would install on other commands
    shell.run("env")
    assert compiler(str(tmp_path)) is None


def test_warning_of_the_compiler_is_found(tmp_path: Path) -> None:
    shell = Shell(tmp_path, "bicep")
    shell.answers["bicep build"] = ("/app/infra/app.bicep(38,5) : Warning BCP037: The property ... is not allowed.", 0)
    shell.run("env")
    found = compiler(str(tmp_path))
    assert found == [str(tmp_path / "bicep")]
    assert diagnostics(run(found, "build", "--stdout")) == {"app.bicep: BCP037"}
    assert shell.recorded == [["bicep", "build", str(INFRA / "main.bicep"), "--stdout"]]
