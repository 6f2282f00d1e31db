from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signin.website.blobs import Blob
from signin.website.representation import accepts_gzip, represent

MODIFIED = "Mon, 23 Nov 2026 09:15:00 GMT"
EARLIER = "Mon, 23 Nov 2026 09:14:59 GMT"
LATER = "Tue, 24 Nov 2026 00:00:00 GMT"
DESCRIBED = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-cache", "Last-Modified": MODIFIED}

PLAIN = Blob(10, '"1"', DESCRIBED, b"0123456789")
COMPRESSIBLE = Blob(10, '"1"', DESCRIBED, b"0123456789", gzipped=b"zipped")
LARGE = Blob(10_000_000, '"1"', DESCRIBED)
BARE = Blob(3, "", {"Content-Type": "text/plain"}, b"abc", gzipped=b"z")


# The whole


def test_a_blob_is_sent_as_it_is_with_what_describes_it() -> None:
    page = represent(PLAIN, "GET", {})
    assert (page.status, page.body, page.unread) == (200, b"0123456789", None)
    assert page.headers == {**DESCRIBED, "ETag": '"1"', "Accept-Ranges": "bytes"}


def test_of_a_large_blob_all_bytes_are_still_to_be_read() -> None:
    page = represent(LARGE, "GET", {})
    assert (page.status, page.body, page.unread) == (200, b"", range(10_000_000))


@pytest.mark.parametrize(
    ("blob", "size"), [(PLAIN, 10), (LARGE, 10_000_000), (COMPRESSIBLE, 6)], ids=["held", "large", "compressed"]
)
def test_head_tells_what_get_would_send_of_the_whole(blob: Blob, size: int) -> None:
    accepted = {"accept-encoding": "gzip"}
    page = represent(blob, "HEAD", accepted | {"range": "bytes=0-1"})
    assert (page.status, page.body, page.unread) == (200, b"", None)
    assert page.headers == {**represent(blob, "GET", accepted).headers, "Content-Length": str(size)}


# Encoding


def test_who_accepts_it_gets_it_compressed_with_an_etag_of_its_own() -> None:
    page = represent(COMPRESSIBLE, "GET", {"accept-encoding": "gzip, br"})
    assert (page.status, page.body) == (200, b"zipped")
    assert page.headers["Content-Encoding"] == "gzip"
    assert page.headers["ETag"] == '"1-gzip"'


@pytest.mark.parametrize("accepted", ["gzip", "br", ""])
@pytest.mark.parametrize("condition", [{}, {"if-none-match": "*"}, {"range": "bytes=0-0"}])
def test_caches_are_told_that_the_encoding_depends_on_the_request(accepted: str, condition: dict[str, str]) -> None:
    page = represent(COMPRESSIBLE, "GET", {"accept-encoding": accepted, **condition})
    assert page.headers["Vary"] == "Accept-Encoding"


def test_what_is_never_compressed_does_not_depend_on_the_request() -> None:
    assert "Vary" not in represent(PLAIN, "GET", {"accept-encoding": "gzip"}).headers


def test_without_an_etag_there_is_none_of_the_compressed_variant_either() -> None:
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
def test_gzip_is_not_accepted_or_not_preferred(accepted: str) -> None:
    assert not accepts_gzip(accepted)


# Conditions


@pytest.mark.parametrize(
    "tags", ['"1"', 'W/"1"', '"0", "1"', '"0",W/"1"', "*", ' "1" ', '"a,b", "1"'], ids=lambda tags: tags
)
def test_what_the_browser_has_is_not_sent_again(tags: str) -> None:
    for method in ("GET", "HEAD"):
        page = represent(PLAIN, method, {"if-none-match": tags})
        assert (page.status, page.body) == (304, b"")
        assert page.headers["ETag"] == '"1"'
        assert page.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("tags", ['"0"', "1", '"1-gzip"', "", '"1', "W/", '"*"'])
