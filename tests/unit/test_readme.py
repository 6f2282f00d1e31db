"""The README and the documents agree with the code: commands, options, settings, routes and links."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from azure.functions.decorators.http import HttpMethod, HttpTrigger

from local.commands import parse
from local.environment.ports import FLAGS
from signin.operators import commands
from signin.settings import Settings, SettingsError
from tests.support.function_app import load

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = {
    path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8")
    for path in (*sorted(REPOSITORY.glob("*.md")), *sorted(REPOSITORY.glob("docs/*.md")))
}
README = DOCUMENTS["README.md"]


def found(pattern: str) -> list[str]:
    """All matches of the pattern's group in the documents, each once."""
    return sorted({match for text in DOCUMENTS.values() for match in re.findall(pattern, text)})


def rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the tables under a heading of a document, without their heads."""
    section = DOCUMENTS[document].split(f"# {heading}\n")[1].split("\n## ")[0]
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return [row for row in cells if row[0].startswith("`")]


BROWSER_NAMES = {
    "chrome": "Chrome",
    "edge": "Edge",
    "firefox": "Firefox",
    "ios_saf": "Safari on iOS",
    "safari": "Safari",
    "samsung": "Samsung Internet",
}


def test_documented_browsers_are_those_of_browserslist() -> None:
    queries = json.loads((REPOSITORY / "package.json").read_text(encoding="utf-8"))["browserslist"]
    supported = [query.split(" >= ") for query in queries]
    documented = [cells[:2] for cells in rows("docs/browsers.md", "Supported browsers")]
    assert documented == [[f"`{BROWSER_NAMES[name]}`", version] for name, version in supported]


def test_readme_shows_the_two_main_commands() -> None:
    assert {"dev.py", "dev.py test"} <= set(re.findall(r"python3 (dev\.py[^`\n]*)", README))


@pytest.mark.parametrize("command", found(r"python3 (dev\.py[^`\n]*)"))
def test_documented_dev_command_is_understood(command: str) -> None:
    parse(shlex.split(command)[1:])


def test_every_dev_command_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        parse(["--help"])
    (names,) = re.findall(r"\{([\w,-]+)\}", capsys.readouterr().out.partition("\n\n")[0])
    documented = {row[0].removeprefix("`python3 ").strip("`") for row in rows("docs/local.md", "Commands")}
    assert {parse(shlex.split(command)[1:]).command for command in documented} == set(names.split(","))


@pytest.mark.parametrize("arguments", found(r"`python -m signin ([^`>]*)"))
def test_documented_operators_command_exists(arguments: str) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        commands.main([*shlex.split(arguments), "--help"])


def test_every_port_option_is_documented() -> None:
    assert set(re.findall(r"`(--(?:\w+-)?port)`", DOCUMENTS["docs/local.md"])) == set(FLAGS.values())


def test_every_setting_is_documented() -> None:
    documented = {
        name.strip("`")
        for heading in ("Table Storage", "Content", "SignalR Service")
        for name, *_ in rows("docs/settings.md", heading)
    }
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


def test_readme_names_the_required_settings() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_environment({})
    required = re.findall(r"(\w+) is not set", str(raised.value))
    assert required
    assert [name for name in required if f"`{name}`" not in README] == []


def test_every_route_is_documented_with_its_methods() -> None:
    documented = {
        route.split("`")[1]: {method.strip() for method in methods.split(",")}
        for route, methods, *_ in rows("docs/routes.md", "Routes")
    }
    served: dict[str, set[str]] = {}
    for function in load().app.get_functions():
        trigger = function.get_trigger()
        assert isinstance(trigger, HttpTrigger)
        path = f"/{trigger.route}" if trigger.route != "{*path}" else "/"
        if not path.startswith("/api/"):
            served[path] = {method.value for method in trigger.methods or (HttpMethod.GET, HttpMethod.HEAD)}
    assert documented == served


def test_documented_addresses_of_an_app_exist() -> None:
    triggers = [function.get_trigger() for function in load().app.get_functions()]
    routes = {trigger.route for trigger in triggers if isinstance(trigger, HttpTrigger)}
    paths = found(r"https://myapp\.azurewebsites\.net/([^\s\"'`)>?]*)")
    assert {"live.js", "keynote/live.js", "badge.svg"} <= set(paths)
    for path in paths:
        name = path.removeprefix("keynote/") or "index.html"
        assert name in routes or (REPOSITORY / "content" / name).is_file(), path


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_of_a_document_lead_to_files(document: str) -> None:
    folder = (REPOSITORY / document).parent
    targets = re.findall(r"\]\((?!http)([^)#]+)\)", DOCUMENTS[document])
    assert [target for target in targets if not (folder / target).is_file()] == []
