from __future__ import annotations

import gzip
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

from signin.website.blobs import MAX_BUFFERED, Blob, BlobChanged, Container, ContentUnavailable
from tests.support.web_server import CLOSE, Response, nothing_listening

from .blob_service import MODIFIED, NOT_FOUND, BlobService, StoredBlob, blob_service

LONG = "all work and no play makes jack a dull boy " * 100
IMMUTABLE = "public, max-age=31536000, immutable"


@pytest.fixture
def service() -> Iterator[BlobService]:
    with blob_service(index_html="<p>Home") as service:
        yield service


@pytest.fixture
def container(service: BlobService) -> Iterator[Container]:
    container = Container(f"{service.server.url}/content")
    yield container
    container.close()


def get(container: Container, name: str = "index.html") -> Blob:
    blob = container.get(name)
    assert blob is not None
    return blob


# A blob


def test_blob_has_content_and_kept_headers(container: Container) -> None:
    blob = get(container)
    assert (blob.size, blob.body) == (7, b"<p>Home")
    assert blob.etag == StoredBlob(b"<p>Home").etag
    assert blob.headers == {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "Last-Modified": MODIFIED,
    }


def test_missing_blob_is_none(container: Container) -> None:
    assert container.get("missing.html") is None


@pytest.mark.parametrize("code", ["InvalidUri", "InvalidResourceName", "OutOfRangeInput"])
def test_invalid_name_counts_as_missing(code: str, service: BlobService, container: Container) -> None:
    service.server.handler = lambda request: Response(400, headers={"x-ms-error-code": code})
    assert container.get("a") is None


@pytest.mark.parametrize("name", ["images/smile 😀.svg", "a+b&c=d;e:f@g~h", "Grüße"])
def test_name_is_percent_encoded_once(name: str, service: BlobService, container: Container) -> None:
    service.blobs[name] = StoredBlob(b"here")
    assert get(container, name).body == b"here"
    assert service.server.requests[0].target == f"/content/{quote(name)}"


@pytest.mark.parametrize("header", ["Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language"])
def test_uploaded_properties_are_kept(header: str, service: BlobService, container: Container) -> None:
    service.blobs["a"] = StoredBlob(b"", properties={header: "value"})
    assert get(container, "a").headers[header] == "value"


@pytest.mark.parametrize(
    ("name", "cache_control"),
    [
        ("index.html", "no-cache"),
        ("scripts/main.js", "no-cache"),
        ("assets/main-4TMD5MXK.js", IMMUTABLE),
        ("assets/main.js", "no-cache"),
        ("report-2026.11.23.pdf", "no-cache"),
    ],
)
def test_only_hashed_names_are_immutable(
    name: str, cache_control: str, service: BlobService, container: Container
) -> None:
    service.blobs[name] = StoredBlob(b"")
    assert get(container, name).headers["Cache-Control"] == cache_control


@pytest.mark.parametrize(
    ("name", "uploaded_as", "content_type"),
    [
        ("a", "text/html", "text/html; charset=utf-8"),
        ("a", "text/html; charset=latin-1", "text/html; charset=latin-1"),
        ("a", "application/javascript", "application/javascript; charset=utf-8"),
        ("a", "image/svg+xml", "image/svg+xml"),
        ("a.css", "application/octet-stream", "text/css; charset=utf-8"),
        ("a.png", "application/octet-stream", "image/png"),
        ("a", "application/octet-stream", "application/octet-stream"),
    ],
)
def test_content_type_has_charset_or_is_guessed(
    name: str, uploaded_as: str, content_type: str, service: BlobService, container: Container
) -> None:
    service.blobs[name] = StoredBlob(b"", uploaded_as)
    assert get(container, name).headers["Content-Type"] == content_type


@pytest.mark.parametrize("etag", ["", "0x8DC", 'W/"0x8DC"'])
def test_weak_or_unquoted_etag_is_ignored(etag: str, service: BlobService, container: Container) -> None:
    service.server.handler = lambda request: Response(200, b"", {"ETag": etag})
    assert get(container).etag == ""


# Compression


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"],
)
def test_long_text_is_also_compressed(content_type: str, service: BlobService, container: Container) -> None:
    service.blobs["a"] = StoredBlob(LONG.encode(), content_type)
    blob = get(container, "a")
    assert blob.body == LONG.encode()
    assert blob.gzipped is not None
    assert gzip.decompress(blob.gzipped) == blob.body
    assert len(blob.gzipped) < len(blob.body) / 5
    assert blob.gzipped[4:8] == bytes(4), "the same content gives the same bytes at any time"


@pytest.mark.parametrize(
    "blob",
    [
        StoredBlob(b"short"),
        StoredBlob(LONG.encode(), "image/png"),
        StoredBlob(LONG.encode(), "font/woff2"),
        StoredBlob(LONG.encode(), properties={"Content-Encoding": "br"}),
        StoredBlob(bytes(byte for number in range(600) for byte in (number * 7919 % 251, number * 104729 % 241))),
    ],
    ids=["short", "png", "woff2", "encoded", "random"],
)
def test_compression_is_skipped_if_not_worthwhile(blob: StoredBlob, service: BlobService, container: Container) -> None:
    service.blobs["a"] = blob
    read = get(container, "a")
    assert read.body == blob.data
    assert read.gzipped is None


def test_blob_uploaded_compressed_is_unchanged(service: BlobService, container: Container) -> None:
    service.blobs["a"] = StoredBlob(gzip.compress(b"text", mtime=0), properties={"Content-Encoding": "gzip"})
    blob = get(container, "a")
    assert blob.body == gzip.compress(b"text", mtime=0)
    assert blob.headers["Content-Encoding"] == "gzip"


