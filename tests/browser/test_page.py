"""The page's layout, colours, motion and requests, on screens of every width."""

from __future__ import annotations

from collections import Counter
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from signin.visits.countries import COUNTRIES
from signin.visits.languages import LANGUAGES
from signin.visits.statistics import Statistics

from .site import Site
from .visitor import Visitors, prerender, show

# All labels, and numbers of eight digits: the largest that the page becomes.
LABELS_OF_SYSTEMS = ("Windows", "macOS", "iOS", "iPadOS", "Android", "ChromeOS", "Linux", "Other")
LABELS_OF_BROWSERS = (
    *("Chrome", "Edge", "Safari", "Firefox", "Opera", "Samsung Internet", "Android Browser", "Brave", "DuckDuckGo"),
    *("Internet Explorer", "UC Browser", "Vivaldi", "Yandex", "Other"),
)
LABELS_OF_DEVICES = ("Desktop", "Phone", "Tablet", "Other")
MILLIONS = Statistics.from_counts(
    14_000_000,
    {
        "OS": dict.fromkeys(LABELS_OF_SYSTEMS, 1_750_000),
        "Browser": dict.fromkeys(LABELS_OF_BROWSERS, 1_000_000),
        "Device": dict.fromkeys(LABELS_OF_DEVICES, 3_500_000),
        "Country": dict.fromkeys(sorted(set(COUNTRIES.values())), 56_000),
        "Language": dict.fromkeys(sorted(set(LANGUAGES.values())), 70_000),
        "Visitor": {"New": 12_345_678, "Returning": 1_000_000, "Other": 654_322},
    },
)
WIDTHS = (320, 390, 768, 1280, 1920)  # CSS pixels: the smallest phone, a phone, a tablet, a laptop, a projector


def overflow(page: Page) -> int:
    """The number of pixels by which the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def assert_fits_every_width(page: Page) -> None:
    for width in WIDTHS:
        page.set_viewport_size(ViewportSize(width=width, height=800))
        assert overflow(page) <= 0, f"At {width} px the page scrolls sideways."


def is_one_line(page: Page, test_id: str) -> bool:
    return bool(
        page.get_by_test_id(test_id).evaluate(
            """element => {
              const text = document.createRange();
              text.selectNodeContents(element);
              return new Set([...text.getClientRects()].map(({ top }) => top)).size === 1;
            }"""
        )
    )


def brightness(page: Page, selector: str, color: str) -> float:
    """The brightness of a colour of an element, 0 to 1; `color` is a CSS property."""
    rgb = page.locator(selector).evaluate(f"element => getComputedStyle(element)['{color}'].match(/\\d+/g).map(Number)")
    return float(sum(rgb[:3]) / 3 / 255)


@pytest.mark.parametrize("path", ["", "?present"], ids=["page", "presentation"])
def test_longest_caption_is_one_line(shared_site: Site, visitors: Visitors, path: str) -> None:
    visitor = visitors.enter(shared_site)
    visitor.page.goto(f"{visitor.url}{path}")
    visitor.expect_state("live")
    shared_site.broadcast(*MILLIONS.summary())
    expect(visitor.page.get_by_test_id("caption")).to_have_text("check-ins by at least 12,345,678 people")
    for width in WIDTHS:
        visitor.page.set_viewport_size(ViewportSize(width=width, height=800))
        assert is_one_line(visitor.page, "caption"), f"At {width} px the caption has several lines."


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_page_fits_every_width(shared_site: Site, visitors: Visitors, color_scheme: str) -> None:
    visitor = visitors.enter(shared_site, color_scheme=color_scheme)
    prerender(visitor.page, shared_site.url)
    assert_fits_every_width(visitor.page)

    show(visitor.page)
    visitor.expect_state("live")
    shared_site.broadcast(*MILLIONS.summary())
    visitor.expect(MILLIONS)
    assert_fits_every_width(visitor.page)


def test_page_follows_the_preferred_color_scheme(shared_site: Site, visitors: Visitors) -> None:
    page = visitors.open(shared_site, color_scheme="light").page
    assert brightness(page, "body", "backgroundColor") > 0.9
    assert brightness(page, "body", "color") < 0.2
    page.emulate_media(color_scheme="dark")
    assert brightness(page, "body", "backgroundColor") < 0.1
    assert brightness(page, "body", "color") > 0.8


def test_total_counts_up(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    shared_site.broadcast(*MILLIONS.summary())
    visitor.expect(MILLIONS)
    on_the_way = [number for number in visitor.shown.numbers if number not in visitor.shown.totals]
    assert on_the_way, f"The page showed nothing between {visitor.shown.totals}."


def test_reduced_motion_shows_the_total_at_once(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site, reduced_motion="reduce")
    visitor.expect_state("live")
    shared_site.broadcast(*MILLIONS.summary())
    visitor.expect(MILLIONS)
    assert visitor.shown.numbers == visitor.shown.totals
    assert visitor.page.evaluate("document.getAnimations().length") == 0


def test_countries_and_languages_have_the_names_of_the_visitors_language(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site, locale="de-DE", timezone_id="Asia/Calcutta")
    visitor.expect_state("live")
    for panel, label, name in (("by-country", "IN", "Indien"), ("by-language", "de", "Deutsch")):
        bar = visitor.page.get_by_test_id(panel).locator(f"[data-label={label}]")
        expect(bar.get_by_role("rowheader")).to_have_text(name)
    shared_site.broadcast(*MILLIONS.summary())
    others = visitor.page.get_by_test_id("by-country").locator("[data-label=Other]")
    expect(others.get_by_role("rowheader")).to_have_text("Other")


def test_label_that_is_no_longer_shown_disappears(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    shared_site.broadcast(*MILLIONS.summary())
    visitor.expect(MILLIONS)
    after = Statistics.from_counts(14_000_001, {"Browser": {"Firefox": 14_000_001}, "Country": {"IN": 14_000_001}})
    shared_site.broadcast(*after.summary())
    visitor.expect(after)


def test_update_without_devices_keeps_the_devices(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    shared_site.broadcast(*MILLIONS.summary())
    visitor.expect(MILLIONS)
    shared_site.broadcast(14_000_001, {"iOS": 14_000_001}, {"Safari": 14_000_001})
    visitor.expect_total(14_000_001)
    assert dict(visitor.bars("by-device")) == MILLIONS.counts["Device"]


def test_numbers_appear_after_few_requests(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    paths = [urlsplit(request.url).path for request in visitor.requests]
    requests = paths[: paths.index("/signin") + 1]
    assert len(requests) <= 8, f"The page needs {requests} to show the numbers."


def test_page_loads_from_app_and_signalr_only(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.expect_state("live")
    origins = Counter(urljoin(request.url, "/") for request in visitor.requests)
    assert origins.keys() == {f"{shared_site.url}/", f"{shared_site.signalr_url}/"}, f"Requests by origin: {origins}"


def test_404_page_leads_back_to_the_counter(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.enter(shared_site, viewport={"width": 320, "height": 640})
    visitor.tolerate(r"status of 404 .*/no/such/page")
    answer = visitor.page.goto(f"{shared_site.url}/no/such/page")
    assert answer
    assert answer.status == 404
    expect(visitor.page.get_by_role("heading", level=1)).to_have_text("There is no page at this address.")
    assert overflow(visitor.page) <= 0
    assert brightness(visitor.page, "body", "backgroundColor") > 0.9, "The style sheet is missing."

    visitor.page.get_by_role("link").click()
    visitor.expect_state("live")
    assert visitor.page.url == f"{shared_site.url}/"
