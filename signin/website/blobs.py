"""The blobs of a Blob Storage container, read through its REST API."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import requests
import urllib3

from signin.identity.credential import IdentityError
from signin.network.failures import no_response_reason
from signin.network.sessions import session
from signin.website.media_types import DEFAULT_TYPE, media_type, with_charset
from signin.website.names import links

MB = 1024 * 1024  # bytes
MAX_BUFFERED = 4 * MB  # of a larger blob only the requested ranges are read

_TIMEOUT = (2.0, 5.0)  # seconds to connect, seconds to answer
# Without a version, an anonymous request gets the behaviour of 2009: ETags without quotes, and other differences.
_SERVICE_VERSION = "2021-12-02"
_INVALID_NAME_CODES = ("InvalidUri", "InvalidResourceName", "OutOfRangeInput")  # error codes, with status 400

_NO_ANONYMOUS = "the account refuses anonymous requests, set BlobHost__credential"
_ADVICE = {  # by error code
    "AuthorizationPermissionMismatch": (
        "give the app's identity the role Storage Blob Data Reader on the container content; "
        "a new role can take 30 minutes to take effect"
    ),
    "AuthorizationFailure": "check that the storage account's network rules allow this app",
    "PublicAccessNotPermitted": _NO_ANONYMOUS,
    "NoAuthenticationInformation": _NO_ANONYMOUS,
}
_OTHER_ADVICE = "check BlobHost, and that the app may read the container content"
_UNAVAILABLE_ADVICE = "it is too busy or fails, try again later"
_MISSING = {  # by error code
    "ContainerNotFound": "does not exist, and neither does its container: create it, and publish the content into it",
    "BlobNotFound": "does not exist: publish the content into the container",
}
_OTHER_MISSING = "does not exist, or the container is private: publish the content, or set BlobHost__credential"

_KEPT_HEADERS = ("Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Last-Modified")
_LINKING = re.compile(r"text/(html|css|javascript)\b|application/(javascript|xhtml\+xml)\b")
_COMPRESSIBLE = re.compile(r"text/|font/[ot]tf|[^;]+[/+](javascript|json|xml|wasm)\b")
_MIN_COMPRESSED = 1024  # bytes; a smaller body fits into one packet without compression
_HASHED_NAME = re.compile(r"assets/.+-[0-9A-Z]{8}\.[\w.]+")  # the names that local/publishing/bundle.py gives

Authorize = Callable[[requests.PreparedRequest], requests.PreparedRequest]


class ContentUnavailable(Exception):
    """Blob Storage gave no usable response, or has too many requests of this process already.

    The message has the reason and what to do in the app's own words. A note has the reason in those of the service.
    """


class BlobChanged(Exception):
    """A blob was replaced after the version that was to be read."""


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """A blob: its size in bytes, the headers to send with it, and its content.

    `etag` is a strong one, or "". A blob of more than MAX_BUFFERED bytes has no `body`. `gzipped` is the compressed
    body, or None if compression is not worthwhile. `links` are the names of the blobs that a page, style sheet or
    script links to.
    """

    size: int
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    gzipped: bytes | None = None
    links: tuple[str, ...] = ()


class Container:
    """The container at a url. Thread-safe; requests block for a few seconds at most.

    `authorize` adds credentials to a request, as the `auth` of a `requests.Session` does. Without it, the container
    must allow anonymous reads.
    """

    def __init__(self, url: str, authorize: Authorize | None = None, connections: int = 1) -> None:
        self._url = url
        self._name = url.rpartition("/")[2]
        # One retry, because the service may have closed an idle kept-alive connection.
        self._session = session(connections, urllib3.Retry(total=1, status=0, respect_retry_after_header=False))
        self._session.auth = authorize or _anonymous

    def get(self, name: str, cached: Blob | None = None) -> Blob | None:
        """The blob with this name, `cached` itself if that is still valid, None if it does not exist.

        The name must not lead out of the container. Raises ContentUnavailable.
        """
        conditions = {"If-None-Match": cached.etag} if cached is not None and cached.etag else {}
        response, body = self._request("GET", name, conditions, expected=(200, 304))
        match response.status_code:
            case 304:
                return cached
            case 200:
                return _blob(name, response, body)
            case _:
                return None

    def check(self, name: str) -> None:
        """Raises ContentUnavailable unless a blob with this name can be read."""
        response, _ = self._request("HEAD", name, {}, expected=(200,))
        if response.status_code != 200:
            advice = _MISSING.get(_error_code(response), _OTHER_MISSING)
            raise _with_note(f"the page {self._name}/{name} {advice}", response)

    def read(self, name: str, blob: Blob, part: range) -> bytes:
        """A range of bytes of a blob. Raises BlobChanged if the blob was replaced, and ContentUnavailable."""
        headers = {"If-Match": blob.etag, "Range": f"bytes={part[0]}-{part[-1]}"}
        response, body = self._request("GET", name, headers, expected=(206, 412))
        if response.status_code != 206:
            raise BlobChanged
        return body or b""

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _request(
        self, method: str, name: str, headers: Mapping[str, str], expected: tuple[int, ...]
    ) -> tuple[requests.Response, bytes | None]:
        """Send a request; the response has an expected status or means that the blob does not exist.

        The body is None if it is a whole blob of more than MAX_BUFFERED bytes. Raises ContentUnavailable.
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
                is_large = response.status_code == 200 and (response.raw.length_remaining or 0) > MAX_BUFFERED
                body = None if is_large else response.raw.read(decode_content=False)
        except IdentityError as error:
            raise ContentUnavailable(f"Blob Storage cannot be accessed: {error}") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise ContentUnavailable(
                f"Blob Storage cannot be reached: {no_response_reason(error)}; check BlobHost"
            ) from error
        if response.status_code not in expected and not _is_not_found(response):
            status = response.status_code
            other = _OTHER_ADVICE if status < 500 else _UNAVAILABLE_ADVICE
            advice = _ADVICE.get(_error_code(response), other)
            raise _with_note(f"Blob Storage answered {status}: {advice}", response)
        return response, body


