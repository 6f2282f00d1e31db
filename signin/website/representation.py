"""The response that a blob gives to a request: content encoding, preconditions and ranges (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from signin.website.blobs import MAX_BUFFERED, MB, Blob

DEFAULT_MAX_FILE_MB = 100  # the Functions host takes request bodies of the same size

_CODING = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*)?", re.ASCII)
_ENTITY_TAG = re.compile(r'(W/)?("[^"]*")')
_RANGE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """A response with static content. `unread` are the bytes of the blob that are still to be read into `body`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    unread: range | None = None


def represent(blob: Blob, method: str, headers: Mapping[str, str], max_file: int = DEFAULT_MAX_FILE_MB * MB) -> Page:
    """The response to a GET or HEAD request: 200, 206, 304, 403, 412 or 416.

    `headers` are the request's, by lower-case name. A range selects bytes of the uncompressed blob. Several ranges in
    one request are ignored, as is any header that cannot be parsed: the response is then the whole blob.

    A blob of more than `max_file` bytes is served in parts only: 403 without a range, and of a range the first
    MAX_BUFFERED bytes. RFC 9110, section 15.3.7, allows a part of the range: media players request the rest.
    """
    range_header = headers.get("range") if method == "GET" else None
    is_gzipped = blob.gzipped is not None and range_header is None and accepts_gzip(headers.get("accept-encoding", ""))
    body = blob.gzipped if is_gzipped else blob.body
    size = blob.size if body is None else len(body)
    etag = f'{blob.etag[:-1]}-gzip"' if is_gzipped and blob.etag else blob.etag
    modified = blob.headers.get("Last-Modified", "")

    status = _precondition(headers, etag, modified)
    if status == 412:
        return Page(412)
    sent_headers = {**blob.headers, "Accept-Ranges": "bytes"}
    if etag:
        sent_headers["ETag"] = etag
    if is_gzipped:
        sent_headers["Content-Encoding"] = "gzip"
    if blob.gzipped is not None:
        sent_headers["Vary"] = "Accept-Encoding"
    if status == 304:
        return Page(304, sent_headers)
    if method == "HEAD" and size <= max_file:
        return Page(200, sent_headers | {"Content-Length": str(size)})

    part = None
    if range_header is not None and headers.get("if-range", etag or modified) in (etag, modified):
        part = _byte_range(range_header, size)
    if part is None and size > max_file:
        return _too_large(max_file)
    if part is None:
        return Page(200, sent_headers, unread=range(size)) if body is None else Page(200, sent_headers, body)
    if not part:
        return Page(416, {"Content-Range": f"bytes */{size}"})
    if size > max_file:
        part = part[:MAX_BUFFERED]
    sent_headers["Content-Range"] = f"bytes {part[0]}-{part[-1]}/{size}"
    if body is None:
        return Page(206, sent_headers, unread=part)
    return Page(206, sent_headers, body[part.start : part.stop])


@lru_cache(64)
def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip and does not prefer no encoding to it."""
    qualities: dict[str, float] = {}
    for coding in accept_encoding.lower().split(","):
        if found := _CODING.fullmatch(coding):
            qualities[found[1]] = float(found[2] or 1)
    anything = qualities.get("*", 0.0)
    gzip = qualities.get("gzip", qualities.get("x-gzip", anything))
    return gzip > 0 and gzip >= qualities.get("identity", 0.0)


def _too_large(max_file: int) -> Page:
    text = f"This file has more than {max_file // MB} MB: it is served in parts only, by Range requests.\n"
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache", "Accept-Ranges": "bytes"}
    return Page(403, headers, text.encode())


def _precondition(headers: Mapping[str, str], etag: str, modified: str) -> int | None:
    """412 or 304 if a precondition fails, in the order of precedence of RFC 9110, section 13.2.2; else None."""
    if (match := headers.get("if-match")) is not None:
        if not _any_match(match, etag, weak=False):
            return 412
    elif _is_later(modified, headers.get("if-unmodified-since")) is True:
        return 412
    if (none_match := headers.get("if-none-match")) is not None:
        return 304 if _any_match(none_match, etag, weak=True) else None
    return 304 if _is_later(modified, headers.get("if-modified-since")) is False else None


def _any_match(tags: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags contains this one, by weak or strong comparison; `*` matches any."""
    return tags.strip() == "*" or any(tag == etag and (weak or not prefix) for prefix, tag in _ENTITY_TAG.findall(tags))


def _is_later(modified: str, date: str | None) -> bool | None:
    """Whether the first HTTP date is later than the second; None if either is missing or cannot be parsed."""
    if date is None:
        return None
    try:
        times = [parsedate_to_datetime(text) for text in (modified, date)]
    except (ValueError, OverflowError):
        return None
    time, other = (time.replace(tzinfo=time.tzinfo or UTC) for time in times)
    return time > other


def _byte_range(header: str, size: int) -> range | None:
    """The bytes that a Range header selects; empty if they are beyond the end, None if the header is to be ignored."""
    found = _RANGE.fullmatch(header)
    if found is None or not (found[1] or found[2]):
        return None
    first, last = found[1], found[2]
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1 if last else size, size))
