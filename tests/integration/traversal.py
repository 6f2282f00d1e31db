"""Paths that might lead out of the container, in many encodings."""

from __future__ import annotations

import posixpath
from urllib.parse import unquote

from .conftest import Site

UP = [
    "..",
    "%2e%2e",
    ".%2E",
    "%252e%252e",
    "%c0%ae%c0%ae",
    "%e0%80%ae%e0%80%ae",
    "%ef%bc%8e%ef%bc%8e",
    "%u002e%u002e",
    "..;",
    "...",
    "..%00",
    "..%09",
    "..%20",
    "%3f..",
    "%23..",
]
SLASHES = ["/", "%2f", "%252f", "%5c", "\\", "%c0%af", "%ef%bc%8f", "//", "/./"]


def assert_stays_inside(site: Site, earlier: int) -> None:
    """Only blobs of the container were requested from Blob Storage, however their names are decoded."""
    container = f"/{site.account.name}/content/"
    for request in site.blob.requests[earlier:]:
        assert request.method in ("GET", "HEAD")
        path = request.target
        while path != (path := unquote(path).replace("\\", "/")):
            pass
        assert posixpath.normpath(path).startswith(container), request.target
        assert "?" not in request.target, request.target
