"""A shell with stand-ins for programs: they record their arguments and print what the test sets.

The exceptions are `python3 -c`, which runs, and `python3 dev.py wait`, which runs if the test sets the answers of
/health.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import jwt

from local import REPOSITORY

URL = "https://signin-abc.azurewebsites.net"
BLOB_URL = "https://stdataabc.blob.core.windows.net"

# The outputs of a deployment without errors. Beginning of a command: its output and exit code, or one for each call.
ANSWERS: Mapping[str, tuple[str, int | list[int]]] = {
    "az account show --query name": ("My subscription", 0),
    "az account get-access-token": (
        jwt.encode({"oid": "object-id-of-the-user"}, "a key of 32 bytes, never checked."),
        0,
    ),
    "az functionapp list-flexconsumption-locations": ("westeurope", 0),
    "az group list --tag azd-env-name=demo": ("rg-demo", 0),
    "az group list --query": ("", 0),
    "az deployment sub create": (f"rg-demo\nsignin-abc\n{URL}\n{BLOB_URL}", 0),
    "az resource list": ("list of all resources", 0),
}

_STAND_IN = f"""#!{sys.executable}
import json, os, sys
from pathlib import Path
folder = Path(__file__).parent
command = [Path(__file__).name, *sys.argv[1:]]
with folder.joinpath("recorded").open("a") as recorded:
    recorded.write(json.dumps(command) + "\\n")
answers = json.loads(folder.joinpath("answers").read_text())
for words, (answer, exit_code) in answers.items():
    if " ".join(command).startswith(words):
        print(answer)
        if isinstance(exit_code, list):
            code = exit_code.pop(0)
            folder.joinpath("answers").write_text(json.dumps(answers))
            sys.exit(code)
        sys.exit(exit_code)
if command[:2] == ["python3", "-c"]:
    os.execv(sys.executable, command)
if command[:3] == ["python3", "dev.py", "wait"] and folder.joinpath("health").exists():
    program = folder.joinpath("wait").read_text()
    os.execv(sys.executable, [sys.executable, "-c", program, folder / "health", *command[3:]])
"""

# `dev.py wait` with the answers of /health that a test sets, each until a minute, and a clock that only pauses move.
_WAIT = """
import json, sys
from local import health

answers = json.load(open(sys.argv[1]))
minutes = 0.0

def sleep(seconds):
    global minutes
    minutes += seconds / 60

health.check = lambda site: next(health._problem_of(status, body) for end, status, body in answers if minutes < end)
sys.exit(health.wait(health.parse(sys.argv[2:]).site, clock=lambda: 60 * minutes, sleep=sleep))
"""


class Shell:
    """A folder with stand-ins for programs. Scripts find no other programs than these and a few basic ones."""

    def __init__(self, folder: Path, *programs: str) -> None:
        self._folder = folder
        self.answers = dict(ANSWERS)
        self.health: list[tuple[float, int, str]] = []  # until a minute: status and body of /health
        folder.joinpath("wait").write_text(_WAIT)
        folder.joinpath("recorded").touch()
        for name in programs:
            folder.joinpath(name).write_text(_STAND_IN)
            folder.joinpath(name).chmod(0o755)
        for name in ("basename", "bash", "dirname", "env", "mktemp", "rm", "sh", "tee", "tr"):
            program = shutil.which(name)
            assert program, name
            folder.joinpath(name).symlink_to(program)

    def add(self, program: str, source: str) -> None:
        """Add a stand-in of its own, a Python program."""
        path = self._folder / program
        path.write_text(f"#!{sys.executable}\n{source}")
        path.chmod(0o755)

    def remove(self, program: str) -> None:
        """Act as a machine without this program."""
        self._folder.joinpath(program).unlink()

    def run(self, *command: str, answer: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the repository; `answer` is its standard input."""
        self._folder.joinpath("answers").write_text(json.dumps(self.answers))
        if self.health:
            self._folder.joinpath("health").write_text(json.dumps(self.health))
        return subprocess.run(
            command,
            cwd=REPOSITORY,
            env={"PATH": str(self._folder), **environment},
            input=answer,
            capture_output=True,
            text=True,
            timeout=60,
        )

    @property
    def recorded(self) -> list[list[str]]:
        """The recorded commands, in order."""
        return [json.loads(line) for line in self._folder.joinpath("recorded").read_text().splitlines()]
