"""pip and npm: with the user's settings for the network, without those that change what is installed, or where.

Standard library only: dev.py runs without packages.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

# Variables of Python that make a virtual environment another one than dev.py has created.
_OF_PYTHON = ("PYTHONHOME", "PYTHONPATH", "PYTHONSAFEPATH")

# pip's options that are kept. Others would be for example `user`, `target`, `prefix`, `no-deps` and `require-hashes`.
_OF_NETWORK = {
    *("cache-dir", "no-cache-dir", "cert", "client-cert", "proxy", "trusted-host", "keyring-provider", "no-input"),
    *("index-url", "extra-index-url", "find-links", "no-index", "uploaded-prior-to"),
    *("timeout", "default-timeout", "retries", "resume-retries", "use-deprecated", "use-feature"),
}

# The command line overrides the environment and all files of npm's configuration.
NPM_OPTIONS = (
    *("--no-global", "--location=project", "--no-workspaces", "--install-strategy=hoisted", "--include=optional"),
    *("--package-lock", "--no-package-lock-only", "--no-dry-run", "--ignore-scripts", "--no-force"),
    *("--no-legacy-peer-deps", "--no-strict-peer-deps", "--no-engine-strict"),
    *("--no-audit", "--no-fund", "--no-color", "--loglevel=warn"),
)


def isolate_python(home: Path) -> None:
    """Remove the variables from the environment that add packages to a virtual environment, or replace its Python.

    A user without a home, such as an unnamed one in a container, gets this one: npm fails otherwise.
    """
    for name in _OF_PYTHON:
        os.environ.pop(name, None)
    if not os.path.isabs(os.path.expanduser("~")):  # noqa: PTH111, PTH117 (Path.expanduser raises an error)
        os.environ["HOME"] = str(home)


def pip_environment(pip: Sequence[str]) -> Mapping[str, str]:
    """The environment for the command `pip`: of pip's settings only those for the network.

    They come from variables and from several files, whose places differ from system to system, so pip lists them.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    of_network = {f"PIP_{name.upper().replace('-', '_')}" for name in _OF_NETWORK}
    listing = subprocess.run(
        [*pip, "config", "list"],
        env={name: os.environ[name] for name in os.environ if name in {*kept, *of_network, "PIP_CONFIG_FILE"}},
        capture_output=True,
        text=True,
        errors="replace",
    )
    if listing.returncode:  # such as a malformed file; `pip install` fails in the same way and reports it
        return os.environ
    # In the order of precedence: `global.…`, `install.…`, and `:env:.…` last.
    for line in sorted(listing.stdout.splitlines(), key=lambda line: (line.startswith(":env:"), line)):
        if setting := re.fullmatch(r"(?:global|install|:env:)\.([\w-]+)=('.*'|\".*\")", line):
            name, value = setting.groups()
            if name in _OF_NETWORK:
                kept[f"PIP_{name.upper().replace('-', '_')}"] = ast.literal_eval(value)
    return kept | {"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@contextmanager
def npm_options(node: Path, npm: Path) -> Iterator[tuple[str, ...]]:
    """Options for npm, with a cache for as long as the context is open if npm's own cannot be written."""
    asked = subprocess.run([node, npm, "config", "get", "cache"], capture_output=True, text=True, errors="replace")
    with ExitStack() as stack:
        cache: tuple[str, ...] = ()
        if not _is_writable(Path(asked.stdout.strip() or "/dev/null")):
            cache = (f"--cache={stack.enter_context(tempfile.TemporaryDirectory(prefix='npm-'))}",)
        yield (*NPM_OPTIONS, *cache)


def _is_writable(cache: Path) -> bool:
    content = cache / "_cacache"  # which belongs to root after some `sudo npm`
    try:
        content.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=content):
            return True
    except OSError:
        return False
