"""The badge on other sites, and the limits of the content security policy."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from .site import Site
from .visitor import Visitors


def test_badge_is_an_image_on_any_site(shared_site: Site, visitors: Visitors) -> None:
    shared_site.visit()
    page = visitors.enter(shared_site).page
    page.set_content(f'<img src="{shared_site.url}/badge.svg" alt="Visits">')
    badge = page.get_by_role("img")
    expect(badge).to_have_js_property("complete", True)
    width, height = badge.evaluate("image => [image.naturalWidth, image.naturalHeight]")
    assert height == 20
    assert width > 80


def test_texts_of_the_badge_fit_their_halves(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.enter(shared_site)
    visitor.page.goto(f"{shared_site.url}/badge.svg")
    halves, texts = (
        visitor.page.locator(f"svg {part}").evaluate_all(
            "parts => parts.map(part => part.getBBox()).map(({ x, width }) => [x, x + width])"
        )
        for part in ("> path", "text")
    )
    for (left, right), (begin, end) in zip(halves, texts, strict=True):
        assert left < begin < end < right, (halves, texts)


def test_page_blocks_inline_scripts_and_other_hosts(shared_site: Site, visitors: Visitors) -> None:
    visitor = visitors.open(shared_site)
    visitor.tolerate("Content Security Policy", "Refused to")
    visitor.expect_state("live")
    problems = len(visitor.problems)
    assert visitor.page.evaluate(
        """async (elsewhere) => {
            const inline = document.createElement("script");
            inline.textContent = "globalThis.ran = true";
            document.body.append(inline);
            const fetched = await fetch(elsewhere).then(() => true, () => false);
            return [globalThis.ran ?? false, fetched];
        }""",
        "http://127.0.0.1:9/",
    ) == [False, False]
    blocked = [problem for problem in visitor.problems[problems:] if re.search("Content Security Policy", problem)]
    assert len(blocked) >= 2, visitor.problems
