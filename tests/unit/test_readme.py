"""What the README says is so: its commands, flags, settings, routes and links."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from azure.functions.decorators.http import HttpMethod, HttpTrigger

import function_app
from local.commands import parse
from local.environment.ports import FLAGS
from signin.operators import commands
from signin.settings import Settings, SettingsError

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

COMMANDS = sorted(set(re.findall(r"python3 (dev\.py[^`\n]*)", README)))


def rows(heading: str) -> list[list[str]]:
    """The cells of the table under a heading of the README, without its head."""
    section = README.split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_readme_shows_the_two_commands() -> None:
    assert {"dev.py", "dev.py test"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_is_one_that_dev_py_understands(command: str) -> None:
    parse(shlex.split(command)[1:])


@pytest.mark.parametrize("arguments", sorted(set(re.findall(r"`python -m signin ([^`>]*)", README))))
def test_an_operators_command_of_the_readme_is_one_that_there_is(arguments: str) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        commands.main([*shlex.split(arguments), "--help"])


def test_the_readme_names_every_flag_for_a_port() -> None:
    assert set(re.findall(r"`(--(?:\w+-)?port)`", README)) == set(FLAGS.values())


def test_the_readme_lists_every_setting() -> None:
    documented = {name for setting, *_ in rows("Settings") for name in re.findall(r"`(\w+)`", setting)}
    asked_for: set[str] = set()

    class Environment(dict[str, str]):
        def get(self, name: str, default: str = "") -> str:  # type: ignore[override]
            asked_for.add(name)
            return super().get(name, default)

    for by_key_or_identity in (
        {},
        {"TableConnectionString__tableServiceUri": "https://account.table.core.windows.net"},
    ):
        with pytest.raises(SettingsError):
            Settings.from_environment(Environment(by_key_or_identity))
    assert documented == asked_for


def test_the_readme_lists_every_route_with_its_methods() -> None:
    documented = {
        route.split("`")[1]: {method.strip() for method in methods.split(",")} for route, methods, *_ in rows("Routes")
    }
    served: dict[str, set[str]] = {}
    for function in function_app.app.get_functions():
        trigger = function.get_trigger()
        assert isinstance(trigger, HttpTrigger)
        path = f"/{trigger.route}" if trigger.route != "{*path}" else "/"
        if not path.startswith("/api/"):
            served[path] = {method.value for method in trigger.methods or (HttpMethod.GET, HttpMethod.HEAD)}
    assert documented == served


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_a_link_of_the_readme_leads_to_a_file(target: str) -> None:
    assert (REPOSITORY / target).is_file()
