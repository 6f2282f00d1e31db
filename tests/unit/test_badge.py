from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import pytest

from signin.website.badge import badge

SVG = "{http://www.w3.org/2000/svg}"
TOTALS = [0, 1, 42, 999, 1_000, 123_456, 14_000_000, 10**15]


def parsed(total: int) -> ElementTree.Element:
    return ElementTree.fromstring(badge(total))  # noqa: S314


@pytest.mark.parametrize(("total", "number"), [(0, "0"), (999, "999"), (1_234_567, "1,234,567")])
def test_badge_has_total_in_text_and_title(total: int, number: str) -> None:
    svg = parsed(total)
    assert [text.text for text in svg.iter(f"{SVG}text")] == ["visits", number]
    assert svg.findtext(f"{SVG}title") == f"visits: {number}"
    assert svg.get("role") == "img"


@pytest.mark.parametrize("total", TOTALS)
def test_each_text_stays_in_its_half(total: int) -> None:
    svg = parsed(total)
    boundary = int(svg.findall(f"{SVG}path")[1].get("d", "")[1:].split()[0])
    width = int(svg.get("width", 0))
    for text, begin, end in zip(svg.iter(f"{SVG}text"), (0, boundary), (boundary, width), strict=True):
        x, length = int(text.get("x", 0)), int(text.get("textLength", 0))
        assert begin < x
        assert x + length < end


def test_badge_widens_with_the_number() -> None:
    widths = [int(parsed(10**digits).get("width", 0)) for digits in range(10)]
    assert all(narrower < wider for narrower, wider in pairwise(widths))


def test_badge_has_no_styles_scripts_or_ids() -> None:
    svg = parsed(1)
    assert {element.tag.removeprefix(SVG) for element in svg.iter()} == {"svg", "title", "path", "g", "circle", "text"}
    assert not {"id", "class", "style", "href"}.intersection(name for element in svg.iter() for name in element.attrib)