# Links


@pytest.mark.parametrize(
    ("content_type", "links"),
    [
        ("text/html", ("main.js",)),
        ("text/html; charset=utf-8", ("main.js",)),
        ("text/css", ("main.js",)),
        ("text/javascript", ("main.js",)),
        ("application/javascript", ("main.js",)),
        ("text/plain", ()),
        ("image/svg+xml", ()),
    ],
)
def test_page_style_sheet_and_script_have_links(
    content_type: str, links: tuple[str, ...], service: BlobService, container: Container
) -> None:
    service.blobs["a"] = StoredBlob(b'\xff<script src="main.js">', content_type)
    assert get(container, "a").links == links


# Revalidation and connections


def test_unchanged_blob_is_not_sent_again(service: BlobService, container: Container) -> None:
    blob = get(container)
    assert container.get("index.html", blob) is blob
    assert service.server.requests[1].headers["if-none-match"] == blob.etag
    service.blobs["index.html"] = StoredBlob(b"<p>New")
    changed = container.get("index.html", blob)
    assert changed is not None
    assert changed.body == b"<p>New"


def test_connections_are_reused(service: BlobService, container: Container) -> None:
    blob = get(container)
    container.get("index.html", blob)
    container.get("missing.html")
    container.check("index.html")
    get(container)
    assert service.server.connections == 1


def test_closed_connection_is_replaced(service: BlobService, container: Container) -> None:
    get(container)
    answers = iter([CLOSE, Response(200, b"again")])
    service.server.handler = lambda request: next(answers)
    assert get(container).body == b"again"


# Large blobs


def test_large_blob_is_read_in_ranges(service: BlobService, container: Container) -> None:
    service.blobs["large"] = StoredBlob(b"x" * MAX_BUFFERED + b"the end")
    blob = get(container, "large")
    assert (blob.size, blob.body, blob.gzipped) == (MAX_BUFFERED + 7, None, None)
    assert container.read("large", blob, range(MAX_BUFFERED, MAX_BUFFERED + 7)) == b"the end"
    assert service.server.requests[1].headers["range"] == f"bytes={MAX_BUFFERED}-{MAX_BUFFERED + 6}"


def test_blob_of_maximum_size_is_buffered(service: BlobService, container: Container) -> None:
    service.blobs["a"] = StoredBlob(b"x" * MAX_BUFFERED, "image/png")
    assert get(container, "a").body == b"x" * MAX_BUFFERED


def test_parts_of_two_versions_are_never_mixed(service: BlobService, container: Container) -> None:
    service.blobs["large"] = StoredBlob(b"x" * (MAX_BUFFERED + 1))
    blob = get(container, "large")
    service.blobs["large"] = StoredBlob(b"y" * (MAX_BUFFERED + 1))
    with pytest.raises(BlobChanged):
        container.read("large", blob, range(10))
    del service.blobs["large"]
    with pytest.raises(BlobChanged):
        container.read("large", blob, range(10))


# Credentials


@pytest.mark.usefixtures("netrc")
def test_netrc_credentials_are_not_sent(service: BlobService, container: Container) -> None:
    get(container)
    assert "authorization" not in service.server.requests[0].headers


def test_private_container_requests_are_authorized(service: BlobService) -> None:
    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "Bearer token"
        return request

    service.server.handler = lambda request: NOT_FOUND
    container = Container(f"{service.server.url}/content", authorize)
    container.get("a")
    with pytest.raises(ContentUnavailable):
        container.check("a")
    container.close()
    assert [request.headers["authorization"] for request in service.server.requests] == ["Bearer token"] * 2


def test_requests_name_the_api_version(service: BlobService, container: Container) -> None:
    """Without a version, Azure responds to anonymous requests as it did in 2009: ETags have no quotes."""
    get(container)
    assert service.server.requests[0].headers["x-ms-version"] == "2021-12-02"


# Failures


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Response(403, headers={"x-ms-error-code": "AuthenticationFailed"}), "answered 403: check BlobHost"),
        (Response(400, headers={"x-ms-error-code": "InvalidHeaderValue"}), "answered 400: check BlobHost"),
        (
            Response(409, headers={"x-ms-error-code": "PublicAccessNotPermitted"}),
            "answered 409: .*BlobHost__credential",
        ),
        (Response(206, b"a part"), "answered 206"),
        (Response(500), "answered 500: it is too busy or fails, try again later"),
        (Response(503, headers={"Retry-After": "3600"}), "answered 503"),
        (Response(301, headers={"Location": "http://127.0.0.1:9/elsewhere"}), "answered 301"),
        (Response(302, headers={"Location": "/content/index.html"}), "answered 302"),
        (CLOSE, "cannot be reached: the connection broke, or the answer is incomplete; check BlobHost"),
        (Response(200, b"short", {"Content-Length": "100"}), "cannot be reached: the connection broke"),
    ],
    ids=["403", "400", "409", "206", "500", "503", "301", "302", "hang up", "cut short"],
)
def test_unusable_response_is_an_error(
    answer: Response | None, reason: str, service: BlobService, container: Container
) -> None:
    if answer is not None and "Content-Length" in answer.headers:
        service.server.close_after_response = True
    service.server.handler = lambda request: answer
    with pytest.raises(ContentUnavailable, match=reason) as raised:
        container.get("the-name")
    assert answer is CLOSE or len(service.server.requests) == 1
    assert "\n" not in str(raised.value)
    assert "the-name" not in str(raised.value)


def test_unreachable_service_is_an_error() -> None:
    with nothing_listening() as url, pytest.raises(ContentUnavailable, match="check BlobHost"):
        Container(url).get("index.html")
