"""Any path and headers: no internal error, no request outside the container, no input in the response."""

from __future__ import annotations

import asyncio

import azure.functions as func
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import function_app

from .blob_service import MODIFIED, BlobService, StoredBlob
from .whole_app import Surroundings

CANARY = "canary"
PIECES = [
    *("..", ".", "...", "/", "//", "\\", "%", "%2e", "%2F", "%5c", "%00", "%252e", "%c0%ae", "\0", "\r\n", "\t", " "),
    *("?", "#", ";", ":", "@", "&", "*", "$web", "~", "http:", "evil.example", ":80", "?comp=list", "\u2215", "\uff0f"),
    *(
        "é",
        "😀",
        "\ud800",
        "\u202e",
        "\u2028",
        "\ufeff",
        "\x7f",
        "content",
        "index.html",
        "guide",
        "404.html",
        "a" * 600,
    ),
]
PATHS = st.lists(st.sampled_from([*PIECES, CANARY]), max_size=8).map("".join) | st.text(max_size=30)
VALUES = st.lists(
    st.sampled_from(["bytes=", "0", "9" * 19, "-", ",", ";q=", "gzip", "*", '"', "W/", MODIFIED, "\r\n", "\xe9", "€"]),
    max_size=6,
).map("".join)
NAMES = st.sampled_from(
    [
        *("Range", "If-Range", "If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"),
        *("Accept-Encoding", "Host", "X-Forwarded-Proto", "X-Original-URL", "Authorization", "Cookie"),
    ]
)


@pytest.mark.usefixtures("environment")
def test_any_request_stays_inside_the_container(around: Surroundings) -> None:
    service = BlobService(index_html="<p>Home" * 300, **{"404_html": "<p>Not found" * 300})
    service.blobs["guide/index.html"] = StoredBlob(b"<p>Guide")
    service.server = around.blobs
    around.blobs.handler = service.serve
    seen: set[int] = set()

    with asyncio.Runner() as runner:

        @settings(max_examples=3000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
        @given(PATHS, st.sampled_from(["GET", "HEAD"]), st.dictionaries(NAMES, VALUES, max_size=4), st.text(max_size=9))
        def check(path: str, method: str, headers: dict[str, str], query: str) -> None:
            url = f"http://localhost/{path}?{query}"
            request = func.HttpRequest(method, url, headers=headers, route_params={"path": path}, body=b"")
            response = runner.run(function_app.website(request))
            seen.add(response.status_code)
            assert response.status_code in (200, 206, 301, 304, 404, 405, 412, 416)
            assert not service.violations
            assert CANARY.encode() not in response.get_body()
            sent = {**response.headers}
            if response.status_code == 301:
                location = sent.pop("Location")
                assert location.isascii()
                assert location.isprintable()
                assert location.startswith("/guide/")
            assert not [value for value in sent.values() if CANARY in value or not value.isprintable()]
            if response.status_code != 405:
                assert response.headers["Content-Security-Policy"]

        check()
    assert {200, 301, 404} <= seen, "some examples must reach a page"
