from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from signin.website.media_types import DEFAULT_TYPE, media_type

TYPES = {
    "index.html": "text/html; charset=utf-8",
    "main.css": "text/css; charset=utf-8",
    "main.js": "text/javascript; charset=utf-8",
    "main.mjs": "text/javascript; charset=utf-8",
    "guide.md": "text/markdown; charset=utf-8",
    "visits.csv": "text/csv; charset=utf-8",
    "robots.txt": "text/plain; charset=utf-8",
    "main.js.map": "application/json",
    "site.webmanifest": "application/manifest+json",
    "feed.xml": "application/xml",
    "program.wasm": "application/wasm",
    "talk.pdf": "application/pdf",
    "talk.tar.gz": "application/gzip",
    "a/b.c/photo.webp": "image/webp",
    "photo.avif": "image/avif",
    "favicon.ico": "image/vnd.microsoft.icon",
    "favicon.svg": "image/svg+xml",
    "sans.ttf": "font/ttf",
    "sans.woff": "font/woff",
    "sans.woff2": "font/woff2",
    "film.mp4": "video/mp4",
    "model.glb": "model/gltf-binary",
    "PHOTO.PNG": "image/png",
    "INDEX.Html": "text/html; charset=utf-8",
    "data.unheard-of": DEFAULT_TYPE,
    "LICENSE": DEFAULT_TYPE,
    ".png": DEFAULT_TYPE,
}


@pytest.fixture(params=["none", "odd"])
def system_table(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """A machine without a table of types, or with one that differs from all others."""
    table = tmp_path / "mime.types"
    table.write_text("" if request.param == "none" else "text/odd css html js md png svg txt unheard-of webp woff2\n")
    mimetypes.init([str(table)])
    yield
    mimetypes.init()


@pytest.mark.usefixtures("system_table")
@pytest.mark.parametrize("name", TYPES)
def test_type_is_the_same_on_every_machine(name: str) -> None:
    assert media_type(name) == TYPES[name]
