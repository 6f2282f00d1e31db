from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Iterator

import azure.functions as func
import pytest

from signin.website.blobs import MAX_HELD, ContentUnavailable
from signin.website.site import Site, is_blob_name

from .blob_service import MODIFIED, NOT_THERE, BlobService, StoredBlob, blob_service
from .loopback import Answer, Asked

PATIENCE = 10  # seconds until a test gives up


@pytest.fixture
def service() -> Iterator[BlobService]:
    with blob_service(index_html="<p>Home") as service:
        yield service


@pytest.fixture
def content(service: BlobService) -> Iterator[Site]:
    content = Site(service.server.url)
    yield content
    content.close()


# Names


@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "scripts/main.js",
        "a/b/c/d",
        ".well-known/x",
        "a..b",
        "..a",
        "a.",
        "smile 😀.svg",
        "a+b&c=d;e:f@g~h",
    ],
)
def test_the_name_of_a_blob_is_a_blob_name(name: str) -> None:
    assert is_blob_name(name)


LEADING_OUT = {
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
    "percent": "100%",
    "NUL": "index.html\x00.png",
    "new line": "a\r\nHost: host",
    "DEL": "a\x7f",
    "line separator": "a\u2028b",
    "right-to-left override": "a\u202eb",
    "surrogate": "\ud800",
    "over-long": "a" * 1025,
}


@pytest.mark.parametrize("name", LEADING_OUT.values(), ids=LEADING_OUT.keys())
def test_a_name_that_could_mean_something_else_is_no_blob_name(name: str) -> None:
    assert not is_blob_name(name)


@pytest.mark.parametrize("name", LEADING_OUT.values(), ids=LEADING_OUT.keys())
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_request_for_such_a_name_never_leaves_the_container(
    name: str, method: str, service: BlobService, content: Site
) -> None:
    page = await content.get(name, method)
    assert page.status == 404
    assert set(service.names) <= {"404.html", "scripts/index.html"}


# Pages


@pytest.mark.parametrize("path", ["", "index.html"])
async def test_the_homepage_is_the_index(path: str, service: BlobService, content: Site) -> None:
    page = await content.get(path)
    assert (page.status, page.body) == (200, b"<p>Home")
    assert service.names == ["index.html"]


async def test_a_request_counts_as_the_host_gives_it(content: Site) -> None:
    """The host's mapping of headers takes names in any case."""
    headers = {"If-None-Match": StoredBlob(b"<p>Home").etag}
    request = func.HttpRequest(method="GET", url="/", headers=headers, body=b"")
    assert (await content.get("", "GET", request.headers)).status == 304


async def test_a_visitor_after_the_first_costs_no_request(service: BlobService, content: Site) -> None:
    for method, headers in (("GET", {}), ("HEAD", {}), ("GET", {"if-modified-since": MODIFIED}), ("GET", {})):
        await content.get("", method, headers)
    assert service.names == ["index.html"]


async def test_a_thousand_visitors_of_a_cold_page_cost_one_request(service: BlobService, content: Site) -> None:
    gate = threading.Event()

    def serve_late(asked: Asked) -> Answer:
        assert gate.wait(PATIENCE)
        return service.serve(asked)

    service.server.handler = serve_late
    visitors = [asyncio.create_task(content.get("index.html")) for _ in range(1000)]
    await asyncio.sleep(0)  # all of them have asked
    gate.set()
    assert {page.body for page in await asyncio.gather(*visitors)} == {b"<p>Home"}
    assert service.names == ["index.html"]


async def test_a_page_is_compressed_once_for_all(service: BlobService, content: Site) -> None:
    text = b"<p>Hello" * 1000
    service.blobs["index.html"] = StoredBlob(text)
    pages = [await content.get("", "GET", {"accept-encoding": "gzip"}) for _ in range(2)]
    assert pages[0].body is pages[1].body
    assert gzip.decompress(pages[0].body) == text


# Directories


async def test_a_directory_is_its_index(service: BlobService, content: Site) -> None:
    service.blobs["guide/index.html"] = StoredBlob(b"<p>Guide")
    page = await content.get("guide/")
    assert (page.status, page.body) == (200, b"<p>Guide")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_directory_without_its_slash_leads_there(method: str, service: BlobService, content: Site) -> None:
    service.blobs["guide/index.html"] = StoredBlob(b"<p>Guide")
    page = await content.get("guide", method)
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
async def test_a_redirect_stays_on_this_site(
    path: str, query: str, location: str, service: BlobService, content: Site
) -> None:
    service.blobs[f"{path}/index.html"] = StoredBlob(b"<p>Guide")
    assert (await content.get(path, query=query)).headers["Location"] == location


