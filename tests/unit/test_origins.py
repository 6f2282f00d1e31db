from __future__ import annotations

import pytest

from signin.visits.origins import NO_ORIGINS, Origins


def problem(text: str) -> str:
    with pytest.raises(ValueError, match=r"^entry ") as raised:
        Origins.parse(text)
    return str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "https://www.example.com http://127.0.0.1:8000",
        "https://www.example.com,http://127.0.0.1:8000",
        " https://www.example.com ,\n\thttp://127.0.0.1:8000, ",
        "https://www.example.com http://127.0.0.1:8000 https://www.example.com",
    ],
)
def test_list_has_commas_or_spaces(text: str) -> None:
    assert Origins.parse(text).listed == ("https://www.example.com", "http://127.0.0.1:8000")


@pytest.mark.parametrize("text", ["", " ", " , "])
def test_empty_list_allows_no_origin(text: str) -> None:
    assert Origins.parse(text) == NO_ORIGINS
    assert not any(NO_ORIGINS.allows(origin) for origin in ("https://www.example.com", "null", "*", ""))


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "https://www.example.com",
        "https://www.example.com:8443",
        "http://www.example.com",
        "http://www.example.com:443",
        "https://www.example.com:80",
        "http://localhost:5173",
        "http://127.0.0.1",
        "https://xn--mnchen-3ya.example",
        "https://a--b.my_host.example",
        "https://1.2.example",
        "https://www.example.com:1",
        "https://www.example.com:65535",
    ],
)
def test_listed_origin_is_allowed_and_no_other(origin: str) -> None:
    origins = Origins.parse(f"https://other.example {origin}")
    assert origins.allows(origin)
    host = origin.split("/")[2].split(":")[0]
    for other in (f"{origin}0", f"{origin}/", f"{origin}.example", f"https://a.{host}", f"ftp://{host}", host, "null"):
        assert not origins.allows(other)
    assert not origins.allows(origin.upper())
    assert not origins.allows(f"{origin},{origin}"), "of a request with two headers"


@pytest.mark.parametrize(
    ("entry", "normal"),
    [
        ("https://www.example.com/", "https://www.example.com"),
        ("https://www.example.com/blog?a#b", "https://www.example.com"),
        ("https://www.example.com?a", "https://www.example.com"),
        ("HTTPS://www.example.com", "https://www.example.com"),
        ("https://Www.Example.Com:8443", "https://www.example.com:8443"),
        ("https://www.example.com:443", "https://www.example.com"),
        ("http://www.example.com:80", "http://www.example.com"),
        ("http://www.example.com:08000", "http://www.example.com:8000"),
    ],
)
def test_origin_in_another_form_is_refused_with_the_right_one(entry: str, normal: str) -> None:
    assert problem(entry) == f"entry 1 has to be {normal}, as browsers send it"


@pytest.mark.parametrize(
    "entry",
    [
        *(
            "null",
            "www.example.com",
            "//www.example.com",
            "https://",
            "https:///",
            "https:www.example.com",
            "file:///a",
        ),
        *("ftp://a.example", "wss://a.example", "chrome-extension://abc", "https://a.example.", "https://.a.example"),
        *("https://a..example", "https://-a.example", "https://a-.example", "https://[::1]", "https://a.example:"),
        *("https://a.example:0", "https://a.example:65536", "https://a.example:x", "https://me:secret@a.example"),
        *("https://a.example;https://b.example", "'self'", "https://a.example\x00", "https://a\x7f.example"),
    ],
)
def test_other_entry_is_no_origin(entry: str) -> None:
    """The message repeats no part of it, which may be a secret in the wrong place."""
    assert problem(f"https://a.example {entry}") == "entry 2 is no origin, such as https://www.example.com"


@pytest.mark.parametrize("entry", ["https://*.example.com", "*.example.com", "**", "https://a.example *", "*,*"])
def test_pattern_is_refused(entry: str) -> None:
    assert problem(entry).endswith(" is a pattern: list each origin in full, or allow all by a single *")


@pytest.mark.parametrize("entry", ["https://m\u00fcnchen.example", "https://a.example/\u00e9", "\u212aa", "\u0661"])
def test_origin_with_other_letters_has_to_be_in_ascii(entry: str) -> None:
    assert problem(entry) == "entry 1 has to be in ASCII: location.origin has that form in a browser"


def test_star_allows_each_origin_of_http_and_https() -> None:
    origins = Origins.parse(" * ")
    assert origins.allows("https://www.example.com")
    assert origins.allows("http://localhost:5173")
    for origin in ("null", "*", "", "https://a/b", "HTTPS://a", "https://a:443", "https://a,https://b", "file://", "a"):
        assert not origins.allows(origin)
