"""What visitors take along: the code as a file, the tables as CSV, and a poster on paper."""

from __future__ import annotations

import base64
import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from .layout import layout_problems
from .qr import scan, scan_picture
from .site import Site
from .visitor import Visitor, Visitors


@pytest.fixture
def visitor(shared_site: Site, visitors: Visitors) -> Visitor:
    visitor = visitors.open(shared_site, color_scheme="dark")
    visitor.expect_state("live")
    return visitor


def _saved(page: Page, button: str) -> Path:
    """The file that a button saves, under its own name."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    folder = download.value.path().parent
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_saved_codes_contain_the_address_also_offline(visitor: Visitor) -> None:
    visitor.tolerate("ERR_INTERNET_DISCONNECTED")
    page = visitor.page
    page.context.set_offline(True)
    svg, png = (_saved(page, f"Save the code as {name}") for name in ("SVG", "PNG"))
    stem = "signin-" + visitor.url.removeprefix("http://").rstrip("/").replace(":", "-")
    assert (svg.name, png.name) == (f"{stem}.svg", f"{stem}.png")

    side = int(page.get_by_test_id("qr").evaluate("svg => svg.viewBox.baseVal.width"))
    picture = png.read_bytes()
    assert scan_picture(page, picture, side) == visitor.url
    width, height = (int.from_bytes(picture[start : start + 4], "big") for start in (16, 20))  # in the header of a PNG
    assert width == height >= 1024
    assert width % side == 0, "each module has a whole number of pixels"

    viewer = page.context.new_page()
    source = base64.b64encode(svg.read_bytes()).decode()
    viewer.set_content(f'<img width="{8 * side}" src="data:image/svg+xml;base64,{source}">')
    assert scan_picture(viewer, viewer.locator("img").screenshot(), side) == visitor.url


def _rows(path: Path) -> list[list[str]]:
    text = path.read_bytes().decode()
    assert text.startswith("\ufeff")
    return list(csv.reader(text[1:].splitlines(keepends=True), strict=True))


def test_saved_tables_have_the_numbers_of_the_page(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_text("As a table").click()
    path = _saved(page, "Save the table as CSV")
    assert re.fullmatch(r"signin-[\d.]+-\d+-minutes-\d{4}-\d\d-\d\d\.csv", path.name)
    heading, *rows = _rows(path)
    assert heading == ["From", "Check-ins"]
    assert [int(count) for _, count in rows] == visitor.columns
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:00Z", time) for time, _ in rows)

    page.get_by_text("Year", exact=True).click()
    assert [int(count) for _, count in _rows(_saved(page, "Save the table as CSV"))[1:]] == visitor.columns

    heading, *rows = _rows(_saved(page, "Save the counts as CSV"))
    assert heading == ["By", "Label", "Check-ins"]
    by_os = [(label, int(count)) for by, label, count in rows if by == "Operating system"]
    assert by_os == visitor.bars("by-os")
    assert {by for by, _, _ in rows} == {"Operating system", "Device", "Browser", "Country", "Language"}


def test_button_prints_a_poster(visitor: Visitor) -> None:
    page = visitor.page
    page.evaluate("() => void (globalThis.print = () => document.body.classList.add('printed'))")
    page.get_by_role("button", name="Print a poster").click()
    expect(page.locator("body")).to_have_class(re.compile("printed"))


@pytest.mark.parametrize("view", ["page", "presentation"])
def test_poster_has_the_title_the_code_and_the_address(visitor: Visitor, view: str) -> None:
    page = visitor.page
    page.evaluate("presenting => document.body.classList.toggle('presenting', presenting)", view != "page")
    page.set_viewport_size(ViewportSize(width=794, height=1123))  # A4 at 96 dpi
    page.emulate_media(media="print")
    assert page.locator("body").inner_text().splitlines() == [
        "Realtime Sign-in",
        "Scan to check in",
        visitor.url.rstrip("/"),
    ]
    assert layout_problems(page) == []
    code = page.get_by_test_id("qr")
    assert scan(code) == visitor.url
    assert code.evaluate("code => code.getBoundingClientRect().width") > 500
    colors = "element => [getComputedStyle(element).color, getComputedStyle(document.body).backgroundColor]"
    for text in ("h1", ".for-all", ".address"):
        assert page.locator(text).evaluate(colors) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
