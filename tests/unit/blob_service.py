"""A container `content` as Blob Storage serves it, as far as the app asks; anything else that is asked is a failure."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

from .loopback import Answer, Asked, WebServer, web_server

MODIFIED = "Mon, 23 Nov 2026 09:15:00 GMT"
NOT_THERE = Answer(404, b"<Error/>", {"x-ms-error-code": "BlobNotFound", "Content-Type": "application/xml"})
NOT_MET = {"x-ms-error-code": "ConditionNotMet", "Content-Type": "application/xml"}


@dataclass(frozen=True)
class StoredBlob:
    """What was uploaded: content, type and other properties."""

    data: bytes
    content_type: str = "text/html"
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"0x{hashlib.md5(self.data).hexdigest()[:15].upper()}"'  # noqa: S324


class BlobService:
    """`blobs` may be changed at any time; `strange` is what was asked that must never be."""

    def __init__(self, **blobs: str) -> None:
        self.blobs = {name.replace("_", "."): StoredBlob(text.encode()) for name, text in blobs.items()}
        self.strange: list[str] = []
        self.server: WebServer

    @property
    def names(self) -> list[str]:
        """The blobs that were asked for, in that order."""
        return [unquote(asked.target).removeprefix("/content/") for asked in self.server.asked]

    def serve(self, asked: Asked) -> Answer:
        if problem := _strangeness(asked):
            self.strange.append(f"{problem}: {asked.method} {asked.target} {dict(asked.headers)}")
            return Answer(400, headers={"x-ms-error-code": "InvalidInput"})
        blob = self.blobs.get(unquote(asked.target.removeprefix("/content/")))
        if blob is None:
            return NOT_THERE
        headers = {
            "Content-Type": blob.content_type,
            "ETag": blob.etag,
            "Last-Modified": MODIFIED,
            "x-ms-request-id": "1",
            "Server": "Windows-Azure-Blob/1.0",
            **blob.properties,
        }
        if asked.headers.get("if-match", blob.etag) != blob.etag:
            return Answer(412, b"<Error/>", NOT_MET)
        if asked.headers.get("if-none-match") == blob.etag:
            return Answer(304, b"", NOT_MET)
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", "")):
            part = blob.data[int(found[1]) : int(found[2]) + 1]
            return Answer(206, part, headers | {"Content-Range": f"bytes {found[1]}-{found[2]}/{len(blob.data)}"})
        return Answer(200, blob.data, headers)


_HEADERS = {"host", "accept", "accept-encoding", "connection", "user-agent", "x-ms-version"}
_HEADERS |= {"if-match", "if-none-match", "range"}


def _strangeness(asked: Asked) -> str | None:
    """What is wrong with a request, if anything: it must mean a blob in the container however it is read."""
    if asked.method not in ("GET", "HEAD"):
        return "method"
    if asked.headers.keys() - _HEADERS or asked.headers["accept-encoding"] != "identity":
        return "headers"
    if not asked.target.isascii() or not asked.target.isprintable() or set(asked.target) & set("?# \\"):
        return "target"
    path = asked.target
    while path != (path := unquote(path).replace("\\", "/")):
        pass
    if not path.startswith("/content/") or posixpath.normpath(path) != path or not path.isprintable():
        return "path"
    if len(path) > len("/content/") + 1024:
        return "length"
    return None


@contextmanager
def blob_service(**blobs: str) -> Iterator[BlobService]:
    """A service on loopback; at the end nothing strange may have been asked of it."""
    service = BlobService(**blobs)
    with web_server(service.serve) as service.server:
        yield service
    assert not service.strange, "\n".join(service.strange)
