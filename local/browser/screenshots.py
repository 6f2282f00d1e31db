"""Draws the pictures in `docs/` and `content/images/` from the real homepage: `python -m local.browser.screenshots`."""

from __future__ import annotations

import random
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ViewportSize, expect

from local import REPOSITORY
from local.browser.headless import running_browser
from local.emulators import azurite
from local.environment.ports import Ports
from local.environment.services import functions_host, services
from local.node import install_publishing_packages
from local.processes.program import main_program
from local.progress import step
from signin.counting.table import VisitTable
from signin.visits.dimensions import SignInRequest, labels_of
from signin.visits.visit import Visit

_DEFAULT_URL = f"http://127.0.0.1:{Ports().app}"  # the address in the pictures; the app runs at a free port

_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROMIUM = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X"
_IPAD = "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X"

# Visits by User-Agent, as in a lecture hall where most people scan the code with their phones.
_VISITS = {
    f"{_IPHONE}) {_WEBKIT} Version/18.6 Mobile/15E148 Safari/604.1": 108,
    f"{_ANDROID}) {_CHROMIUM} Mobile Safari/537.36": 97,
    f"{_WINDOWS}) {_CHROMIUM} Safari/537.36": 58,
    f"{_MAC}) {_WEBKIT} Version/18.6 Safari/605.1.15": 31,
    f"{_WINDOWS}) {_CHROMIUM} Safari/537.36 Edg/149.0.0.0": 29,
    f"{_MAC}) {_CHROMIUM} Safari/537.36": 27,
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/29.0"
    " Chrome/136.0.0.0 Mobile Safari/537.36": 19,
    f"{_IPHONE}) {_WEBKIT} CriOS/149.0.7800.50 Mobile/15E148 Safari/604.1": 14,
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0": 11,
    f"{_WINDOWS}; rv:140.0) Gecko/20100101 Firefox/140.0": 8,
    f"{_IPAD}) {_WEBKIT} Version/18.6 Mobile/15E148 Safari/604.1": 7,
    "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36": 3,
}
_LANGUAGES = ["en"] * 6 + ["de", "de", "fr", "es", "pt", "pl"]
_ZONES = ["Europe/Berlin"] * 6 + ["Europe/London", "Europe/Paris", "Europe/Madrid", "America/New_York", "Asia/Tokyo"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A file in `docs/` and its screen; sizes in CSS pixels, each of `scale` device pixels."""

    name: str
    width: int
    height: int
    color_scheme: Literal["light", "dark"] = "light"
    scale: int = 1
    path: str = "/"


_PICTURES = (
    Picture("homepage.png", 1280, 800),
    Picture("homepage-dark.png", 1280, 800, color_scheme="dark"),
    Picture("homepage-phone.png", 390, 844, scale=2),
    Picture("presentation.png", 1280, 720, path="/?present"),
)


@dataclass(frozen=True, slots=True)
class Icon:
    """A file in `content/images/` that shows `favicon.svg`; the background fills its round corners."""

    name: str
    size: int
    background: str = "transparent"


_IMAGES = REPOSITORY / "content/images"
_TEAL = "#0b6e69"  # of favicon.svg
_ICONS = (
    Icon("icon-192.png", 192),
    Icon("icon-512.png", 512),
    Icon("icon-180.png", 180, _TEAL),  # iOS and Android clip this one and the next to their own shapes
    Icon("icon-maskable-512.png", 512, _TEAL),
)


def main() -> None:
    with main_program():
        install_publishing_packages()
        azurite.install()
        with services(Ports(app=0, signalr=0, blob=0, queue=0, table=0)) as running:
            with step("Visits"):
                record(VisitTable.from_connection_string(running.settings["TableConnectionString"]))
            host = functions_host(running.settings)
            try:
                (url,) = host.wait_until_ready()
                with step("Pictures"), running_browser([_resolver_rule(url)]) as browser:
                    draw_images(browser)
                    for picture in _PICTURES:
                        take(picture, browser)
            finally:
                host.stop()


def record(table: VisitTable) -> None:
    """Commit the visits of the last hour to the table, as the app does."""
    state = table.read(shard=0)
    recorded = list(visits(datetime.now(UTC)))
    for first in range(0, len(recorded), 99):  # the maximum of one transaction
        state = table.commit(0, state, recorded[first : first + 99])


def visits(now: datetime) -> Iterator[Visit]:
    """A few early visits, then most within minutes after the code is shown; the same with every call."""
    chance = random.Random(2026)
    for user_agent, count in _VISITS.items():
        for number in range(count):
            labels = labels_of(
                SignInRequest(
                    {"user-agent": user_agent, "accept-language": chance.choice(_LANGUAGES)},
                    {"zone": chance.choice(_ZONES), "visitor": "returning" if chance.random() < 0.1 else "new"},
                )
            )
            minutes_ago = chance.uniform(0, 60) if chance.random() < 0.25 else chance.gammavariate(4, 5)
            at = now - timedelta(minutes=min(minutes_ago, 59))
            key = f"{at:%Y%m%dT%H%M%S.%fZ}-{'-'.join(labels.values())}-{number}"
            yield Visit(key, labels, at)


def take(picture: Picture, browser: Browser) -> None:
    """Open the page, which counts one more visit, and take a screenshot when it is live."""
    context = browser.new_context(
        viewport=ViewportSize(width=picture.width, height=picture.height),
        device_scale_factor=picture.scale,
        color_scheme=picture.color_scheme,
        reduced_motion="reduce",  # no animation, so that all elements are in place at once
        locale="en-US",
        user_agent=f"{_WINDOWS}) {_CHROMIUM} Safari/537.36",  # a headless browser is not counted
    )
    page = context.new_page()
    page.goto(f"{_DEFAULT_URL}{picture.path}")
    expect(page.get_by_test_id("status")).to_have_text("Live", timeout=30_000)
    page.screenshot(path=REPOSITORY / "docs" / picture.name)
    context.close()


def draw_images(browser: Browser) -> None:
    """Draw the PNG icons from `favicon.svg`, and the picture for social networks."""
    page = browser.new_page(bypass_csp=True)  # the page's own styles are not inline
    picture = f"data:image/svg+xml;base64,{b64encode((_IMAGES / 'favicon.svg').read_bytes()).decode()}"
    for icon in _ICONS:
        page.set_viewport_size(ViewportSize(width=icon.size, height=icon.size))
        page.set_content(
            f'<body style="margin: 0; background: {icon.background}"><img src="{picture}" width="{icon.size}">'
        )
        page.screenshot(path=_IMAGES / icon.name, omit_background=True)

    page.set_viewport_size(ViewportSize(width=1200, height=630))
    page.goto(f"{_DEFAULT_URL}/404.html")  # for its font and colours
    page.evaluate(
        "html => document.body.innerHTML = html", (REPOSITORY / "local/browser/preview.html").read_text("utf-8")
    )
    page.evaluate("document.fonts.ready")
    page.screenshot(path=_IMAGES / "preview.png")
    page.close()


def _resolver_rule(url: str) -> str:
    """Chromium's flag to load the app from its free port while pages show the default address."""
    return f"--host-resolver-rules=MAP {urlsplit(_DEFAULT_URL).netloc} {urlsplit(url).netloc}"


if __name__ == "__main__":
    main()
