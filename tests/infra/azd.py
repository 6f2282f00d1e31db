"""azd: its configuration, and a stand-in for the program.

Reads azure.yaml as far as the tests need it: PyYAML is no package of this project.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping

from local import REPOSITORY

from .shell import BLOB_URL, URL


def hooks() -> Mapping[str, Mapping[str, str]]:
    """The scripts of the hooks for `posix` and `windows`, by the name of the hook."""
    (section,) = re.findall(r"^hooks:\n((?: .*\n|\n)+)", (REPOSITORY / "azure.yaml").read_text(), re.MULTILINE)
    return {
        name: {
            system: _script(text) for system, text in re.findall(r"^    (\w+):\n((?:      .*\n)+)", body, re.MULTILINE)
        }
        for name, body in re.findall(r"^  (\w+):\n((?:   .*\n)+)", section, re.MULTILINE)
    }


def _script(text: str) -> str:
    """The value of `run`, on the same line or in a block."""
    line, block = re.findall(r"^      run: (.*)\n((?:        .*\n)*)", text, re.MULTILINE)[0]
    return textwrap.dedent(block) if line == "|" else f"{line}\n"


def stand_in() -> str:
    """A program that runs the hooks of azure.yaml around the steps of `azd up`, `azd provision` and `azd deploy`.

    It records each step as the program `azd-step` of a Shell, whose answer is the outcome of the step. The outputs of
    main.bicep are in the environment of the hooks once the resources exist.
    """
    scripts = {name: systems["posix"] for name, systems in hooks().items()}
    return f"""
import os, subprocess, sys

HOOKS = {json.dumps(scripts)}
STEPS = {{"up": ["provision", "deploy"], "provision": ["provision"], "deploy": ["deploy"]}}
OUTPUTS = {{"appUrl": {URL!r}, "blobUrl": {BLOB_URL!r}}}
outputs = OUTPUTS if sys.argv[1] == "deploy" else {{}}

def run_hook(name):
    code = subprocess.run(["sh", "-e", "-c", HOOKS.get(name, "")], env=os.environ | outputs).returncode
    if code:
        sys.exit(f"ERROR: '{{name}}' hook failed with exit code: '{{code}}'")

for step in STEPS[sys.argv[1]]:
    run_hook(f"pre{{step}}")
    code = subprocess.run(["azd-step", step]).returncode
    if code:
        sys.exit(code)
    outputs = OUTPUTS
    run_hook(f"post{{step}}")
"""
