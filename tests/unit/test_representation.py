from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signin.website.blobs import MAX_BUFFERED, Blob
from signin.website.representation import accepts_gzip, represent

MODIFIED = "Mon, 23 Nov 2026 09:15:00 GMT"
EARLIER = "Mon, 23 Nov 2026 09:14:59 GMT"
LATER = "Tue, 24 Nov 2026 00:00:00 GMT"
DESCRIBED = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache", "Last-Modified": MODIFIED}

PLAIN = Blob(10, '"1"', DESCRIBED, b"0123456789")
COMPRESSIBLE = Blob(10, '"1"', DESCRIBED, b"0123456789", gzipped=b"zipped")
LARGE = Blob(10_000_000, '"1"', DESCRIBED)
BARE = Blob(3, "", {"Content-Type": "text/plain"}, b"abc", gzipped=b"z")


# The whole blob


def test_blob_is_sent_with_its_headers() -> None:
    page = represent(PLAIN, "GET", {})
    assert (page.status, page.body, page.unread) == (200, b"0123456789", None)
    assert page.headers == {**DESCRIBED, "ETag": '"1"', "Accept-Ranges": "bytes"}


def test_large_blob_is_left_to_be_read() -> None:
    page = represent(LARGE, "GET", {})
    assert (page.status, page.body, page.unread) == (200, b"", range(10_000_000))


@pytest.mark.parametrize(
    ("blob", "size"), [(PLAIN, 10), (LARGE, 10_000_000), (COMPRESSIBLE, 6)], ids=["buffered", "large", "compressed"]
)
def test_head_describes_the_whole_get_response(blob: Blob, size: int) -> None:
    accepted = {"accept-encoding": "gzip"}
    page = represent(blob, "HEAD", accepted | {"range": "bytes=0-1"})
    assert (page.status, page.body, page.unread) == (200, b"", None)
    assert page.headers == {**represent(blob, "GET", accepted).headers, "Content-Length": str(size)}


# A blob above the limit

MAX_FILE = 9_999_999


def test_blob_above_the_limit_is_refused_as_a_whole() -> None:
    for method, headers in (("GET", {}), ("HEAD", {}), ("GET", {"range": "bytes=0-1", "if-range": '"0"'})):
        page = represent(LARGE, method, headers, MAX_FILE)
        assert (page.status, page.unread) == (403, None)
        assert page.body == b"This file has more than 9 MB: it is served in parts only, by Range requests.\n"
        assert page.headers["Accept-Ranges"] == "bytes"
        assert "ETag" not in page.headers
    assert represent(LARGE, "GET", {}, MAX_FILE + 1).status == 200
    assert represent(LARGE, "GET", {"if-none-match": '"1"'}, MAX_FILE).status == 304


@pytest.mark.parametrize(
    ("range_header", "part"),
    [
        ("bytes=0-", range(MAX_BUFFERED)),
        ("bytes=10-9999998", range(10, 10 + MAX_BUFFERED)),
        ("bytes=-6000000", range(4_000_000, 4_000_000 + MAX_BUFFERED)),
        ("bytes=9000000-", range(9_000_000, 10_000_000)),
        ("bytes=5-6", range(5, 7)),
    ],
)
def test_ranges_of_blob_above_the_limit_are_cut(range_header: str, part: range) -> None:
    page = represent(LARGE, "GET", {"range": range_header}, MAX_FILE)
    assert (page.status, page.unread) == (206, part)
    assert page.headers["Content-Range"] == f"bytes {part[0]}-{part[-1]}/10000000"


def test_ranges_of_blob_within_the_limit_are_complete() -> None:
    page = represent(LARGE, "GET", {"range": "bytes=0-"}, MAX_FILE + 1)
    assert (page.status, page.unread) == (206, range(10_000_000))


# Encoding


def test_gzip_response_has_its_own_etag() -> None:
    page = represent(COMPRESSIBLE, "GET", {"accept-encoding": "gzip, br"})
    assert (page.status, page.body) == (200, b"zipped")
    assert page.headers["Content-Encoding"] == "gzip"
    assert page.headers["ETag"] == '"1-gzip"'


