"""From a User-Agent header to three labels, each of a fixed, small set.

The text of a User-Agent never becomes a label: ua-parser copies parts of it into its families, so that
300 invented crawlers give 300 browsers. What is not in the tables below is "Other"; that bounds the size
of the statistics row and of a broadcast, whatever visitors send.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import user_agents
from user_agents.parsers import UserAgent

OTHER = "Other"

# The longest real User-Agent in the public corpora has 492 characters. Parsing takes time in proportion to the
# length, and a version number of more than 4,300 digits raises ValueError.
_MAX_LENGTH = 512

_OPERATING_SYSTEMS = {
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "iOS": "iOS",
    "Android": "Android",
    "Chrome OS": "ChromeOS",
    "Linux": "Linux",
    "Arch Linux": "Linux",
    "Debian": "Linux",
    "Fedora": "Linux",
    "Gentoo": "Linux",
    "Mint": "Linux",
    "Red Hat": "Linux",
    "SUSE": "Linux",
    "Ubuntu": "Linux",
}

# Mobile variants and embedded views count for their brand.
_BROWSERS = {
    "Chrome": "Chrome",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chromium": "Chrome",
    "HeadlessChrome": "Chrome",
    "Edge": "Edge",
    "Edge Mobile": "Edge",
    "Safari": "Safari",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Firefox": "Firefox",
    "Firefox Focus": "Firefox",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "Opera": "Opera",
    "Opera Mini": "Opera",
    "Opera Mobile": "Opera",
    "Opera Touch": "Opera",
    "Opera GX": "Opera",
    "Samsung Internet": "Samsung Internet",
    "Android": "Android Browser",
    "Brave": "Brave",
    "DuckDuckGo": "DuckDuckGo",
    "DuckDuckGo Mobile": "DuckDuckGo",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "UC Browser": "UC Browser",
    "Vivaldi": "Vivaldi",
    "Yandex Browser": "Yandex",
}


class Client(NamedTuple):
    """What is running at the visitor's end."""

    os: str
    browser: str
    device: str
    is_bot: bool


def identify(user_agent: str) -> Client:
    """The labels for a User-Agent header; a missing or senseless one gives "Other" for all."""
    return _identify(user_agent[:_MAX_LENGTH])


def labels_of(os_family: str, browser_family: str) -> tuple[str, str]:
    """The labels for an operating system and a browser as ua-parser names them."""
    return _OPERATING_SYSTEMS.get(os_family, OTHER), _BROWSERS.get(browser_family, OTHER)


# 5 µs instead of 0.5 ms: visitors share few User-Agents, and the parser's own cache is small and cleared whole.
@lru_cache(maxsize=4096)
def _identify(user_agent: str) -> Client:
    parsed = user_agents.parse(user_agent)
    os, browser = labels_of(parsed.os.family, parsed.browser.family)
    if os == "iOS" and parsed.device.family == "iPad":
        os = "iPadOS"
    return Client(os, browser, _device(parsed), parsed.is_bot)


def _device(parsed: UserAgent) -> str:
    """One of four labels, whatever is parsed. An iPad that asks for the pages of a Mac counts as a Mac."""
    # The parser takes many a tablet for a phone as well, by its browser; and a phone for a tablet if it has Opera Mini,
    # which does not say that it is mobile.
    if parsed.is_tablet and parsed.browser.family != "Opera Mini":
        return "Tablet"
    if parsed.is_mobile:
        return "Phone"
    return "Desktop" if parsed.is_pc else OTHER
