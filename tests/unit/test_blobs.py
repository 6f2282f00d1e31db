from __future__ import annotations

import gzip
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import requests

from signin.website.blobs import MAX_HELD, Blob, BlobChanged, Container, ContentUnavailable

from .blob_service import MODIFIED, NOT_THERE, BlobService, StoredBlob, blob_service
from .loopback import HANG_UP, Answer, nothing_listening

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


def test_a_blob_is_its_content_and_what_its_headers_say(container: Container) -> None:
    blob = get(container)
    assert (blob.size, blob.body) == (7, b"<p>Home")
    assert blob.etag == StoredBlob(b"<p>Home").etag
    assert blob.headers == {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "Last-Modified": MODIFIED,
    }


def test_a_blob_that_is_not_there_is_none(container: Container) -> None:
    assert container.get("missing.html") is None


@pytest.mark.parametrize("code", ["InvalidUri", "InvalidResourceName", "OutOfRangeInput"])
def test_a_name_that_the_service_cannot_have_is_one_that_is_not_there(
    code: str, service: BlobService, container: Container
) -> None:
    service.server.handler = lambda asked: Answer(400, headers={"x-ms-error-code": code})
    assert container.get("a") is None


@pytest.mark.parametrize("name", ["images/smile 😀.svg", "a+b&c=d;e:f@g~h", "Grüße"])
def test_a_name_is_encoded_once_on_its_way_to_the_service(
    name: str, service: BlobService, container: Container
) -> None:
    service.blobs[name] = StoredBlob(b"here")
    assert get(container, name).body == b"here"
    assert service.server.asked[0].target == f"/content/{quote(name)}"