def _error_code(response: requests.Response) -> str:
    """The service's error code, or without one the reason phrase."""
    return str(response.headers.get("x-ms-error-code", response.reason))


def _with_note(message: str, response: requests.Response) -> ContentUnavailable:
    error = ContentUnavailable(message)
    error.add_note(f"{response.status_code} {_error_code(response)}")
    return error


def _is_not_found(response: requests.Response) -> bool:
    """Whether the blob does not exist, or its name is one that no blob can have."""
    if response.status_code == 400:
        return response.headers.get("x-ms-error-code") in _INVALID_NAME_CODES
    return response.status_code == 404


def _blob(name: str, response: requests.Response, body: bytes | None) -> Blob:
    headers = {header: response.headers[header] for header in _KEPT_HEADERS if header in response.headers}
    headers["Content-Type"] = _content_type(name, response.headers.get("Content-Type", DEFAULT_TYPE))
    immutable = "public, max-age=31536000, immutable"
    headers.setdefault("Cache-Control", immutable if _HASHED_NAME.fullmatch(name) else "no-cache")
    etag = response.headers.get("ETag", "")
    return Blob(
        size=int(response.headers["Content-Length"]) if body is None else len(body),
        etag=etag if etag.startswith('"') else "",
        headers=headers,
        body=body,
        gzipped=None if body is None else gzipped(headers, body),
        links=() if body is None else _links(name, headers, body),
    )


def _content_type(name: str, content_type: str) -> str:
    """The blob's own type, or that of its name if it was uploaded without one; with a charset if it is text."""
    # Blob Storage gives DEFAULT_TYPE to a blob that is uploaded without a type.
    return media_type(name) if content_type == DEFAULT_TYPE else with_charset(content_type)


def gzipped(headers: Mapping[str, str], body: bytes) -> bytes | None:
    """The compressed body, if type and size make compression worthwhile and the result is smaller; else None."""
    if len(body) < _MIN_COMPRESSED or "Content-Encoding" in headers or not _COMPRESSIBLE.match(headers["Content-Type"]):
        return None
    compressed = gzip.compress(body, mtime=0)
    return compressed if len(compressed) < len(body) else None


def _links(name: str, headers: Mapping[str, str], body: bytes) -> tuple[str, ...]:
    return links(name, body.decode(errors="replace")) if _LINKING.match(headers["Content-Type"]) else ()


def _anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Send no credentials: without `auth`, requests would take them from a .netrc."""
    return request
