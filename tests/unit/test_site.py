from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Iterator

import azure.functions as func
import pytest

from signin.website import cache
from signin.website.blobs import MAX_BUFFERED, ContentUnavailable
from signin.website.cache import MAX_UNKNOWN_LOOKUPS, PART_THREADS, UNKNOWN_THREADS
from signin.website.names import is_blob_name
from signin.website.representation import Page
from signin.website.site import Site
from tests.support.web_server import Request, Response

from .blob_service import MODIFIED, NOT_FOUND, BlobService, StoredBlob, blob_service

TIMEOUT = 10  # seconds


@pytest.fixture
def service() -> Iterator[BlobService]:
    with blob_service(index_html="<p>Home") as service:
        yield service


@pytest.fixture
def site(service: BlobService) -> Iterator[Site]:
    site = Site(service.server.url)
    yield site
    site.close()


# Names


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "scripts/main.js",
        "a/b/c/d",
        ".well-known/x",
        "a..b",
        "a..",
        "a.",
        "100%.txt",
        "50% off/%.html",
        "smile 😀.svg",
        "a+b&c=d;e:f@g~h",
    ],
)
def test_ordinary_names_are_blob_names(name: str) -> None:
    assert is_blob_name(name)


AMBIGUOUS_NAMES = {
    "dot segment": "..",
    "dot segment at the start": "../secret",
    "dot segment inside": "a/../../secret",
    "dot segment at the end": "a/..",
    "single dot": "./secret",
    "three dots": ".../secret",
    "encoded dots": "%2e%2e/secret",
    "encoded slash": "..%2fsecret",
    "encoded twice": "%252e%252e%252fsecret",
    "overlong UTF-8": "%c0%ae%c0%ae/secret",
    "UTF-16": "%u002e%u002e/secret",
    "backslash": "..\\secret",
    "encoded backslash": "..%5csecret",
    "absolute": "/secret",
    "two slashes": "a//b",
    "other host": "//host/secret",
    "absolute url": "http://host/secret",
    "slash at the end": "scripts/",
    "query": "a?comp=list",
    "fragment": "a#b",
    "encoded percent": "100%25",
    "upper case": "%2E%2E/secret",
    "hidden file": ".env",
    "hidden folder": "a/.git/config",
    "two dots at the start": "..a",
    "NUL": "index.html\x00.png",
    "new line": "a\r\nHost: host",
    "DEL": "a\x7f",
    "line separator": "a\u2028b",
    "right-to-left override": "a\u202eb",
    "surrogate": "\ud800",
    "over-long": "a" * 1025,
}


@pytest.mark.parametrize("name", AMBIGUOUS_NAMES.values(), ids=AMBIGUOUS_NAMES.keys())
def test_ambiguous_names_are_not_blob_names(name: str) -> None:
    assert not is_blob_name(name)