@pytest.mark.parametrize("accepted", ["gzip", "br", ""])
@pytest.mark.parametrize("condition", [{}, {"if-none-match": "*"}, {"range": "bytes=0-0"}])
def test_compressible_blob_always_has_vary(accepted: str, condition: dict[str, str]) -> None:
    page = represent(COMPRESSIBLE, "GET", {"accept-encoding": accepted, **condition})
    assert page.headers["Vary"] == "Accept-Encoding"


def test_incompressible_blob_has_no_vary() -> None:
    assert "Vary" not in represent(PLAIN, "GET", {"accept-encoding": "gzip"}).headers


def test_gzip_of_blob_without_etag_has_none() -> None:
    assert "ETag" not in represent(BARE, "GET", {"accept-encoding": "gzip"}).headers


@pytest.mark.parametrize(
    "accepted",
    ["gzip", "GZIP", "x-gzip", "*", "deflate, gzip;q=1.0, *;q=0.5", "gzip; q=0.001", "br;q=1, gzip;q=0.8", " gzip ,br"],
)
def test_gzip_is_accepted(accepted: str) -> None:
    assert accepts_gzip(accepted)


@pytest.mark.parametrize(
    "accepted",
    [
        *("", "br", "identity", "gzipped", "gzip;q=0", "gzip;q=0.000", "gzip;q=0, *", "*;q=0", "identity;q=1, *;q=0"),
        *("gzip;q=0.5, identity", "gzip;", "gzip;q=2", "gzip;q=x", "gzip;q=-1", "gzip q=1"),
    ],
)
def test_gzip_is_refused_or_not_preferred(accepted: str) -> None:
    assert not accepts_gzip(accepted)


# Preconditions


@pytest.mark.parametrize(
    "tags", ['"1"', 'W/"1"', '"0", "1"', '"0",W/"1"', "*", ' "1" ', '"a,b", "1"'], ids=lambda tags: tags
)
def test_matching_etag_gives_304(tags: str) -> None:
    for method in ("GET", "HEAD"):
        page = represent(PLAIN, method, {"if-none-match": tags})
        assert (page.status, page.body) == (304, b"")
        assert page.headers["ETag"] == '"1"'
        assert page.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("tags", ['"0"', "1", '"1-gzip"', "", '"1', "W/", '"*"'])
def test_other_or_malformed_etag_gives_200(tags: str) -> None:
    assert represent(PLAIN, "GET", {"if-none-match": tags}).status == 200


def test_each_encoding_matches_only_its_etag() -> None:
    gzip = {"accept-encoding": "gzip"}
    assert represent(COMPRESSIBLE, "GET", gzip | {"if-none-match": '"1-gzip"'}).status == 304
    assert represent(COMPRESSIBLE, "GET", gzip | {"if-none-match": '"1"'}).status == 200
    assert represent(COMPRESSIBLE, "GET", {"if-none-match": '"1-gzip"'}).status == 200


@pytest.mark.parametrize(
    ("since", "status"),
    [
        (MODIFIED, 304),
        (LATER, 304),
        ("Monday, 23-Nov-26 09:15:00 GMT", 304),
        ("Mon Nov 23 09:15:00 2026", 304),
        (EARLIER, 200),
        ("yesterday", 200),
        ("", 200),
        ("Mon, 23 Nov 99999999999999999999 09:15:00 GMT", 200),
    ],
)
def test_if_modified_since_compares_dates(since: str, status: int) -> None:
    assert represent(PLAIN, "GET", {"if-modified-since": since}).status == status


def test_etag_conditions_override_dates() -> None:
    assert represent(PLAIN, "GET", {"if-none-match": '"0"', "if-modified-since": LATER}).status == 200
    assert represent(PLAIN, "GET", {"if-match": '"1"', "if-unmodified-since": EARLIER}).status == 200


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ({"if-match": '"1"'}, 200),
        ({"if-match": '"0", "1"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": '"0"'}, 412),
        ({"if-match": 'W/"1"'}, 412),
        ({"if-unmodified-since": MODIFIED}, 200),
        ({"if-unmodified-since": LATER}, 200),
        ({"if-unmodified-since": EARLIER}, 412),
        ({"if-unmodified-since": "yesterday"}, 200),
        ({"if-match": '"0"', "if-none-match": '"1"'}, 412),
    ],
)
def test_unmet_precondition_gives_412(condition: dict[str, str], status: int) -> None:
    assert represent(PLAIN, "GET", condition).status == status