@pytest.mark.parametrize("header", ["Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language"])
def test_what_was_uploaded_with_a_blob_is_kept(header: str, service: BlobService, container: Container) -> None:
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
def test_only_what_has_a_version_in_its_name_is_kept_by_browsers(
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
def test_text_has_a_charset_and_what_has_no_type_gets_that_of_its_name(
    name: str, uploaded_as: str, content_type: str, service: BlobService, container: Container
) -> None:
    service.blobs[name] = StoredBlob(b"", uploaded_as)
    assert get(container, name).headers["Content-Type"] == content_type


@pytest.mark.parametrize("etag", ["", "0x8DC", 'W/"0x8DC"'])
def test_an_etag_that_is_not_a_strong_one_is_none(etag: str, service: BlobService, container: Container) -> None:
    service.server.handler = lambda asked: Answer(200, b"", {"ETag": etag})
    assert get(container).etag == ""


# Compression


@pytest.mark.parametrize(
    "content_type",
    ["text/html", "text/css", "text/javascript", "application/javascript", "application/json", "image/svg+xml"],
)
def test_a_long_text_is_there_compressed_as_well(content_type: str, service: BlobService, container: Container) -> None:
    service.blobs["a"] = StoredBlob(LONG.encode(), content_type)
    blob = get(container, "a")
    assert blob.body == LONG.encode()
    assert blob.gzipped is not None
    assert gzip.decompress(blob.gzipped) == blob.body
    assert len(blob.gzipped) < len(blob.body) / 5
    assert blob.gzipped[4:8] == bytes(4), "the same content gets the same bytes, whenever it is compressed"


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
def test_what_would_not_get_much_smaller_is_not_compressed(
    blob: StoredBlob, service: BlobService, container: Container
) -> None:
    service.blobs["a"] = blob
    found = get(container, "a")
    assert found.body == blob.data
    assert found.gzipped is None


def test_a_blob_that_was_uploaded_compressed_stays_as_it_is(service: BlobService, container: Container) -> None:
    service.blobs["a"] = StoredBlob(gzip.compress(b"text"), properties={"Content-Encoding": "gzip"})
    blob = get(container, "a")
    assert blob.body == gzip.compress(b"text")
    assert blob.headers["Content-Encoding"] == "gzip"


# Asking again


def test_a_blob_that_has_not_changed_is_not_sent_again(service: BlobService, container: Container) -> None:
    blob = get(container)
    assert container.get("index.html", blob) is blob
    assert service.server.asked[1].headers["if-none-match"] == blob.etag
    service.blobs["index.html"] = StoredBlob(b"<p>New")
    changed = container.get("index.html", blob)
    assert changed is not None
    assert changed.body == b"<p>New"


def test_connections_are_used_again(service: BlobService, container: Container) -> None:
    blob = get(container)
    container.get("index.html", blob)
    container.get("missing.html")
    container.exists("index.html")
    get(container)
    assert service.server.connections == 1


def test_a_connection_that_was_closed_meanwhile_is_replaced(service: BlobService, container: Container) -> None:
    get(container)
    answers = iter([HANG_UP, Answer(200, b"again")])
    service.server.handler = lambda asked: next(answers)
    assert get(container).body == b"again"


# Large blobs


def test_of_a_large_blob_only_the_parts_that_are_wanted_are_read(service: BlobService, container: Container) -> None:
    service.blobs["large"] = StoredBlob(b"x" * MAX_HELD + b"the end")
    blob = get(container, "large")
    assert (blob.size, blob.body, blob.gzipped) == (MAX_HELD + 7, None, None)
    assert container.read("large", blob, range(MAX_HELD, MAX_HELD + 7)) == b"the end"
    assert service.server.asked[1].headers["range"] == f"bytes={MAX_HELD}-{MAX_HELD + 6}"


def test_a_blob_of_the_largest_size_is_held(service: BlobService, container: Container) -> None:
    service.blobs["a"] = StoredBlob(b"x" * MAX_HELD, "image/png")
    assert get(container, "a").body == b"x" * MAX_HELD


def test_parts_of_two_versions_are_never_mixed(service: BlobService, container: Container) -> None:
    service.blobs["large"] = StoredBlob(b"x" * (MAX_HELD + 1))
    blob = get(container, "large")
    service.blobs["large"] = StoredBlob(b"y" * (MAX_HELD + 1))
    with pytest.raises(BlobChanged):
        container.read("large", blob, range(10))
    del service.blobs["large"]
    with pytest.raises(BlobChanged):
        container.read("large", blob, range(10))


# Credentials


@pytest.mark.usefixtures("netrc")
def test_a_netrc_of_the_machine_has_no_say(service: BlobService, container: Container) -> None:
    get(container)
    assert "authorization" not in service.server.asked[0].headers


def test_every_request_to_a_private_container_is_authorized(service: BlobService) -> None:
    def authorize(request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = "Bearer token"
        return request

    service.server.handler = lambda asked: NOT_THERE
    container = Container(f"{service.server.url}/content", authorize)
    container.get("a")
    container.exists("a")
    container.close()
    assert [asked.headers["authorization"] for asked in service.server.asked] == ["Bearer token"] * 2


def test_the_service_is_asked_for_the_behaviour_of_a_certain_version(
    service: BlobService, container: Container
) -> None:
    """Without a version, Azure answers an anonymous request as it did in 2009: etags have no quotes."""
    get(container)
    assert service.server.asked[0].headers["x-ms-version"] == "2021-12-02"


# What goes wrong


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(403, headers={"x-ms-error-code": "AuthenticationFailed"}), "answered 403 AuthenticationFailed"),
        (Answer(400, headers={"x-ms-error-code": "InvalidHeaderValue"}), "answered 400 InvalidHeaderValue"),
        (Answer(409, headers={"x-ms-error-code": "PublicAccessNotPermitted"}), "409 PublicAccessNotPermitted"),
        (Answer(206, b"a part"), "answered 206"),
        (Answer(500), "answered 500 Internal Server Error"),
        (Answer(503, headers={"Retry-After": "3600"}), "answered 503"),
        (Answer(301, headers={"Location": "http://127.0.0.1:9/elsewhere"}), "answered 301"),
        (Answer(302, headers={"Location": "/content/index.html"}), "answered 302"),
        (HANG_UP, "cannot be reached"),
        (Answer(200, b"short", {"Content-Length": "100"}), "cannot be reached"),
    ],
    ids=["403", "400", "409", "206", "500", "503", "301", "302", "hang up", "cut short"],
)
def test_an_answer_that_is_not_clear_is_an_error_and_not_a_page(
    answer: Answer | None, reason: str, service: BlobService, container: Container
) -> None:
    if answer is not None and "Content-Length" in answer.headers:
        service.server.close_after_answer = True
    service.server.handler = lambda asked: answer
    with pytest.raises(ContentUnavailable, match=reason) as raised:
        container.get("the-name")
    assert answer is HANG_UP or len(service.server.asked) == 1
    assert "\n" not in str(raised.value)
    assert "the-name" not in str(raised.value)


def test_a_service_that_is_down_is_an_error() -> None:
    with nothing_listening() as url, pytest.raises(ContentUnavailable, match="check BlobHost"):
        Container(url).get("index.html")