@pytest.mark.parametrize("name", AMBIGUOUS_NAMES.values(), ids=AMBIGUOUS_NAMES.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_ambiguous_name_never_leaves_container(name: str, method: str, service: BlobService, site: Site) -> None:
    page = await site.get(name, method)
    assert page.status == 404
    assert set(service.requested) <= {"404.html", "scripts/index.html"}


# Pages


@pytest.mark.parametrize("path", ["", "index.html"])
async def test_homepage_is_the_index_blob(path: str, service: BlobService, site: Site) -> None:
    page = await site.get(path)
    assert (page.status, page.body) == (200, b"<p>Home")
    assert service.requested == ["index.html"]


async def test_headers_of_function_request_are_read(site: Site) -> None:
    """HttpRequest.headers looks names up case-insensitively."""
    headers = {"If-None-Match": StoredBlob(b"<p>Home").etag}
    request = func.HttpRequest(method="GET", url="/", headers=headers, body=b"")
    assert (await site.get("", "GET", request.headers)).status == 304


async def test_fresh_page_costs_no_storage_request(service: BlobService, site: Site) -> None:
    for method, headers in (("GET", {}), ("HEAD", {}), ("GET", {"if-modified-since": MODIFIED}), ("GET", {})):
        await site.get("", method, headers)
    assert service.requested == ["index.html"]


async def test_concurrent_visitors_share_one_request(service: BlobService, site: Site) -> None:
    gate = threading.Event()

    def serve_late(request: Request) -> Response:
        assert gate.wait(TIMEOUT)
        return service.serve(request)

    service.server.handler = serve_late
    visitors = [asyncio.create_task(site.get("index.html")) for _ in range(1000)]
    await asyncio.sleep(0)  # until all visitors wait
    gate.set()
    assert {page.body for page in await asyncio.gather(*visitors)} == {b"<p>Home"}
    assert service.requested == ["index.html"]


async def test_page_is_compressed_once(service: BlobService, site: Site) -> None:
    text = b"<p>Hello" * 1000
    service.blobs["index.html"] = StoredBlob(text)
    pages = [await site.get("", "GET", {"accept-encoding": "gzip"}) for _ in range(2)]
    assert pages[0].body is pages[1].body
    assert gzip.decompress(pages[0].body) == text


# Directories


async def test_directory_serves_its_index(service: BlobService, site: Site) -> None:
    service.blobs["guide/index.html"] = StoredBlob(b"<p>Guide")
    page = await site.get("guide/")
    assert (page.status, page.body) == (200, b"<p>Guide")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_directory_without_slash_redirects(method: str, service: BlobService, site: Site) -> None:
    service.blobs["guide/index.html"] = StoredBlob(b"<p>Guide")
    page = await site.get("guide", method)
    assert (page.status, page.headers["Location"], page.body) == (301, "/guide/", b"")
    assert page.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "query", "location"),
    [
        ("guide", "a=1&b=%20", "/guide/?a=1&b=%20"),
        ("guide", "a=\r\nX: y \xe9", "/guide/?a=%0D%0AX:%20y%20%C3%A9"),
        ("a b/\xe9", "", "/a%20b/%C3%A9/"),
        ("evil.example:80", "", "/evil.example%3A80/"),
    ],
)
async def test_redirect_stays_on_the_site(
    path: str, query: str, location: str, service: BlobService, site: Site
) -> None:
    service.blobs[f"{path}/index.html"] = StoredBlob(b"<p>Guide")
    assert (await site.get(path, query=query)).headers["Location"] == location


@pytest.mark.parametrize(
    "path", ["guide", "guide/", "scripts", "scripts/main.js/", "//evil.example", "/evil.example/.."]
)
async def test_directory_without_index_is_not_found(path: str, service: BlobService, site: Site) -> None:
    service.blobs["scripts/main.js"] = StoredBlob(b"")
    page = await site.get(path)
    assert page.status == 404
    assert "Location" not in page.headers


async def test_name_too_long_for_an_index_is_not_found(site: Site) -> None:
    assert (await site.get("a" * 1024)).status == 404


# Missing pages


