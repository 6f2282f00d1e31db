"""The title that replaces the one of a published page."""

from __future__ import annotations

import gzip

import pytest

from local import REPOSITORY
from signin.website.blobs import Blob, gzipped
from signin.website.title import with_title

HEADERS = {"Content-Type": "text/html; charset=utf-8", "Last-Modified": "Mon, 23 Nov 2026 09:15:00 GMT"}
PAGE = (REPOSITORY / "content/index.html").read_bytes()


def page(body: bytes = PAGE, etag: str = '"1"', encoding: str = "") -> Blob:
    headers = HEADERS | ({"Content-Encoding": encoding} if encoding else {})
    return Blob(len(body), etag, headers, body, gzipped(HEADERS, body), ("a.js",))


def test_title_is_in_tab_heading_and_preview() -> None:
    titled = with_title(page(), "Opening keynote")
    assert titled.body is not None
    assert titled.size == len(titled.body)
    text = titled.body.decode()
    assert "<title>Opening keynote</title>" in text
    assert "<span data-title>Opening keynote</span>" in text
    assert '<meta property="og:title" content="Opening keynote">' in text
    assert text.replace("Opening keynote", "Realtime Sign-in") == PAGE.decode()


def test_title_is_no_markup() -> None:
    titled = with_title(page(b"<title>x</title>"), '<b> & "Ä" \\1')
    assert titled.body == b"<title>&lt;b&gt; &amp; &quot;&#196;&quot; \\1</title>"


def test_compressed_page_has_the_title() -> None:
    titled = with_title(page(), "Keynote")
    assert titled.gzipped is not None
    assert gzip.decompress(titled.gzipped) == titled.body


def test_each_title_has_its_etag() -> None:
    """A browser that has the page with another title gets the new one."""
    etags = {with_title(page(), title).etag for title in ("a", "b", "a")}
    assert len(etags) == 2
    assert '"1"' not in etags
    assert all(etag.startswith('"1-') and etag.endswith('"') for etag in etags)
    assert with_title(page(etag=""), "a").etag == ""
    assert "Last-Modified" not in with_title(page(), "a").headers


def test_links_of_the_page_stay_known() -> None:
    assert with_title(page(), "a").links == ("a.js",)


@pytest.mark.parametrize("blob", [page(encoding="gzip"), Blob(5_000_000, '"1"', HEADERS)], ids=["compressed", "large"])
def test_page_that_cannot_be_changed_stays(blob: Blob) -> None:
    assert with_title(blob, "a") is blob
