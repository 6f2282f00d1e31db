"""Checks by programs of the field: of the infrastructure, the shell scripts, and the files of GitHub and pre-commit."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from local import REPOSITORY
from local.lint import CHECKS

from .bicep import INFRA

WORKFLOWS = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
SCRIPTS = sorted([*INFRA.glob("*.sh"), REPOSITORY / ".ci/run"])
DEPENDABOT = REPOSITORY / ".github/dependabot.yml"
SCHEMAS = {
    DEPENDABOT: "dependabot",
    **dict.fromkeys(WORKFLOWS, "github-workflows"),
    **dict.fromkeys(sorted((REPOSITORY / ".github/ISSUE_TEMPLATE").glob("*.yml")), "github-issue-forms"),
}
EXPLAINED = re.compile(r"^  - (CKV_AZURE_\d+) # \S", re.MULTILINE)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)


def test_checkov_finds_only_explained_deviations(checkers: Path) -> None:
    result = run(
        *(checkers / "checkov", "--directory", "infra", "--framework", "bicep", "--skip-download", "--output", "json")
    )
    report = json.loads(result.stdout)
    assert report["results"]["parsing_errors"] == []
    assert report["summary"]["passed"] > 10, "checkov has checked nothing"
    config = (INFRA / "checkov.yaml").read_text()
    assert {check["check_id"] for check in report["results"]["failed_checks"]} == set(EXPLAINED.findall(config))
    assert config.count("CKV_") - config.count("# as CKV_") == len(EXPLAINED.findall(config)), "one is not explained"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_script_passes_shellcheck(checkers: Path, script: Path) -> None:
    result = run(checkers / "shellcheck", script)
    assert result.returncode == 0, result.stdout
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize(("file", "schema"), SCHEMAS.items(), ids=lambda value: getattr(value, "name", ""))
def test_file_of_github_matches_its_schema(checkers: Path, file: Path, schema: str) -> None:
    result = run(checkers / "check-jsonschema", "--builtin-schema", f"vendor.{schema}", file)
    assert result.returncode == 0, result.stdout


def test_zizmor_finds_no_risk_in_the_workflows(checkers: Path) -> None:
    """Among others: actions that are not pinned, permissions that no job needs."""
    result = run(checkers / "zizmor", "--offline", "--persona=pedantic", ".github")
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_action_is_pinned_with_its_version_as_comment(workflow: Path) -> None:
    for line in re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8")):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_action_has_the_same_version_everywhere() -> None:
    used = {line for workflow in WORKFLOWS for line in re.findall(r"uses: (.*)", workflow.read_text(encoding="utf-8"))}
    assert len({line.partition("@")[0] for line in used}) == len(used), used


def test_pre_commit_accepts_its_configuration(pre_commit: Path) -> None:
    result = run(pre_commit / "pre-commit", "validate-config", ".pre-commit-config.yaml")
    assert result.returncode == 0, result.stdout


def test_pre_commit_runs_every_check_once() -> None:
    hooks = re.findall(r"entry: python3 dev\.py lint (.*)", (REPOSITORY / ".pre-commit-config.yaml").read_text())
    assert sorted(" ".join(hooks).split()) == sorted(CHECKS)


def test_dependabot_knows_every_folder_with_requirements() -> None:
    """A folder that it does not know would grow old in silence."""
    configured = set(re.findall(r"^ +(?:directory: |- )(/.*)", DEPENDABOT.read_text(encoding="utf-8"), re.MULTILINE))
    patterns = ("package.json", "requirements.in", "local/*/package.json", "local/*/*/package.json", "tests/*/*.txt")
    folders = {path.parent.relative_to(REPOSITORY) for pattern in patterns for path in REPOSITORY.glob(pattern)}
    assert {f"/{folder.as_posix()}".removesuffix(".") for folder in folders} == configured
