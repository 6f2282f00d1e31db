"""Bundling: esbuild makes one minified file of each script and style sheet that a page names, with all they import."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from local.node import NODE, NODE_MODULES
from local.progress import StepFailed

FOLDER = "assets"
"""Where all bundles are published. The names in it hold a hash of the content: what they stand for never changes."""

_SCRIPT = Path(__file__).with_suffix(".mjs")


@dataclass(frozen=True, slots=True)
class Bundles:
    """Files to publish by name, and the names of those that stand for a source.

    A source is named as pages do: `scripts/main.js`, or `package/file` for what comes from an npm package.
    """

    files: dict[str, bytes]
    names: dict[str, str]

    def rewrite(self, page: str) -> str:
        """A page's HTML with the names of the bundles in place of those of their sources."""

        def published(reference: re.Match[str]) -> str:
            attribute, root, source = reference.groups()
            return f'{attribute}="{root}{self.names.get(source, source)}"'

        return re.sub(r'\b(src|href)="(/?)([^"]+)"', published, page)


def sources(page: str) -> set[str]:
    """The scripts and style sheets that a page's HTML names, e.g. `scripts/main.js`."""
    return set(re.findall(r'\b(?:src|href)="/?([^"]+\.(?:js|css))"', page))


def bundle(folder: Path, entries: Collection[str]) -> Bundles:
    """Bundle these scripts and style sheets of a folder. Raises StepFailed with what esbuild says is wrong in them."""
    if not entries:
        return Bundles({}, {})
    with tempfile.TemporaryDirectory() as output:
        result = subprocess.run(
            [NODE, _SCRIPT, output, NODE_MODULES, *sorted(entries)],
            cwd=folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        if result.returncode:
            raise StepFailed(f"The page cannot be bundled, so it stays as it was published:\n{result.stderr.strip()}")
        files, names = {}, {}
        for path, made in json.loads(result.stdout)["outputs"].items():
            file = folder / path
            name = f"{FOLDER}/{file.name}"
            files[name] = file.read_bytes()
            if file.suffix != ".map":
                (source,) = [made["entryPoint"]] if "entryPoint" in made else made["inputs"]
                names[source.rpartition("node_modules/")[2]] = name
        return Bundles(files, names)