@pytest.mark.parametrize(
    "path", ["guide", "guide/", "scripts", "scripts/main.js/", "//evil.example", "/evil.example/.."]
)
async def test_where_there_is_no_index_there_is_no_page(path: str, service: BlobService, content: Site) -> None:
    service.blobs["scripts/main.js"] = StoredBlob(b"")
    page = await content.get(path)
    assert page.status == 404
    assert "Location" not in page.headers


async def test_a_name_with_no_room_for_an_index_is_not_there(content: Site) -> None:
    assert (await content.get("a" * 1024)).status == 404


# What is not there


async def test_what_is_not_there_is_answered_with_the_404_page(service: BlobService, content: Site) -> None:
    text = b"<p>Nobody here" * 100
    service.blobs["404.html"] = blob = StoredBlob(text)
    conditions = {"if-none-match": blob.etag, "if-modified-since": MODIFIED, "range": "bytes=0-1", "if-match": '"0"'}
    page = await content.get("missing.html", "GET", conditions)
    assert (page.status, page.body) == (404, text)
    assert page.headers == {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    compressed = await content.get("missing.html", "GET", {"accept-encoding": "gzip"})
    assert gzip.decompress(compressed.body) == text


async def test_without_a_404_page_it_is_said_in_plain_text(content: Site) -> None:
    page = await content.get("missing.html")
    assert (page.status, page.body) == (404, b"Not found.\n")
    assert page.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_what_is_not_there_is_not_asked_for_again_and_again(service: BlobService, content: Site) -> None:
    for _ in range(100):
        await content.get("missing.html")
    assert service.names == ["missing.html", "missing.html/index.html", "404.html"]


# Large files


async def test_a_large_file_is_served_in_full_and_in_parts(service: BlobService, content: Site) -> None:
    data = bytes(range(256)) * (MAX_HELD // 256) + b"the end"
    service.blobs["film.mp4"] = StoredBlob(data, "video/mp4")
    whole = await content.get("film.mp4")
    assert (whole.status, whole.body) == (200, data)
    part = await content.get("film.mp4", "GET", {"range": "bytes=-7"})
    assert (part.status, part.body) == (206, b"the end")
    assert part.headers["Content-Range"] == f"bytes {MAX_HELD}-{MAX_HELD + 6}/{len(data)}"
    asked = len(service.names)
    assert (await content.get("film.mp4", "HEAD")).headers["Content-Length"] == str(len(data))
    assert (await content.get("film.mp4", "GET", {"if-none-match": whole.headers["ETag"]})).status == 304
    assert (await content.get("film.mp4", "GET", {"range": "bytes=99999999-"})).status == 416
    assert len(service.names) == asked, "what is known of it is enough for these"


async def test_a_large_file_that_is_replaced_meanwhile_is_served_in_its_new_version(
    service: BlobService, content: Site
) -> None:
    service.blobs["film.mp4"] = StoredBlob(b"x" * (MAX_HELD + 1))
    await content.get("film.mp4", "HEAD")
    service.blobs["film.mp4"] = new = StoredBlob(b"y" * (MAX_HELD + 2))
    page = await content.get("film.mp4", "GET", {"range": "bytes=0-1"})
    assert (page.status, page.body, page.headers["ETag"]) == (206, b"yy", new.etag)


async def test_a_large_file_that_is_replaced_all_the_time_is_an_error(service: BlobService, content: Site) -> None:
    service.blobs["film.mp4"] = StoredBlob(b"x" * (MAX_HELD + 1))
    service.server.handler = lambda asked: Answer(412) if "range" in asked.headers else service.serve(asked)
    with pytest.raises(ContentUnavailable, match="try again"):
        await content.get("film.mp4")
    assert len(service.names) < 10


# What goes wrong


async def test_while_the_service_is_down_what_was_asked_for_before_is_served(
    service: BlobService, content: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signin.website.cache.FRESH_SECONDS", 0.0)
    await content.get("")
    await content.get("missing.html")
    service.server.handler = lambda asked: Answer(503)
    assert (await content.get("")).body == b"<p>Home"
    assert (await content.get("missing.html")).status == 404
    with pytest.raises(ContentUnavailable, match="answered 503"):
        await content.get("never-asked-for.html")


# Health


def test_content_with_a_homepage_passes_the_check(service: BlobService, content: Site) -> None:
    content.check()
    [asked] = service.server.asked
    assert (asked.method, asked.target) == ("HEAD", "/content/index.html")


def test_content_without_a_homepage_fails_the_check(service: BlobService, content: Site) -> None:
    service.server.handler = lambda asked: NOT_THERE
    with pytest.raises(ContentUnavailable, match=r"content/index\.html is not there"):
        content.check()
