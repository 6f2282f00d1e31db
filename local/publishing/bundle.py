"""Bundling: esbuild combines each script and style sheet of a page, with all their imports, into one minified file."""

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
"""The folder of the published bundles. Their names contain a hash, so that the content of a name never changes."""

EMBED = "live.js"
"""The script for other sites. It is bundled too, and keeps its name, because their pages contain it."""

_SCRIPT = Path(__file__).with_suffix(".mjs")


@dataclass(frozen=True, slots=True)
class Bundles:
    """The files to publish by name, and the name of the bundle of each source.

    Sources are named as in pages: `scripts/main.js`, or `package/file` for a file of an npm package.
    """

    files: dict[str, bytes]
    names: dict[str, str]

    def rewrite(self, page: str) -> str:
        """Replace the names of sources in a page's HTML by those of their bundles."""

        def published(reference: re.Match[str]) -> str:
            attribute, root, source = reference.groups()
            return f'{attribute}="{root}{self.names.get(source, source)}"'

        return re.sub(r'\b(src|href)="(/?)([^"]+)"', published, page)


def sources(page: str) -> set[str]:
    """The scripts and style sheets in a page's HTML, e.g. `scripts/main.js`."""
    return set(re.findall(r'\b(?:src|href)="/?([^"]+\.(?:js|css))"', page))


def bundle(folder: Path, entries: Collection[str]) -> Bundles:
    """Bundle these scripts and style sheets of a folder, and EMBED if it is there.

    Raises StepFailed with esbuild's error messages.
    """
    embed = EMBED if (folder / EMBED).is_file() else ""
    with tempfile.TemporaryDirectory() as output:
        result = subprocess.run(
            [NODE, _SCRIPT, output, NODE_MODULES, embed, *sorted({*entries} - {EMBED})],
            cwd=folder,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        if result.returncode:
            raise StepFailed(f"The page cannot be bundled, so it stays as it was published:\n{result.stderr.strip()}")
        files, names = {}, {}
        for path, entry in json.loads(result.stdout).items():
            file = folder / path
            name = EMBED if file.name == EMBED else f"{FOLDER}/{file.name}"
            files[name] = file.read_bytes()
            if file.suffix != ".map":
                (source,) = [entry["entryPoint"]] if "entryPoint" in entry else entry["inputs"]
                names[source.rpartition("node_modules/")[2]] = name
        return Bundles(files, names)
