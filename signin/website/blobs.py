"""The blobs of one container of Blob Storage, read over plain HTTP."""

from __future__ import annotations

import gzip
import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import requests
import urllib3
from requests.adapters import HTTPAdapter

from signin.identity.credential import IdentityError

MAX_HELD = 4 * 1024 * 1024  # bytes: of a larger blob, only the parts that are asked for are read

_TIMEOUT = (2.0, 5.0)  # seconds to connect, seconds to answer
# Without a version, an anonymous request gets the behaviour of 2009: etags without quotes, and a few more surprises.
_SERVICE_VERSION = "2021-12-02"
_IMPOSSIBLE_NAME = ("InvalidUri", "InvalidResourceName", "OutOfRangeInput")  # what a 400 may say of it

_ADVICE = {
    "AuthorizationPermissionMismatch": "give the app's identity the role Storage Blob Data Reader on the container",
    "PublicAccessNotPermitted": "the account takes no anonymous requests, set BlobHost__credential",
}

_DESCRIBING = ("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Last-Modified")
_UNTYPED = "application/octet-stream"  # what Blob Storage makes of a blob that came without a type
_WITH_CHARSET = re.compile(r"text/[^;]+|[^;]+/javascript")
_COMPRESSIBLE = re.compile(r"text/|font/[ot]tf|[^;]+[/+](javascript|json|xml|wasm)\b")
_MIN_COMPRESSED = 1024  # bytes: less than that is one packet anyhow
_HASHED = re.compile(r"assets/.+-[0-9A-Z]{8}\.[\w.]+")  # the names that local/publishing/bundle.py gives

Authorize = Callable[[requests.PreparedRequest], requests.PreparedRequest]


class ContentUnavailable(Exception):
    """Blob Storage did not give a clear answer; the message says why and what to check."""


class BlobChanged(Exception):
    """A blob is no longer the one that was to be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """A blob: its size in bytes, what its headers say of it, and what it holds.

    `etag` is a strong one, or "". A blob of more than MAX_HELD bytes has no `body`. One that is worth compressing is
    also there `gzipped`.
    """

    size: int
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    gzipped: bytes | None = None


class Container:
    """The container at a url. Thread-safe; what asks the service blocks, for a few seconds at most.

    `authorize` may put credentials into a request, as the `auth` of a `requests.Session` does. Without it, the
    container has to be one that anybody may read.
    """

    def __init__(self, url: str, authorize: Authorize | None = None, connections: int = 1) -> None:
        self._url = url
        self._session = requests.Session()
        self._session.auth = authorize or _anonymous
        # A kept-alive connection may have been closed meanwhile.
        retry = urllib3.Retry(total=1, status=0, respect_retry_after_header=False)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=connections, max_retries=retry))

    def get(self, name: str, known: Blob | None = None) -> Blob | None:
        """The blob of this name, None if there is none, `known` itself if it still is that. Raises ContentUnavailable.

        The name must not be one that leads out of the container.
        """
        conditions = {"If-None-Match": known.etag} if known is not None and known.etag else {}
        response, body = self._ask("GET", name, conditions, also=(200, 304))
        match response.status_code:
            case 304:
                return known
            case 200:
                return _blob(name, response, body)
            case _:
                return None

    def exists(self, name: str) -> bool:
        """Whether there is a blob of this name. Raises ContentUnavailable."""
        response, _ = self._ask("HEAD", name, {}, also=(200,))
        return response.status_code == 200

    def read(self, name: str, blob: Blob, part: range) -> bytes:
        """Some bytes of a blob. Raises BlobChanged where it is another one by now, and ContentUnavailable."""
        headers = {"If-Match": blob.etag, "Range": f"bytes={part[0]}-{part[-1]}"}
        response, body = self._ask("GET", name, headers, also=(206, 412))
        if response.status_code != 206:
            raise BlobChanged
        return body or b""

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _ask(
        self, method: str, name: str, headers: Mapping[str, str], also: tuple[int, ...]
    ) -> tuple[requests.Response, bytes | None]:
        """One request: an answer of one of the given statuses, or that there is no such blob.

        With its body, unless that is a whole blob of more than MAX_HELD bytes. Raises ContentUnavailable.
        """
        try:
            with self._session.request(
                method,
                f"{self._url}/{quote(name)}",
                headers={"Accept-Encoding": "identity", "x-ms-version": _SERVICE_VERSION, **headers},
                timeout=_TIMEOUT,
                allow_redirects=False,
                stream=True,
            ) as response:
                is_large = response.status_code == 200 and (response.raw.length_remaining or 0) > MAX_HELD
                body = None if is_large else response.raw.read(decode_content=False)
        except IdentityError as error:
            raise ContentUnavailable(f"Blob Storage cannot be asked: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise ContentUnavailable(
                f"Blob Storage cannot be reached ({type(error).__name__}): check BlobHost"
            ) from error
        if response.status_code not in also and not _is_missing(response):
            reason = response.headers.get("x-ms-error-code", response.reason)
            advice = _ADVICE.get(reason, "check that the container may be read")
            raise ContentUnavailable(f"Blob Storage answered {response.status_code} {reason}: {advice}")
        return response, body


def _is_missing(response: requests.Response) -> bool:
    """Whether an answer says that there is no such blob, or cannot be one."""
    if response.status_code == 400:
        return response.headers.get("x-ms-error-code") in _IMPOSSIBLE_NAME
    return response.status_code == 404


def _blob(name: str, response: requests.Response, body: bytes | None) -> Blob:
    headers = {header: response.headers[header] for header in _DESCRIBING if header in response.headers}
    headers["Content-Type"] = _content_type(name, response.headers.get("Content-Type", _UNTYPED))
    immutable = "public, max-age=31536000, immutable"
    headers.setdefault("Cache-Control", immutable if _HASHED.fullmatch(name) else "no-cache")
    etag = response.headers.get("ETag", "")
    return Blob(
        size=int(response.headers["Content-Length"]) if body is None else len(body),
        etag=etag if etag.startswith('"') else "",
        headers=headers,
        body=body,
        gzipped=None if body is None else _gzipped(headers, body),
    )


def _content_type(name: str, content_type: str) -> str:
    """The blob's own type, or what its name says where it was uploaded without one; with a charset if it is text."""
    if content_type == _UNTYPED:
        content_type = mimetypes.guess_type(name)[0] or _UNTYPED
    return f"{content_type}; charset=utf-8" if _WITH_CHARSET.fullmatch(content_type) else content_type


def _gzipped(headers: Mapping[str, str], body: bytes) -> bytes | None:
    """The body compressed, where its type and size say that this is worth it, and it is."""
    if len(body) < _MIN_COMPRESSED or "Content-Encoding" in headers or not _COMPRESSIBLE.match(headers["Content-Type"]):
        return None
    compressed = gzip.compress(body, mtime=0)
    return compressed if len(compressed) < len(body) else None


def _anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials, whatever a .netrc says."""
    return request
