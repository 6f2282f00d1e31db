"""The linter finds what one of the supported browsers lacks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence

import pytest

from local import REPOSITORY, compatibility
from local.node import NODE, NODE_MODULES

MISSING_CALLS = {
    "AbortSignal.timeout(1);": "AbortSignal.timeout",
    "[1].toSorted();": "toSorted",
    '"text".at(-1);': "at",
    "Object.hasOwn({}, 1);": "Object.hasOwn",
    "crypto.randomUUID();": "randomUUID",
    "structuredClone({});": "structuredClone",
    "new CSSStyleSheet();": "new CSSStyleSheet",
    "navigator.wakeLock.request();": "wakeLock",
}
PRESENT_CALLS = [
    "new AbortController().abort();",
    "[1].sort();",
    "Object.keys({});",
    "if (navigator.wakeLock) navigator.wakeLock.request();",
    "document.exitFullscreen?.();",
    'if ("share" in navigator) navigator.share({});',
    "fetch(location.href).then((response) => response.json());",
]
MISSING_STYLES = {
    "p { translate: 1px; }": "translate",
    "p { height: 1dvh; }": "dvh",
    "p { --height: 1dvh; }": "dvh",
    "p { color: color-mix(in srgb, red, blue); }": "color-mix()",
    "p:user-invalid { color: red; }": ":user-invalid",
    "@layer base { p { color: red; } }": "@layer",
    "p { padding-block: 1px; }": "padding-block",
    "p { grid-template-columns: subgrid; }": "grid-template-columns: subgrid",
}
PRESENT_STYLES = [
    "p { transform: translate(1px); }",
    "p { height: 1vh; height: 1dvh; }",
    "@supports (height: 1dvh) { p { --height: 1dvh; } }",
    "p:is(a, b) { padding-inline-start: min(1px, 1vw); }",
]


def messages(name: str, lines: Sequence[str]) -> list[str | None]:
    """The first message about each line of a file of the page."""
    result = subprocess.run(
        [NODE, NODE_MODULES / "eslint/bin/eslint.js", "--stdin", "--stdin-filename", name, "--format=json"],
        cwd=REPOSITORY,
        input="\n".join(lines),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    (report,) = json.loads(result.stdout)
    found = {message["line"]: message["message"] for message in reversed(report["messages"])}
    return [found.get(number) for number in range(1, len(lines) + 1)]


def lacking(name: str) -> str:
    return f"One of the browsers in package.json lacks {name}."


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    compatibility.install()


@pytest.mark.parametrize(
    ("name", "missing", "present"),
    [
        ("content/scripts/new.js", MISSING_CALLS, PRESENT_CALLS),
        ("content/styles/new.css", MISSING_STYLES, PRESENT_STYLES),
    ],
    ids=["calls", "styles"],
)
def test_linter_reports_what_a_browser_lacks(name: str, missing: dict[str, str], present: Sequence[str]) -> None:
    # In files of their own: a name that is tested anywhere in a file may be used there.
    assert messages(name, [*missing]) == [lacking(feature) for feature in missing.values()]
    assert messages(name, present) == [None] * len(present)
