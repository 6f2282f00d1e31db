from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from signin.website.badge import Badge, InvalidBadge, label_from

SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = ["0", "1", "42", "999", "1,000", "123,456", "14,000,000", "1,000,000,000,000,000", "12+"]
LABELS = [
    "visits",
    "people",
    "W" * 40,
    "i" * 40,
    "x",
    "Besucher*innen im Saal",
    "a < b & \"c\" 'd'",
    "посетители",
    "\u0632\u0648\u0627\u0631",
    "来場者数",
    "\U0001f389 party",
]


def parsed(label: str, number: str) -> ElementTree.Element:
    return ElementTree.fromstring(Badge(label, number).svg())  # noqa: S314


@pytest.mark.parametrize("label", LABELS)
def test_badge_has_label_and_number_in_text_and_title(label: str) -> None:
    svg = parsed(label, "1,234,567")
    assert [text.text for text in svg.iter(f"{SVG}text")] == [label, "1,234,567"]
    assert svg.findtext(f"{SVG}title") == f"{label}: 1,234,567"
    assert svg.get("role") == "img"


@pytest.mark.parametrize(("label", "number"), [*(("visits", n) for n in NUMBERS), *((label, "7") for label in LABELS)])
def test_each_text_stays_in_its_half(label: str, number: str) -> None:
    svg = parsed(label, number)
    boundary = int(svg.findall(f"{SVG}path")[1].get("d", "")[1:].split()[0])
    width = int(svg.get("width", 0))
    for text, begin, end in zip(svg.iter(f"{SVG}text"), (0, boundary), (boundary, width), strict=True):
        x, length = int(text.get("x", 0)), int(text.get("textLength", 0))
        assert begin < x
        assert x + length < end


def test_badge_widens_with_the_number() -> None:
    widths = [int(parsed("visits", f"{10**digits:,}").get("width", 0)) for digits in range(10)]
    assert all(narrower < wider for narrower, wider in pairwise(widths))


def label_width(label: str) -> int:
    return int(next(parsed(label, "1").iter(f"{SVG}text")).get("textLength", 0))


@pytest.mark.parametrize(
    ("label", "pixels"),
    [
        ("visits", 28.4),
        ("people", 37.3),
        ("here now", 51.0),
        ("ILLEGAL JIM'S", 79.2),
        ("WWW.EXAMPLE.COM", 117.2),
        ("Check-ins (today)", 96.9),
        ("Besucher*innen", 87.6),
        ("mmmm %%%% @@@@", 135.7),
        ("Café Zürich", 63.7),
        ("посетители", 67.6),
        ("\u0632\u0648\u0627\u0631 \u0627\u0644\u0642\u0627\u0639\u0629", 50.3),
    ],
)
def test_label_has_about_the_width_of_verdana(label: str, pixels: float) -> None:
    """The widths are by the metrics of Verdana at 11 pixels."""
    assert label_width(label) == pytest.approx(pixels, rel=0.05, abs=1)


def test_marks_add_no_width_and_pictograms_that_of_the_font() -> None:
    assert label_width("i\u0302i\u0302i\u0302") == label_width("\u00ee\u00ee\u00ee") == label_width("iii")
    assert label_width("\U0001f389") == label_width("\u6765") == 11
    assert label_width("\u2764\ufe0f") == label_width("\u2764")


def test_badge_has_no_styles_scripts_or_ids() -> None:
    svg = parsed("<script>alert(1)</script>", "1")
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == {"svg", "title", "path", "g", "circle", "text"}
    assert not {"id", "class", "style", "href"}.intersection(name for element in svg.iter() for name in element.attrib)


def test_json_is_an_endpoint_of_shields() -> None:
    assert Badge("a < b", "1,234").to_json() == {
        "schemaVersion": 1,
        "label": "a < b",
        "message": "1,234",
        "color": "0b6e69",
    }


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("", None),
        ("  ", None),
        ("\u00a0\u3000", None),
        ("in the hall", "in the hall"),
        ("  in  the\u00a0 hall ", "in the hall"),
        ("x" * 40, "x" * 40),
        ("<b>&amp;</b> \"'", "<b>&amp;</b> \"'"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\u200d\U0001f469\u200d\U0001f467"),
    ],
)
def test_label_is_any_short_text(text: str, label: str | None) -> None:
    assert label_from(text) == label


@pytest.mark.parametrize(
    "text",
    [
        *("x" * 41, "a\x00", "a\nb", "a\tb", "a\x1bb", "a\x7f", "a\x85b", "a\u2028b", "a\u202eb", "\u2067a", "\u202aa"),
        *("a\ud800", "\udcff", "\ufffe", "\uffff"),
    ],
)
def test_other_label_is_refused(text: str) -> None:
    with pytest.raises(InvalidBadge, match=r"^label has to have at most 40 characters, without control characters$"):
        label_from(text)
