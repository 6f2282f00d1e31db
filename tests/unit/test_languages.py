"""The language that a visitor prefers."""

from __future__ import annotations

import tracemalloc

import pytest

from signin.visits.dimensions import OTHER, SignInRequest, labels_of
from signin.visits.languages import LANGUAGES


def language(accept_language: str) -> str:
    return labels_of(SignInRequest({"accept-language": accept_language}))["Language"]


@pytest.mark.parametrize(
    ("header", "label"),
    [
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("en-US,en;q=0.5", "en"),
        ("fr", "fr"),
        ("zh-Hant-TW", "zh"),
        ("DE-at", "de"),
        ("de;q=0.5, en;q=0.7", "en"),
        ("de;q=0.7, en;q=0.7", "de"),
        ("de;q=0.999 , en ; q=1.000", "en"),
        ("de;q=0, en;q=0.001", "en"),
        ("*, pt;q=0.5", "pt"),
        # codes of other ages and lengths
        ("iw", "he"),
        ("in-ID", "id"),
        ("fil-PH", "tl"),
        ("nb-NO", "nb"),
        # malformed parts are ignored
        (", ,;;,sv;q=0.2", "sv"),
        ("de_DE, fi;q=0.1", "fi"),
        ("de;q=2, fi;q=0.1", "fi"),
        ("de;q=1.5, fi;q=0.1", "fi"),
        ("de;q=-1, fi;q=0.1", "fi"),
        ("de;q=nan, fi;q=0.1", "fi"),
        ("de;q=1e9, fi;q=0.1", "fi"),
        ("dé, fi;q=0.1", "fi"),
        # no language of the list
        ("", OTHER),
        ("*", OTHER),
        ("de;q=0", OTHER),
        ("xx", OTHER),
        ("tlh", OTHER),
        ("x-klingon", OTHER),
        ("Other", OTHER),
        ("\x00", OTHER),
        ("İ", OTHER),
        ("," * 100_000, OTHER),
        ("a" * 100_000, OTHER),
        ("a-" * 50_000, OTHER),
        ("de" + " " * 200 + "!", OTHER),
        ("de" + " " * 100_000 + "!", "de"),
        ("de," * 100_000, "de"),
    ],
)
def test_language_with_highest_weight_is_counted(header: str, label: str) -> None:
    assert language(header) == label


def test_request_without_header_is_other() -> None:
    assert labels_of(SignInRequest())["Language"] == OTHER


def test_labels_are_the_183_codes_of_two_letters() -> None:
    codes = set(LANGUAGES.values())
    assert len(codes) == 183
    assert all(len(code) == 2 and code.isascii() and code.islower() for code in codes)
    assert {"en", "zh", "hi", "es", "ar", "fr", "bn", "pt", "id", "ur", "ru", "de", "ja"} <= codes


def test_long_headers_are_not_kept_in_memory() -> None:
    """The host accepts headers of up to about 32 KB; the cache holds a thousand."""
    tracemalloc.start()
    try:
        for number in range(50):
            language("x" * 100_000 + str(number))
        retained, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert retained < 1_000_000
