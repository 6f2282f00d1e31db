"""All text can be read: at every width, in large letters, from right to left, with long names, in forced colours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from playwright.sync_api import APIResponse, FloatRect, Locator, Page, Route, ViewportSize, expect

from .layout import invisible_parts, layout_problems
from .qr import scan
from .site import Site
from .visitor import Visitor, Visitors

_SCREENS = {
    320: 256,  # 1280 x 1024 at 400 % zoom, as WCAG 2.2 requires (1.4.10)
    390: 844,  # a phone
    640: 512,  # 1280 x 1024 at 200 % zoom
    768: 1024,  # a tablet
    1280: 720,
    1920: 1080,  # a projector
}  # height by width, CSS pixels

_COUNTRIES = ["GS", "BA", "AE", "HK", "CD", "US", "GB", "AT", "BE", "CH", "DE", "ES", "FI", "FR", "IT", "Other"]

# The number and the caption have a size that follows the width, whatever the size of letters.
_LARGER_LETTERS = """(sizeOf) => {
  const elements = [...document.querySelectorAll("body *")].filter((element) => !element.closest(".total, .caption"));
  const sizes = elements.map((element) => parseFloat(getComputedStyle(element).fontSize));
  elements.forEach((element, index) => (element.style.fontSize = `${(%s)(sizes[index])}px`));
}"""
_MODES = {
    "left to right": "() => {}",
    "right to left": "() => (document.documentElement.dir = 'rtl')",
    "24 px at least": _LARGER_LETTERS % "(size) => Math.max(size, 24)",
    "twice as large": _LARGER_LETTERS % "(size) => 2 * size",  # 1.4.4
}
_RESET = """() => {
  document.documentElement.removeAttribute("dir");
  for (const element of document.querySelectorAll("body *")) element.style.removeProperty("font-size");
}"""


def _stats(total: int) -> dict[str, object]:
    """Statistics with one label that has all check-ins, which is 100 %, and with many labels and long names."""
    series = {"start": "2026-11-23T11:35:00Z", "counts": [total, *[0] * 58, 1]}
    return {
        "totalNumber": total,
        "byOS": {"Windows": total},
        "byBrowser": {"Samsung Internet": total - 2, "Internet Explorer": 1, "Other": 1},
        "byDevice": {"Desktop": total},
        "byCountry": {country: total // 20 - place for place, country in enumerate(_COUNTRIES)},
        "byLanguage": {**dict.fromkeys(("de", "en", "es", "fr", "nb"), total // 5), "nn": 5},
        "byVisitor": {"New": total},
        "history": {"minutes": series, "hours": series, "days": series},
    }


def _box(locator: Locator) -> FloatRect:
    box = locator.bounding_box()
    assert box
    return box


def _is_from_left_to_right(element: Locator) -> bool:
    """Whether each letter of a line is to the right of the one before."""
    places: list[float] = element.evaluate(
        """({ firstChild: text }) => [...text.data].map((_, index) => {
          const range = document.createRange();
          range.setStart(text, index);
          range.setEnd(text, index + 1);
          return range.getBoundingClientRect().x;
        })"""
    )
    return places == sorted(places)


def _problems(page: Page, widths: Iterable[int] = _SCREENS, mode: str = "left to right") -> list[str]:
    """The problems of the page and of its presentation."""
    problems = []
    for width in widths:
        page.set_viewport_size(ViewportSize(width=width, height=_SCREENS[width]))
        for view in ("page", "presentation"):
            page.evaluate("presenting => document.body.classList.toggle('presenting', presenting)", view != "page")
            page.evaluate(_RESET)
            page.evaluate(_MODES[mode])
            problems += [f"{view}, {width} px, {mode}: {problem}" for problem in layout_problems(page)]
    return problems


TITLE = "Realtime Sign-in"

Open = Callable[..., Visitor]


@pytest.fixture
def open_page(shared_site: Site, visitors: Visitors) -> Iterator[Open]:
    """Opens pages with known statistics: the total, another address with a title, and options of the context."""
    opened = []

    def open_page(total: int, address: str = shared_site.url, title: str = TITLE, **options: Any) -> Visitor:
        visitor = visitors.enter(Site(address, shared_site.signalr_url), reduced_motion="reduce", **options)
        opened.append(visitor)

        def fetch(route: Route) -> APIResponse:
            return route.fetch(url=route.request.url.replace(address, shared_site.url))

        def answer(route: Route) -> None:
            response = fetch(route)
            body = response.json()
            known = _stats(total)
            route.fulfill(response=response, json={**body, "stats": known} if "stats" in body else known)

        def forward(route: Route) -> None:
            response = fetch(route)
            is_page = route.request.is_navigation_request()
            route.fulfill(response=response, body=response.text().replace(TITLE, title) if is_page else None)

        if address != shared_site.url:
            visitor.page.route(f"{address}/**", forward)
            visitor.tolerate("negotiat", "ERR_FAILED")  # Chromium does not let such a page connect to a local service
        for path in ("signin?*", "stats*"):
            visitor.page.route(f"{visitor.url}{path}", answer)
        visitor.page.goto(visitor.url)
        visitor.expect_total(total)
        visitor.page.get_by_text("As a table").click()
        return visitor

    yield open_page
    for visitor in opened:
        visitor.page.unroute_all(behavior="ignoreErrors")  # a request may be under way


def test_text_fits_at_every_width_and_size(open_page: Open) -> None:
    page = open_page(98_765).page
    assert _problems(page) == []
    assert _problems(page, (390, 1280), "right to left") == []
    assert _problems(page, (320, 1280), "24 px at least") == []
    assert _problems(page, (390, 640, 1280), "twice as large") == []


# The longest label of a domain, as Azure makes it unique, and a folder in folders.
_LONG_ADDRESS = (
    f"https://{'a-name-of-the-greatest-length-for-an-app-'.ljust(60, '0')}-fwhbc5ddhagyexdq.germanywestcentral-01"
    ".azurewebsites.net/events/2026/autumn-meeting-of-the-regional-groups/opening-keynote"
)


def test_longest_names_and_numbers_fit_at_every_width(open_page: Open) -> None:
    page = open_page(4_294_967_296, _LONG_ADDRESS, "W" * 100).page
    assert _problems(page) == []
    assert _problems(page, (1280,), "right to left") == []
    assert _box(page.locator(".mark"))["width"] >= 16
    for paper in ("A4", "Letter"):
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) == 1, "the poster fits one sheet"

    title = page.locator("[data-title]")
    title.evaluate("(title, text) => (title.textContent = text)", TITLE)
    for width in (1280, 1920):
        assert _problems(page, (width,)) == []
        assert page.evaluate("document.documentElement.scrollHeight - innerHeight") <= 0, "the presentation fits"
    title.evaluate(
        "title => (title.textContent = `${'The regional groups \N{PARTY POPPER}, '.repeat(4)} 42nd meeting`)"
    )
    assert _problems(page, (320, 1280)) == []


def test_everything_is_visible_in_forced_colors(open_page: Open) -> None:
    visitor = open_page(98_765, forced_colors="active")
    page = visitor.page
    drawings = {".mark": 0.2, ".status": 0.1, ".plot svg": 0.01, ".qr": 0.2}
    languages = "[data-testid=by-language]"
    # The borders are some 0.32 of a bar. One fifth is filled, so that the ground is still the most frequent colour.
    bars = {f"{languages} .bar:first-child .bar-track": 0.38, f"{languages} .bar:last-child .bar-track": 0.2}
    for color_scheme, width, view in (
        ("light", 1280, "page"),
        ("dark", 1280, "page"),
        ("dark", 390, "page"),
        ("dark", 1920, "presentation"),
    ):
        page.emulate_media(color_scheme="dark" if color_scheme == "dark" else "light")
        page.set_viewport_size(ViewportSize(width=width, height=_SCREENS[width]))
        page.evaluate("presenting => document.body.classList.toggle('presenting', presenting)", view != "page")
        assert invisible_parts(page, drawings | (bars if view == "page" else {})) == [], (
            f"{color_scheme}, {width} px, {view}"
        )
        assert scan(page.get_by_test_id("qr")) == visitor.url


def test_not_found_page_is_visible_in_forced_colors(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.enter(shared_site, forced_colors="active")
    visitor.tolerate("status of 404")
    visitor.page.goto(f"{visitor.url}no/such/page")
    assert layout_problems(visitor.page) == []
    assert invisible_parts(visitor.page, {".mark": 0.2}) == []


def test_page_from_right_to_left_is_mirrored(open_page: Open) -> None:
    page = open_page(98_765, "https://1.example/room").page
    page.evaluate("document.documentElement.dir = 'rtl'")

    label, track, count, share = (
        page.get_by_test_id("by-browser").locator(f".bar-{part}").first for part in ("label", "track", "count", "share")
    )
    rights = [_box(part)["x"] + _box(part)["width"] for part in (label, track, count, share)]
    assert rights == sorted(rights, reverse=True)
    smallest = page.get_by_test_id("by-browser").locator(".bar-share").last
    expect(smallest).to_have_text("<1%")
    assert _is_from_left_to_right(smallest)
    assert _is_from_left_to_right(page.locator(".address bdi"))

    fill, groove = (_box(page.get_by_test_id("by-language").locator(part).last) for part in (".bar-fill", ".bar-track"))
    assert fill["x"] > groove["x"] + 0.99 * groove["width"], "A small bar lies at the right."

    columns = page.locator(".plot svg")
    assert columns.evaluate("svg => svg.querySelector('.columns').getScreenCTM().a") < 0
    plot = _box(page.get_by_test_id("plot"))
    page.mouse.move(plot["x"] + plot["width"] - 2, plot["y"] + 9)
    expect(page.get_by_role("slider")).to_have_value("0")
    page.mouse.move(plot["x"] + 2, plot["y"] + 9)
    expect(page.get_by_role("slider")).to_have_value("59")
