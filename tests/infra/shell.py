"""A shell in which programs only write down what they are asked, and answer what the test says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from local.node import REPOSITORY

URL = "https://signin-abc.azurewebsites.net"
BLOB_URL = "https://stdataabc.blob.core.windows.net"

# What Azure answers where all is well: by how a command begins, what it prints and its exit code.
ANSWERS = {
    "az account show --query name": ("My subscription", 0),
    "az account show --query user.type": ("user", 0),
    "az account show --query user.name": ("client", 0),
    "az ad signed-in-user show": ("person", 0),
    "az ad sp show --id client": ("pipeline", 0),
    "az deployment sub create": (f"rg-demo\nsignin-abc\n{URL}\n{BLOB_URL}", 0),
    "az group show --name rg-demo": ("demo", 0),
    "az resource list": ("everything that there is", 0),
}

_STAND_IN = f"""#!{sys.executable}
import json, sys
from pathlib import Path
folder = Path(__file__).parent
command = [Path(__file__).name, *sys.argv[1:]]
with folder.joinpath("asked").open("a") as asked:
    asked.write(json.dumps(command) + "\\n")
for words, (answer, exit_code) in json.loads(folder.joinpath("answers").read_text()).items():
    if " ".join(command).startswith(words):
        print(answer)
        sys.exit(exit_code)
"""


class Shell:
    """A folder with stand-ins for programs, and nothing else to be found by a script."""

    def __init__(self, folder: Path, *programs: str) -> None:
        self._folder = folder
        self.answers = dict(ANSWERS)
        folder.joinpath("asked").touch()
        for name in programs:
            folder.joinpath(name).write_text(_STAND_IN)
            folder.joinpath(name).chmod(0o755)
        for name in ("basename", "bash", "dirname", "env", "tr"):
            program = shutil.which(name)
            assert program, name
            folder.joinpath(name).symlink_to(program)

    def remove(self, program: str) -> None:
        """Make it a machine on which this was never installed."""
        self._folder.joinpath(program).unlink()

    def run(self, *command: str, answer: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the repository, with what is typed when it asks."""
        self._folder.joinpath("answers").write_text(json.dumps(self.answers))
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
    def asked(self) -> list[list[str]]:
        """Every command that a script has run, in order."""
        return [json.loads(line) for line in self._folder.joinpath("asked").read_text().splitlines()]
