"""A fake Blob Storage with the container `content`; any request that the app must not send fails the test."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.support.web_server import Request, Response, WebServer

MODIFIED = "Mon, 23 Nov 2026 09:15:00 GMT"
NOT_FOUND = Response(404, b"<Error/>", {"x-ms-error-code": "BlobNotFound", "Content-Type": "application/xml"})
CONDITION_NOT_MET = {"x-ms-error-code": "ConditionNotMet", "Content-Type": "application/xml"}


@dataclass(frozen=True)
class StoredBlob:
    """An uploaded blob: content, type and other properties."""

    data: bytes
    content_type: str = "text/html"
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"0x{hashlib.md5(self.data).hexdigest()[:15].upper()}"'  # noqa: S324


class BlobService:
    """`blobs` may be changed at any time; `violations` are the requests that the app must not send."""

    def __init__(self, **blobs: str) -> None:
        self.blobs = {name.replace("_", "."): StoredBlob(text.encode()) for name, text in blobs.items()}
        self.violations: list[str] = []
        self.server: WebServer

    @property
    def requested(self) -> list[str]:
        """The names of the requested blobs, in order."""
        return [unquote(request.target).removeprefix("/content/") for request in self.server.requests]

    def serve(self, request: Request) -> Response:
        if problem := _violation(request):
            self.violations.append(f"{problem}: {request.method} {request.target} {dict(request.headers)}")
            return Response(400, headers={"x-ms-error-code": "InvalidInput"})
        blob = self.blobs.get(unquote(request.target.removeprefix("/content/")))
        if blob is None:
            return NOT_FOUND
        headers = {
            "Content-Type": blob.content_type,
            "ETag": blob.etag,
            "Last-Modified": MODIFIED,
            "x-ms-request-id": "1",
            "Server": "Windows-Azure-Blob/1.0",
            **blob.properties,
        }
        if request.headers.get("if-match", blob.etag) != blob.etag:
            return Response(412, b"<Error/>", CONDITION_NOT_MET)
        if request.headers.get("if-none-match") == blob.etag:
            return Response(304, b"", CONDITION_NOT_MET)
        if found := re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", "")):
            part = blob.data[int(found[1]) : int(found[2]) + 1]
            return Response(206, part, headers | {"Content-Range": f"bytes {found[1]}-{found[2]}/{len(blob.data)}"})
        return Response(200, blob.data, headers)


_HEADERS = {"host", "accept", "accept-encoding", "connection", "user-agent", "x-ms-version"}
_HEADERS |= {"if-match", "if-none-match", "range"}


def _violation(request: Request) -> str | None:
    """The part of a request that is wrong, if any: however it is decoded, it must mean a blob in the container."""
    if request.method not in ("GET", "HEAD"):
        return "method"
    if request.headers.keys() - _HEADERS or request.headers["accept-encoding"] != "identity":
        return "headers"
    if not request.target.isascii() or not request.target.isprintable() or set(request.target) & set("?# \\"):
        return "target"
    path = request.target
    while path != (path := unquote(path).replace("\\", "/")):
        pass
    if not path.startswith("/content/") or posixpath.normpath(path) != path or not path.isprintable():
        return "path"
    if len(path) > len("/content/") + 1024:
        return "length"
    return None


@contextmanager
def blob_service(**blobs: str) -> Iterator[BlobService]:
    """A service on loopback; fails at the end if the app sent a request that it must not send."""
    service = BlobService(**blobs)
    with WebServer(service.serve) as service.server:
        yield service
    assert not service.violations, "\n".join(service.violations)
