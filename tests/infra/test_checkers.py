"""What programs that know the field say: of the infrastructure, the shell scripts and the workflows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from local import REPOSITORY

from .bicep import INFRA

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
SCRIPTS = sorted([*INFRA.glob("*.sh"), REPOSITORY / ".ci/run"])
EXPLAINED = re.compile(r"^  - (CKV_AZURE_\d+) # \S", re.MULTILINE)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)


def test_checkov_finds_what_is_explained_and_nothing_else(checkers: Path) -> None:
    result = run(
        *(checkers / "checkov", "--directory", "infra", "--framework", "bicep", "--skip-download", "--output", "json")
    )
    report = json.loads(result.stdout)
    assert report["results"]["parsing_errors"] == []
    assert report["summary"]["passed"] > 10, "checkov has seen nothing"
    config = (INFRA / "checkov.yaml").read_text()
    assert {check["check_id"] for check in report["results"]["failed_checks"]} == set(EXPLAINED.findall(config))
    assert config.count("CKV_") - config.count("# as CKV_") == len(EXPLAINED.findall(config)), "one is not explained"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_shell_script_passes_shellcheck_and_can_be_run(checkers: Path, script: Path) -> None:
    result = run(checkers / "shellcheck", script)
    assert result.returncode == 0, result.stdout
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_is_one_that_github_understands(checkers: Path, workflow: Path) -> None:
    result = run(checkers / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", workflow)
    assert result.returncode == 0, result.stdout


def test_the_workflows_are_pinned_and_may_do_no_more_than_they_need(checkers: Path) -> None:
    result = run(checkers / "zizmor", "--offline", "--persona=pedantic", ".github")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_an_action_is_pinned_to_a_commit_with_its_version_beside_it(workflow: Path) -> None:
    for line in re.findall(r"uses: (.*)", workflow.read_text()):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