def test_blob_without_validators_is_always_sent() -> None:
    conditions = {"if-none-match": '""', "if-modified-since": LATER, "if-unmodified-since": EARLIER}
    assert represent(BARE, "GET", conditions).status == 200
    assert represent(BARE, "GET", {"if-modified-since": LATER}).status == 200


# Ranges


@pytest.mark.parametrize(
    ("range_header", "body", "content_range"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=7-1000", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-1000", b"0123456789", "bytes 0-9/10"),
        ("Bytes = 2 - 4", b"234", "bytes 2-4/10"),
    ],
)
def test_range_is_sent_with_its_position(range_header: str, body: bytes, content_range: str) -> None:
    page = represent(PLAIN, "GET", {"range": range_header})
    assert (page.status, page.body, page.headers["Content-Range"]) == (206, body, content_range)
    assert page.headers["ETag"] == '"1"'


def test_range_of_large_blob_is_left_to_be_read() -> None:
    page = represent(LARGE, "GET", {"range": "bytes=5000000-"})
    assert (page.status, page.body, page.unread) == (206, b"", range(5_000_000, 10_000_000))


@pytest.mark.parametrize("range_header", ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=999999999999999999-"])
def test_range_beyond_the_end_gives_416(range_header: str) -> None:
    page = represent(PLAIN, "GET", {"range": range_header})
    assert (page.status, page.body, page.headers) == (416, b"", {"Content-Range": "bytes */10"})


def test_empty_blob_satisfies_no_range() -> None:
    assert represent(Blob(0, '"1"', {}, b""), "GET", {"range": "bytes=0-"}).status == 416


@pytest.mark.parametrize(
    "range_header",
    [
        *("bytes=4-2", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes 0-1", "", "bytes=\u0660-\u0661"),
        f"bytes={'9' * 5000}-",
    ],
    ids=lambda range_header: range_header[:16],
)
def test_malformed_range_is_ignored(range_header: str) -> None:
    page = represent(PLAIN, "GET", {"range": range_header})
    assert (page.status, page.body) == (200, b"0123456789")


@pytest.mark.parametrize(
    ("validator", "status"),
    [('"1"', 206), (MODIFIED, 206), ('"0"', 200), ('W/"1"', 200), (EARLIER, 200), (LATER, 200), ("", 200)],
)
def test_if_range_requires_the_same_version(validator: str, status: int) -> None:
    assert represent(PLAIN, "GET", {"range": "bytes=0-0", "if-range": validator}).status == status


def test_range_is_of_the_uncompressed_blob() -> None:
    page = represent(COMPRESSIBLE, "GET", {"range": "bytes=0-3", "accept-encoding": "gzip"})
    assert (page.status, page.body, page.headers["ETag"]) == (206, b"0123", '"1"')
    assert "Content-Encoding" not in page.headers


# Any headers

CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")
NAMES = st.sampled_from(("accept-encoding", "range", *CONDITIONS))
PIECES = st.sampled_from(
    ["bytes", "=", "-", ",", ";", "q=", "0", "1", "9" * 19, "gzip", "*", '"', "W/", '"1"', MODIFIED, EARLIER, " ", "é"]
)
VALUES = st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=20)


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES), st.sampled_from([PLAIN, COMPRESSIBLE, LARGE, BARE]))
def test_any_headers_give_a_consistent_response(headers: dict[str, str], blob: Blob) -> None:
    page = represent(blob, "GET", headers)
    assert page.status in (200, 206, 304, 412, 416)
    if page.status == 200:
        assert page.body in (blob.body, blob.gzipped) or page.unread == range(blob.size)
    elif page.status == 206:
        start, end = page.headers["Content-Range"].removeprefix("bytes ").partition("/")[0].split("-")
        assert 0 <= int(start) <= int(end) < blob.size
        assert (page.unread or range(int(start), int(end) + 1)) == range(int(start), int(end) + 1)
        assert page.body == (blob.body or b"")[int(start) : int(end) + 1]
    else:
        assert (page.body, page.unread) == (b"", None)
