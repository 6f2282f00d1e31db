"""The QR code contains the address of the page that shows it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .qr import scan
from .site import Site
from .visitor import Visitors


@pytest.mark.parametrize(("color_scheme", "width"), [("light", 390), ("dark", 1440)])
def test_qr_code_contains_the_address_of_the_page(
    shared_site: Site, visitors: Visitors, color_scheme: str, width: int
) -> None:
    visitor = visitors.open(shared_site, color_scheme=color_scheme, viewport={"width": width, "height": 900})
    code = visitor.page.get_by_test_id("qr")
    expect(code).to_have_attribute("data-address", f"{shared_site.url}/")
    assert scan(code) == f"{shared_site.url}/"


def test_qr_code_omits_query_and_fragment(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.enter(shared_site)
    visitor.page.goto(f"{shared_site.url}/?campaign=poster#top")
    code = visitor.page.get_by_test_id("qr")
    expect(code).to_have_attribute("data-address", f"{shared_site.url}/")
    assert scan(code) == f"{shared_site.url}/"
