"""The static content: blobs of one container, served through the app."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

CONTAINER = "content"

_INDEX = "index.html"
_NOT_FOUND_PAGE = "404.html"
_MAX_NAME = 1024  # characters, the service's own limit
_TIMEOUT = (2.0, 5.0)  # seconds to connect, seconds to answer
_CONNECTIONS = 32  # as many as the worker has threads for synchronous work
_CONDITIONS = ("If-None-Match", "If-Modified-Since")
_PASSED_ON = ("Content-Type", "ETag", "Last-Modified", "Cache-Control")
# Without a version, an anonymous request gets the behaviour of 2009: etags without quotes, and a few more surprises.
_SERVICE_VERSION = "2021-12-02"


class ContentUnavailable(Exception):
    """Blob Storage did not give a clear answer; the message says why and what to check."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a request for static content."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class Content:
    """The container behind a Blob Storage url. Thread-safe."""

    def __init__(self, blob_url: str) -> None:
        self._container_url = f"{blob_url}/{CONTAINER}"
        self._session = requests.Session()
        self._session.auth = _anonymous
        # A kept-alive connection may have been closed meanwhile.
        retry = Retry(total=1, status=0, respect_retry_after_header=False)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=_CONNECTIONS, max_retries=retry))

    def get(self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None) -> Page:
        """The blob at `path` ("" is the index), for GET or HEAD, honouring If-None-Match and If-Modified-Since.

        200 or 304 with the blob's own type, etag and cache headers; 404 with the container's 404 page. Raises
        ContentUnavailable.
        """
        name = path or _INDEX
        if not is_blob_name(name):
            return self._not_found(method)
        wanted = {
            key: value for key, value in (headers or {}).items() if key.title() in _CONDITIONS and value.isascii()
        }
        response = self._fetch(name, method, wanted)
        if response.status_code == requests.codes.bad_request and wanted:  # a condition that storage does not know
            response = self._fetch(name, method)
        if response.status_code == requests.codes.not_found:
            return self._not_found(method)
        if response.status_code == requests.codes.not_modified:
            return Page(304, _headers_of(response) | {"Content-Type": _type_of(name)})
        return Page(response.status_code, _headers_of(response), response.content)

    def check(self) -> None:
        """Ask whether the homepage is there. Raises ContentUnavailable."""
        if self._fetch(_INDEX, "HEAD").status_code != requests.codes.ok:
            raise ContentUnavailable(f"{CONTAINER}/{_INDEX} is not there, or may not be read without a key")

    def _not_found(self, method: str) -> Page:
        response = self._fetch(_NOT_FOUND_PAGE, method)
        if response.status_code != requests.codes.ok:
            return Page(404, {"Content-Type": "text/plain; charset=utf-8"}, b"Not found.\n")
        return Page(404, _headers_of(response) | {"Cache-Control": "no-cache"}, response.content)

    def _fetch(self, name: str, method: str, headers: Mapping[str, str] | None = None) -> requests.Response:
        """One request to the container: an answer of 200, 304 or 404, or of 400 to a conditional request.

        Raises ContentUnavailable.
        """
        try:
            response = self._session.request(
                method,
                f"{self._container_url}/{quote(name)}",
                headers={"Accept-Encoding": "identity", "x-ms-version": _SERVICE_VERSION, **(headers or {})},
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise ContentUnavailable(
                f"Blob Storage cannot be reached ({type(error).__name__}): check BlobHost"
            ) from error
        if response.status_code not in (200, 304, 404, *([400] if headers else [])):
            reason = response.headers.get("x-ms-error-code", response.reason)
            raise ContentUnavailable(
                f"Blob Storage answered {response.status_code} {reason}: check that container {CONTAINER} may be read"
            )
        return response


def is_blob_name(name: str) -> bool:
    """Whether the name can only mean a blob inside the container, whatever decodes or normalises it on the way.

    Names are percent-decoded once when they arrive here. One that still holds a "%" could mean something else to the
    next decoder, a dot segment or a backslash could lead out of the container.
    """
    return (
        len(name) <= _MAX_NAME
        and name.isprintable()
        and not any(character in name for character in "%\\?#")
        and all(segment.strip(".") for segment in name.split("/"))
    )


def _headers_of(response: requests.Response) -> dict[str, str]:
    headers = {name: response.headers[name] for name in _PASSED_ON if name in response.headers}
    if response.status_code != requests.codes.not_modified:
        headers.setdefault("Cache-Control", "no-cache")
    headers["X-Content-Type-Options"] = "nosniff"
    if response.request.method == "HEAD" and "Content-Length" in response.headers:
        headers["Content-Length"] = response.headers["Content-Length"]
    return headers


def _type_of(name: str) -> str:
    """The type of a blob that was not sent. Without one the worker would say text/plain, and caches believe a 304."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials, whatever a .netrc says."""
    return request
