"""How a blob answers a request: in which encoding, under which conditions, and which part of it (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from signin.website.blobs import Blob

_CODING = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?", re.ASCII)
_ENTITY_TAG = re.compile(r'(W/)?("[^"]*")')
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a request for static content. `unread` are the bytes of a blob that its body still lacks."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    unread: range | None = None


def represent(blob: Blob, method: str, headers: Mapping[str, str]) -> Page:
    """The answer to a GET or HEAD: 200, 206, 304, 412 or 416. `headers` are the request's, by name in lower case.

    Ranges are those of the blob as it is, not compressed. Several of them in one request are passed over, and so is
    whatever cannot be understood: the answer is the whole then.
    """
    range_wanted = headers.get("range") if method == "GET" else None
    is_gzipped = blob.gzipped is not None and range_wanted is None and accepts_gzip(headers.get("accept-encoding", ""))
    body = blob.gzipped if is_gzipped else blob.body
    size = blob.size if body is None else len(body)
    etag = f'{blob.etag[:-1]}-gzip"' if is_gzipped and blob.etag else blob.etag
    modified = blob.headers.get("Last-Modified", "")

    status = _precondition(headers, etag, modified)
    if status == 412:
        return Page(412)
    described = {**blob.headers, "Accept-Ranges": "bytes"}
    if etag:
        described["ETag"] = etag
    if is_gzipped:
        described["Content-Encoding"] = "gzip"
    if blob.gzipped is not None:
        described["Vary"] = "Accept-Encoding"
    if status == 304:
        return Page(304, described)
    if method == "HEAD":
        return Page(200, described | {"Content-Length": str(size)})

    part = None
    if range_wanted is not None and headers.get("if-range", etag or modified) in (etag, modified):
        part = _part(range_wanted, size)
    if part is None:
        return Page(200, described, unread=range(size)) if body is None else Page(200, described, body)
    if not part:
        return Page(416, {"Content-Range": f"bytes */{size}"})
    described["Content-Range"] = f"bytes {part[0]}-{part[-1]}/{size}"
    return Page(206, described, unread=part) if body is None else Page(206, described, body[part.start : part.stop])


@lru_cache(64)
def accepts_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header prefers gzip to nothing at all, or is indifferent."""
    qualities: dict[str, float] = {}
    for coding in accepted.lower().split(","):
        if found := _CODING.fullmatch(coding):
            qualities[found[1]] = float(found[2] or 1)
    anything = qualities.get("*", 0.0)
    gzip = qualities.get("gzip", qualities.get("x-gzip", anything))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _precondition(headers: Mapping[str, str], etag: str, modified: str) -> int | None:
    """412 or 304 where the request is not to be done, by the first condition that counts."""
    if (match := headers.get("if-match")) is not None:
        if not _lists(match, etag, weakly=False):
            return 412
    elif _is_after(modified, headers.get("if-unmodified-since")) is True:
        return 412
    if (none_match := headers.get("if-none-match")) is not None:
        return 304 if _lists(none_match, etag, weakly=True) else None
    return 304 if _is_after(modified, headers.get("if-modified-since")) is False else None


def _lists(tags: str, etag: str, *, weakly: bool) -> bool:
    """Whether a list of entity tags has this one in it; `*` is any."""
    return tags.strip() == "*" or any(tag == etag and (weakly or not weak) for weak, tag in _ENTITY_TAG.findall(tags))


def _is_after(modified: str, date: str | None) -> bool | None:
    """Whether one HTTP date is later than the other, None where one of them is none."""
    if date is None:
        return None
    try:
        times = [parsedate_to_datetime(text) for text in (modified, date)]
    except (ValueError, OverflowError):
        return None
    time, other = (time.replace(tzinfo=time.tzinfo or UTC) for time in times)
    return time > other


def _part(wanted: str, size: int) -> range | None:
    """The bytes that a Range header asks for: none of them where there are none such, None if it is not understood."""
    found = _RANGE.fullmatch(wanted)
    if found is None or not (found[1] or found[2]):
        return None
    first, last = found[1], found[2]
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1 if last else size, size))
