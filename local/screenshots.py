"""The pictures in `docs/`, of the real homepage: `python -m local.screenshots` takes them anew."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import requests
from playwright.sync_api import Browser, ViewportSize, expect

from local.browser import running_browser
from local.node import REPOSITORY, install_packages
from local.progress import StepFailed, step
from local.services import Ports, functions_host, services

_USUAL_URL = f"http://127.0.0.1:{Ports().app}"  # where readers will find the page; here it is at a free port

_WEBKIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"
_CHROMIUM = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0"
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7"
_ANDROID = "Mozilla/5.0 (Linux; Android 10; K"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X"
_IPAD = "Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X"

# How often each User-Agent visits: the people who scan the code in a lecture hall, most of them with their phones.
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


@dataclass(frozen=True, slots=True)
class Picture:
    """A file in `docs/`, and the screen it shows; sizes in CSS pixels, `scale` device pixels each."""

    name: str
    width: int
    height: int
    color_scheme: Literal["light", "dark"] = "light"
    scale: int = 1


_PICTURES = (
    Picture("homepage.png", 1280, 800),
    Picture("homepage-dark.png", 1280, 800, color_scheme="dark"),
    Picture("homepage-phone.png", 390, 844, scale=2),
)


def main() -> None:
    try:
        install_packages()
        with services(Ports(app=0, signalr=0, blob=0, queue=0, table=0)) as running:
            host = functions_host(running.settings)
            try:
                (url,) = host.wait_until_ready()
                with step("Visits"):
                    sign_in_everybody(url)
                with step("Pictures"), running_browser([_showing_at_usual_address(url)]) as browser:
                    for picture in _PICTURES:
                        take(picture, browser)
            finally:
                host.stop()
    except StepFailed as error:
        sys.exit(str(error))


def sign_in_everybody(url: str) -> None:
    """Send the visits to the app, some at a time."""

    def sign_in(user_agent: str) -> None:
        requests.post(f"{url}/signin", headers={"User-Agent": user_agent}, timeout=30).raise_for_status()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(sign_in, (user_agent for user_agent, visits in _VISITS.items() for _ in range(visits))))


def take(picture: Picture, browser: Browser) -> None:
    """Open the page as one more visitor and keep what it shows once it is live."""
    context = browser.new_context(
        viewport=ViewportSize(width=picture.width, height=picture.height),
        device_scale_factor=picture.scale,
        color_scheme=picture.color_scheme,
        reduced_motion="reduce",  # everything is in its place at once
        locale="en-US",
    )
    page = context.new_page()
    page.goto(_USUAL_URL)
    expect(page.get_by_test_id("status")).to_have_text("Live", timeout=30_000)
    page.screenshot(path=REPOSITORY / "docs" / picture.name)
    context.close()


def _showing_at_usual_address(url: str) -> str:
    """Chromium's flag to find the app where it is while the page shows the usual port."""
    return f"--host-resolver-rules=MAP {urlsplit(_USUAL_URL).netloc} {urlsplit(url).netloc}"


if __name__ == "__main__":
    main()