async def test_missing_page_gets_the_404_page(service: BlobService, site: Site) -> None:
    text = b"<p>Not found" * 100
    service.blobs["404.html"] = blob = StoredBlob(text)
    conditions = {"if-none-match": blob.etag, "if-modified-since": MODIFIED, "range": "bytes=0-1", "if-match": '"0"'}
    page = await site.get("missing.html", "GET", conditions)
    assert (page.status, page.body) == (404, text)
    assert page.headers == {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    compressed = await site.get("missing.html", "GET", {"accept-encoding": "gzip"})
    assert gzip.decompress(compressed.body) == text


async def test_missing_404_page_gives_plain_text(site: Site) -> None:
    page = await site.get("missing.html")
    assert (page.status, page.body) == (404, b"Not found.\n")
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_missing_page_is_requested_once(service: BlobService, site: Site) -> None:
    for _ in range(100):
        await site.get("missing.html")
    assert service.requested == ["missing.html", "missing.html/index.html", "404.html"]


# Large files


async def test_large_file_is_served_whole_and_in_ranges(service: BlobService, site: Site) -> None:
    data = bytes(range(256)) * (MAX_BUFFERED // 256) + b"the end"
    service.blobs["film.mp4"] = StoredBlob(data, "video/mp4")
    whole = await site.get("film.mp4")
    assert (whole.status, whole.body) == (200, data)
    part = await site.get("film.mp4", "GET", {"range": "bytes=-7"})
    assert (part.status, part.body) == (206, b"the end")
    assert part.headers["Content-Range"] == f"bytes {MAX_BUFFERED}-{MAX_BUFFERED + 6}/{len(data)}"
    requests = len(service.requested)
    assert (await site.get("film.mp4", "HEAD")).headers["Content-Length"] == str(len(data))
    assert (await site.get("film.mp4", "GET", {"if-none-match": whole.headers["ETag"]})).status == 304
    assert (await site.get("film.mp4", "GET", {"range": "bytes=99999999-"})).status == 416
    assert len(service.requested) == requests, "these need no request to storage"


async def test_replaced_large_file_is_served_in_new_version(service: BlobService, site: Site) -> None:
    service.blobs["film.mp4"] = StoredBlob(b"x" * (MAX_BUFFERED + 1))
    await site.get("film.mp4", "HEAD")
    service.blobs["film.mp4"] = new = StoredBlob(b"y" * (MAX_BUFFERED + 2))
    page = await site.get("film.mp4", "GET", {"range": "bytes=0-1"})
    assert (page.status, page.body, page.headers["ETag"]) == (206, b"yy", new.etag)


async def test_constantly_replaced_file_is_an_error(service: BlobService, site: Site) -> None:
    service.blobs["film.mp4"] = StoredBlob(b"x" * (MAX_BUFFERED + 1))
    service.server.handler = lambda request: Response(412) if "range" in request.headers else service.serve(request)
    with pytest.raises(ContentUnavailable, match="try again"):
        await site.get("film.mp4")
    assert len(service.requested) < 10


async def test_file_above_the_limit_is_served_in_parts(service: BlobService) -> None:
    data = bytes(range(256)) * (MAX_BUFFERED // 256) * 3
    service.blobs["film.mp4"] = StoredBlob(data, "video/mp4")
    site = Site(service.server.url, max_file_mb=8)
    assert (await site.get("film.mp4")).status == 403
    received = b""
    while len(received) < len(data):  # as a media player does
        part = await site.get("film.mp4", "GET", {"range": f"bytes={len(received)}-"})
        assert part.status == 206
        assert len(part.body) <= MAX_BUFFERED
        received += part.body
    assert received == data
    site.close()


async def test_slow_large_files_delay_no_page(
    service: BlobService, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signin.website.cache.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("signin.website.cache._REVALIDATION_TIMEOUT", TIMEOUT)
    service.blobs["film.mp4"] = StoredBlob(b"x" * (MAX_BUFFERED + 1), "video/mp4")
    gate = threading.Event()

    def serve(request: Request) -> Response:
        if "range" in request.headers:
            assert gate.wait(TIMEOUT), "the gate was not opened"
        return service.serve(request)

    await site.get("film.mp4", "HEAD")
    await site.get("")
    service.server.handler = serve
    readers = [asyncio.create_task(site.get("film.mp4", "GET", {"range": "bytes=0-1"})) for _ in range(30)]
    await asyncio.to_thread(
        service.server.wait_for, lambda: sum("range" in r.headers for r in service.server.requests) == PART_THREADS
    )
    service.blobs["index.html"] = StoredBlob(b"<p>New")
    try:
        async with asyncio.timeout(TIMEOUT / 2):
            assert (await site.get("")).body == b"<p>New"
            assert (await site.get("missing.html")).status == 404
    finally:
        gate.set()
    assert {page.status for page in await asyncio.gather(*readers)} == {206}


# A scan for names that do not exist


class Scan:
    """Visitors who ask for names that do not exist. Storage does not respond to them until `end`."""

    def __init__(self, service: BlobService, site: Site) -> None:
        self._service = service
        self._site = site
        self._gate = threading.Event()
        self._visitors: list[asyncio.Task[Page]] = []
        service.server.handler = self._serve

    def _serve(self, request: Request) -> Response:
        if "scan" in request.target:
            assert self._gate.wait(TIMEOUT), "the scan was not ended"
        return self._service.serve(request)

    async def begin(self, count: int) -> None:
        """Start so many visitors, and wait until no further lookup begins."""
        self._visitors = [asyncio.create_task(self._site.get(f"scan-{number}")) for number in range(count)]
        hanging = min(count, UNKNOWN_THREADS)
        await asyncio.to_thread(
            self._service.server.wait_for, lambda: sum("scan" in name for name in self._service.requested) == hanging
        )

    async def end(self) -> list[Page | BaseException]:
        self._gate.set()
        return await asyncio.gather(*self._visitors, return_exceptions=True)


@pytest.fixture
async def scan(service: BlobService, site: Site) -> AsyncIterator[Scan]:
    service.blobs |= {
        "index.html": StoredBlob(b'<link href="assets/main.css"><script src="assets/main.js"></script>'),
        "assets/main.css": StoredBlob(b"@font-face { src: url(sans.woff2) }", "text/css"),
        "assets/main.js": StoredBlob(b'import "./chunk.js"', "text/javascript"),
        "assets/chunk.js": StoredBlob(b"", "text/javascript"),
        "assets/sans.woff2": StoredBlob(b"font", "font/woff2"),
        "404.html": StoredBlob(b"<p>Not found"),
        "report.pdf": StoredBlob(b"report", "application/pdf"),
        "guide/index.html": StoredBlob(b"<p>Guide"),
    }
    scan = Scan(service, site)
    yield scan
    await scan.end()


@pytest.mark.parametrize("count", [UNKNOWN_THREADS, 2 * MAX_UNKNOWN_LOOKUPS])
async def test_cold_homepage_and_its_files_pass_a_scan(count: int, site: Site, scan: Scan) -> None:
    await scan.begin(count)
    async with asyncio.timeout(TIMEOUT / 2):
        for path in ("", "assets/main.css", "assets/main.js", "assets/chunk.js", "assets/sans.woff2"):
            assert (await site.get(path)).status == 200


async def test_file_of_the_homepage_passes_before_the_homepage(site: Site, scan: Scan) -> None:
    """The browser may have the homepage of another process."""
    await scan.begin(UNKNOWN_THREADS)
    async with asyncio.timeout(TIMEOUT / 2):
        assert (await site.get("assets/main.js")).status == 200


async def test_expired_file_is_revalidated_during_a_scan(
    service: BlobService, site: Site, scan: Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signin.website.cache.FRESH_SECONDS", 0.0)
    monkeypatch.setattr("signin.website.cache._REVALIDATION_TIMEOUT", TIMEOUT)
    for path in ("report.pdf", "guide"):  # no page links to them
        await site.get(path)
    await scan.begin(2 * MAX_UNKNOWN_LOOKUPS)
    service.blobs["report.pdf"] = StoredBlob(b"new", "application/pdf")
    async with asyncio.timeout(TIMEOUT / 2):
        assert (await site.get("report.pdf")).body == b"new"
        assert (await site.get("guide")).status == 301


async def test_large_file_is_served_during_a_scan(service: BlobService, site: Site, scan: Scan) -> None:
    service.blobs["film.mp4"] = StoredBlob(b"x" * (MAX_BUFFERED + 1), "video/mp4")
    await site.get("film.mp4", "HEAD")
    await scan.begin(2 * MAX_UNKNOWN_LOOKUPS)
    async with asyncio.timeout(TIMEOUT / 2):
        assert (await site.get("film.mp4")).status == 200


async def test_lookups_of_unknown_names_are_bounded(service: BlobService, site: Site, scan: Scan) -> None:
    for _ in range(2):
        assert (await site.get("missing.html")).status == 404
    await scan.begin(2 * MAX_UNKNOWN_LOOKUPS)
    async with asyncio.timeout(TIMEOUT / 2):
        with pytest.raises(ContentUnavailable, match="try again"):
            await site.get("new.html")
        assert (await site.get("missing.html")).status == 404
    pages = await scan.end()
    refused = [page for page in pages if isinstance(page, ContentUnavailable)]
    assert len(refused) == MAX_UNKNOWN_LOOKUPS
    assert {page.status for page in pages if isinstance(page, Page)} == {404}
    assert (await site.get("new.html")).status == 404, "after the scan every name is looked up again"


async def test_stale_404_is_served_during_a_scan(site: Site, scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signin.website.cache.FRESH_SECONDS", 0.0)
    await site.get("missing.html")
    await scan.begin(2 * MAX_UNKNOWN_LOOKUPS)
    async with asyncio.timeout(TIMEOUT / 2):
        assert (await site.get("missing.html")).status == 404


# Failures


async def test_stale_pages_are_served_while_storage_fails(
    service: BlobService, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signin.website.cache.FRESH_SECONDS", 0.0)
    await site.get("")
    await site.get("missing.html")
    service.server.handler = lambda request: Response(503)
    assert (await site.get("")).body == b"<p>Home"
    assert (await site.get("missing.html")).status == 404
    with pytest.raises(ContentUnavailable, match="answered 503"):
        await site.get("not-cached.html")


# Health


def test_check_passes_with_a_homepage(service: BlobService, site: Site) -> None:
    site.check()
    [request] = service.server.requests
    assert (request.method, request.target) == ("HEAD", "/content/index.html")


def test_check_fails_without_a_homepage(service: BlobService, site: Site) -> None:
    service.server.handler = lambda request: NOT_FOUND
    with pytest.raises(ContentUnavailable, match=r"content/index\.html does not exist"):
        site.check()


# Folders that show the whole website


@pytest.fixture
def rooms(service: BlobService) -> Iterator[Site]:
    """The website, also in two folders, of which one has a title."""
    service.blobs["index.html"] = StoredBlob(b"<title>Home</title>")
    service.blobs["guide/index.html"] = StoredBlob(b"<title>Guide</title>")
    service.blobs["images/a.svg"] = StoredBlob(b"<svg/>")
    service.blobs["keynote/images/a.svg"] = StoredBlob(b"hidden")
    site = Site(service.server.url, titles={"": "", "keynote": "Opening keynote", "hall-a": ""})
    yield site
    site.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", b"<title>Home</title>"),
        ("keynote/", b"<title>Opening keynote</title>"),
        ("keynote/index.html", b"<title>Opening keynote</title>"),
        ("hall-a/", b"<title>Home</title>"),
        ("keynote/guide/", b"<title>Guide</title>"),
        ("keynote/images/a.svg", b"<svg/>"),
    ],
)
async def test_folder_has_all_content_and_its_title(rooms: Site, path: str, body: bytes) -> None:
    page = await rooms.get(path)
    assert (page.status, page.body) == (200, body)


async def test_folders_share_the_cached_content(service: BlobService, rooms: Site) -> None:
    for folder in ("", "keynote/", "hall-a/"):
        await rooms.get(folder)
    assert [request.target for request in service.server.requests] == ["/content/index.html"]


@pytest.mark.parametrize(("path", "location"), [("keynote", "/keynote/?a=b"), ("keynote/guide", "/keynote/guide/?a=b")])
async def test_folder_without_slash_is_redirected(rooms: Site, path: str, location: str) -> None:
    page = await rooms.get(path, query="a=b")
    assert (page.status, page.headers["Location"]) == (301, location)


@pytest.mark.parametrize(
    "path", ["nope", "nope/", "Keynote/", "keynote/nope", "keynote//", "keynote/keynote/", "keynote/.."]
)
async def test_unknown_folder_is_not_found(rooms: Site, path: str) -> None:
    assert (await rooms.get(path)).status == 404


async def test_title_follows_a_changed_page(service: BlobService, rooms: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FRESH_SECONDS", 0.0)
    first = await rooms.get("keynote/")
    assert (await rooms.get("keynote/", headers={"if-none-match": first.headers["ETag"]})).status == 304
    service.blobs["index.html"] = StoredBlob(b"<title>Home</title><p>New")
    second = await rooms.get("keynote/", headers={"if-none-match": first.headers["ETag"]})
    assert (second.status, second.body) == (200, b"<title>Opening keynote</title><p>New")
