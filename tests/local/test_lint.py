"""`python3 dev.py lint`: which checks run, and its exit code."""

from __future__ import annotations

import sys

import pytest

from local import commands, compatibility, lint

CHECKS = {
    "passes": [sys.executable, "-c", ""],
    "fails": [sys.executable, "-c", "raise SystemExit(2)"],
    "fails too": [sys.executable, "-c", "raise SystemExit(1)"],
}


@pytest.fixture(autouse=True)
def own_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lint, "CHECKS", CHECKS)
    monkeypatch.setattr(commands, "install_packages", lambda: None)
    monkeypatch.setattr(compatibility, "install", lambda: None)


def test_failed_check_does_not_stop_the_others(capfd: pytest.CaptureFixture[str]) -> None:
    assert lint.lint(["fails", "passes", "fails too"]) == ["fails", "fails too"]
    assert capfd.readouterr().out == "fails:\npasses:\nfails too:\n"


def test_all_checks_run_by_default() -> None:
    assert lint.lint([]) == ["fails", "fails too"]


@pytest.mark.parametrize(("checks", "exit_code"), [([], 1), (["passes"], 0), (["passes", "fails"], 1)])
def test_exit_code_is_1_if_a_check_fails(checks: list[str], exit_code: int) -> None:
    assert commands.run_lint(checks) == exit_code


def test_unknown_check_is_rejected() -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        commands.parse(["lint", "other"])
    assert commands.parse(["lint", "passes", "fails"]).checks == ["passes", "fails"]
