"""Static content over HTTP: through the Functions host, from a real storage emulator."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import re
import threading
import time
from collections.abc import Iterator

import aiohttp
import pytest
from azure.storage.blob import BlobClient, ContentSettings

from signin.website.blobs import MAX_BUFFERED
from signin.website.cache import FRESH_SECONDS, MAX_UNKNOWN_LOOKUPS
from signin.website.site import CONTAINER
from tests.support import TEST_TIMEOUT
from tests.support.running_host import Reply
from tests.support.web_server import Request, Response

from .conftest import Site
from .traversal import SLASHES, UP, assert_stays_inside

GZIP = {"Accept-Encoding": "gzip, deflate, br"}


def upload(site: Site, name: str, data: bytes, content_type: str = "text/html; charset=utf-8") -> None:
    with BlobClient.from_connection_string(site.account.connection_string, CONTAINER, name) as blob:
        blob.upload_blob(data, overwrite=True, content_settings=ContentSettings(content_type))


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("100%.txt", "/100%25.txt"),
        ("a b&c=d;e+f.txt", "/a%20b&c=d;e+f.txt"),
        ("Café/é.txt", "/Caf%C3%A9/%C3%A9.txt"),
        ("INDEX.html", "/INDEX.html"),
        (".well-known/security.txt", "/.well-known/security.txt"),
    ],
)
def test_unusual_name_is_served(site: Site, name: str, target: str) -> None:
    upload(site, name, b"found")
    reply = site.request(target)
    assert (reply.status, reply.body) == (200, b"found")


@pytest.mark.parametrize("name", [".git/config", "a/.env", "index.html~"])
def test_hidden_file_of_another_program_is_not_served(site: Site, name: str) -> None:
    upload(site, name, b"secret")
    assert site.request(f"/{name}").status == 404


@pytest.fixture
def down(site: Site) -> Iterator[None]:
    """Blob Storage responds to every request with 503."""
    site.logged()
    site.blob.handler = lambda request: Response(503, headers={"x-ms-error-code": "ServerBusy"})
    yield
    site.blob.handler = site.blob.forward
    site.request(f"/after-{time.monotonic_ns()}")
    site.host.wait_for_log("content can be served again")


@pytest.mark.parametrize("kind", ["", ".css", ".js"])
def test_text_is_compressed_if_client_accepts_it(site: Site, kind: str) -> None:
    target = bundle(site, kind) if kind else "/"
    plain, compressed = site.request(target), site.request(target, headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(compressed.body) == plain.body
    assert int(compressed.headers["Content-Length"]) == len(compressed.body) < len(plain.body)
    assert compressed.headers["ETag"] != plain.headers["ETag"]
    assert compressed.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
    for reply, headers in ((plain, {}), (compressed, GZIP)):
        head = site.request(target, "HEAD", headers=headers)
        assert dict(head.headers) | {"Date": ""} == dict(reply.headers) | {"Date": ""}
        condition = {"If-None-Match": f'"x", W/{reply.headers["ETag"]}'}
        assert site.request(target, headers=headers | condition).status == 304


def bundle(site: Site, suffix: str) -> str:
    """The path of the file with this suffix that the homepage links to."""
    [target] = re.findall(rf'"(/?assets/[^"]+{re.escape(suffix)})"', site.request("/").body.decode())
    return f"/{target.lstrip('/')}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_unmodified_page_is_not_sent_again(site: Site, method: str) -> None:
    headers = site.request("/").headers
    for condition in ({"If-Modified-Since": headers["Last-Modified"]}, {"If-None-Match": headers["ETag"]}):
        reply = site.request("/", method, headers=condition)
        assert (reply.status, reply.body) == (304, b"")
    assert site.request("/", method, headers={"If-None-Match": '"0x0"'}).status == 200


def test_head_of_page_is_get_without_body(site: Site) -> None:
    got, head = (site.request("/images/favicon.svg", method) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    for name in ("Content-Type", "Content-Length", "ETag", "Last-Modified", "Cache-Control"):
        assert head.headers[name] == got.headers[name], name
    assert int(head.headers["Content-Length"]) == len(got.body)


@pytest.mark.parametrize("target", ["/nothing-here", "/api/nothing-here", "/../nothing-here", "/scripts/"])
def test_missing_page_gets_the_404_page(site: Site, target: str) -> None:
    page = site.request("/404.html")
    for method in ("GET", "HEAD"):
        reply = site.request(target, method)
        assert reply.status == 404
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert reply.body == (page.body if method == "GET" else b"")
    assert page.status == 200
    # The condition matches the page that is sent, not the one that is missing.
    assert site.request(target, headers={"If-None-Match": page.headers["ETag"]}).status == 404


def test_range_is_sent_with_its_position(site: Site) -> None:
    target = bundle(site, ".css")
    whole = site.request(target)
    part = site.request(target, headers=GZIP | {"Range": "bytes=-5"})
    size = len(whole.body)
    assert (part.status, part.body) == (206, whole.body[-5:])
    assert part.headers["Content-Range"] == f"bytes {size - 5}-{size - 1}/{size}"
    assert part.headers["ETag"] == whole.headers["ETag"]
    refused = site.request(target, headers={"Range": f"bytes={size}-"})
    assert (refused.status, refused.headers["Content-Range"]) == (416, f"bytes */{size}")


def test_large_file_is_read_from_storage_in_ranges(site: Site) -> None:
    data = random.Random(1).randbytes(MAX_BUFFERED + 1000)
    upload(site, "large.bin", data, "application/octet-stream")
    assert site.request("/large.bin").body == data
    before = len(site.blob.requests)
    part = site.request("/large.bin", headers={"Range": f"bytes={MAX_BUFFERED}-{MAX_BUFFERED + 9}"})
    assert (part.status, part.body) == (206, data[MAX_BUFFERED : MAX_BUFFERED + 10])
    assert site.request("/large.bin", "HEAD").headers["Content-Length"] == str(len(data))
    assert "range" in site.blob.requests[-1].headers
    assert len(site.blob.requests) - before <= 2


def test_directory_serves_its_index(site: Site) -> None:
    upload(site, "guide/index.html", b"<p>Guide")
    assert site.request("/guide/").body == b"<p>Guide"
    reply = site.request("/guide?a=b")
    assert (reply.status, reply.headers["Location"]) == (301, "/guide/?a=b")


@pytest.mark.parametrize("target", ["/", "/nothing-here", "/images/favicon.svg"])
def test_every_page_has_security_headers(site: Site, target: str) -> None:
    headers = site.request(target).headers
    assert "connect-src 'self' http://127.0.0.1:" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"]
    assert "Strict-Transport-Security" not in headers
    assert site.request(target, headers={"X-Forwarded-Proto": "https"}).headers["Strict-Transport-Security"]


async def test_scan_for_unknown_names_delays_no_page(site: Site) -> None:
    upload(site, "old.html", b"<p>Old")
    assert site.request("/old.html").body == b"<p>Old"
    targets = ["/", bundle(site, ".js"), bundle(site, ".css"), "/old.html"]
    gate = threading.Event()

    def hang(request: Request) -> Response | None:
        if "/scan-" in request.target:
            assert gate.wait(TEST_TIMEOUT)
        return site.blob.forward(request)

    site.blob.handler = hang
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

            async def get(target: str) -> tuple[int, bytes]:
                async with http.get(f"{site.url}{target}") as answer:
                    return answer.status, await answer.read()

            scan = [asyncio.create_task(get(f"/scan-{number}")) for number in range(MAX_UNKNOWN_LOOKUPS + 20)]
            done, _ = await asyncio.wait(scan, return_when=asyncio.FIRST_COMPLETED)
            assert {task.result()[0] for task in done} == {503}
            async with asyncio.timeout(TEST_TIMEOUT / 2):
                assert [(await get(target))[0] for target in targets] == [200] * 4
                upload(site, "old.html", b"<p>New")
                while (await get("/old.html"))[1] != b"<p>New":  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            gate.set()
            assert {status for status, _ in await asyncio.gather(*scan)} == {404, 503}
    finally:
        gate.set()
        site.blob.handler = site.blob.forward


async def test_crowd_on_cold_file_shares_one_request(site: Site) -> None:
    upload(site, "cold.html", b"<p>Cold")
    before = len(site.blob.requests)
    # The entry is fresh from the response on, so a crowd that arrives slowly causes further requests.
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=100)) as http:

        async def visit() -> bytes:
            async with http.get(f"{site.url}/cold.html") as answer:
                assert answer.status == 200
                return await answer.read()

        began = time.monotonic()
        assert set(await asyncio.gather(*(visit() for _ in range(1000)))) == {b"<p>Cold"}
    most = 1 + (time.monotonic() - began) // FRESH_SECONDS
    assert 1 <= len(site.blob.requests) - before <= most


def test_new_version_replaces_a_stale_page(site: Site) -> None:
    upload(site, "news.html", b"<p>Old")
    assert site.request("/news.html").body == b"<p>Old"
    upload(site, "news.html", b"<p>New")
    deadline = time.monotonic() + TEST_TIMEOUT
    while site.request("/news.html").body != b"<p>New":
        assert time.monotonic() < deadline, "the old version is still served"


@pytest.mark.usefixtures("down")
def test_storage_outage_is_logged_once_and_pages_work(site: Site) -> None:
    def is_logged() -> list[str]:
        return [line for line in site.host.log if "ServerBusy" in line]

    deadline = time.monotonic() + TEST_TIMEOUT
    while not is_logged():  # before that, the entries are still fresh
        assert site.request("/").status == 200
        assert time.monotonic() < deadline, "no request was sent to storage"
    for target in ("/", "/nothing-cached", "/", "/nothing-cached-either"):
        reply = site.request(target)
        assert reply.status == (503 if "nothing" in target else 200)
        if reply.status == 503:
            assert_explains_the_outage(reply, target)
    assert len(is_logged()) == 1


def assert_explains_the_outage(reply: Reply, target: str) -> None:
    assert reply.headers["Retry-After"]
    assert json.loads(reply.body)["error"].startswith("Blob Storage answered 503: it is too busy or fails")
    assert b"ServerBusy" not in reply.body
    assert target.strip("/").encode() not in reply.body


def test_any_target_stays_inside_the_container(site: Site) -> None:
    """Like tests/unit/test_site_fuzz.py, but through the host, which decodes the path."""
    chance = random.Random(2026)
    pieces = [*UP, *SLASHES, "canary", "index.html", "a" * 300, "%0d%0a", "%ff", "@", ":", "//evil.example", "%c3%a9"]
    site.logged()
    before = len(site.blob.requests)
    for _ in range(300):
        target = "/" + "".join(chance.choices(pieces, k=chance.randint(1, 6)))
        reply = site.request(target.replace("\\", "%5c" if chance.random() < 0.5 else "\\"))
        assert reply.status in (200, 400, 404), target
        assert b"canary" not in reply.body
        assert "Location" not in reply.headers
    assert_stays_inside(site, before)
    assert site.logged() == []