def test_what_the_browser_does_not_have_is_sent(tags: str) -> None:
    assert represent(PLAIN, "GET", {"if-none-match": tags}).status == 200


def test_each_encoding_is_known_by_its_own_etag() -> None:
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
def test_what_has_not_been_modified_since_is_not_sent_again(since: str, status: int) -> None:
    assert represent(PLAIN, "GET", {"if-modified-since": since}).status == status


def test_a_date_does_not_count_where_there_are_etags() -> None:
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
def test_who_wants_another_version_gets_none(condition: dict[str, str], status: int) -> None:
    assert represent(PLAIN, "GET", condition).status == status


def test_a_blob_without_validators_is_always_sent() -> None:
    conditions = {"if-none-match": '""', "if-modified-since": LATER, "if-unmodified-since": EARLIER}
    assert represent(BARE, "GET", conditions).status == 200
    assert represent(BARE, "GET", {"if-modified-since": LATER}).status == 200


# Ranges


@pytest.mark.parametrize(
    ("wanted", "body", "content_range"),
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
def test_a_part_is_sent_with_its_place(wanted: str, body: bytes, content_range: str) -> None:
    page = represent(PLAIN, "GET", {"range": wanted})
    assert (page.status, page.body, page.headers["Content-Range"]) == (206, body, content_range)
    assert page.headers["ETag"] == '"1"'


def test_of_a_large_blob_the_bytes_of_the_part_are_to_be_read() -> None:
    page = represent(LARGE, "GET", {"range": "bytes=5000000-"})
    assert (page.status, page.body, page.unread) == (206, b"", range(5_000_000, 10_000_000))


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=999999999999999999-"])
def test_a_part_beyond_the_end_is_refused_with_the_size(wanted: str) -> None:
    page = represent(PLAIN, "GET", {"range": wanted})
    assert (page.status, page.body, page.headers) == (416, b"", {"Content-Range": "bytes */10"})


def test_an_empty_blob_has_no_part() -> None:
    assert represent(Blob(0, '"1"', {}, b""), "GET", {"range": "bytes=0-"}).status == 416


@pytest.mark.parametrize(
    "wanted",
    [
        *("bytes=4-2", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes 0-1", "", "bytes=\u0660-\u0661"),
        f"bytes={'9' * 5000}-",
    ],
    ids=lambda wanted: wanted[:16],
)
def test_a_range_that_is_not_understood_is_passed_over(wanted: str) -> None:
    page = represent(PLAIN, "GET", {"range": wanted})
    assert (page.status, page.body) == (200, b"0123456789")


@pytest.mark.parametrize(
    ("validator", "status"),
    [('"1"', 206), (MODIFIED, 206), ('"0"', 200), ('W/"1"', 200), (EARLIER, 200), (LATER, 200), ("", 200)],
)
def test_a_part_is_sent_only_of_the_version_that_the_client_has(validator: str, status: int) -> None:
    assert represent(PLAIN, "GET", {"range": "bytes=0-0", "if-range": validator}).status == status


def test_a_part_is_never_one_of_the_compressed_variant() -> None:
    page = represent(COMPRESSIBLE, "GET", {"range": "bytes=0-3", "accept-encoding": "gzip"})
    assert (page.status, page.body, page.headers["ETag"]) == (206, b"0123", '"1"')
    assert "Content-Encoding" not in page.headers


# Whatever comes

CONDITIONS = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range")
NAMES = st.sampled_from(("accept-encoding", "range", *CONDITIONS))
PIECES = st.sampled_from(
    ["bytes", "=", "-", ",", ";", "q=", "0", "1", "9" * 19, "gzip", "*", '"', "W/", '"1"', MODIFIED, EARLIER, " ", "é"]
)
VALUES = st.lists(PIECES, max_size=6).map("".join) | st.text(max_size=20)


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(NAMES, VALUES), st.sampled_from([PLAIN, COMPRESSIBLE, LARGE, BARE]))
def test_whatever_the_headers_the_answer_makes_sense(headers: dict[str, str], blob: Blob) -> None:
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
