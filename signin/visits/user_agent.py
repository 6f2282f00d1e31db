"""Classify a User-Agent header with its Client Hints, and the labels of what it may be.

The text of a header never becomes a label. ua-parser copies parts of it into its families, so 300 invented crawlers
would give 300 browsers. A family that is not in the tables below counts as "Other" (`dimensions.py`), which bounds the
size of a stats row and of a broadcast for any header.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import user_agents
from user_agents.parsers import UserAgent

# The longest real User-Agent in the public corpora has 492 characters. Parsing time is proportional to the length, and
# a version number of more than 4,300 digits raises ValueError.
_MAX_LENGTH = 512

# Labels by the names that `Client` has: most are families of ua-parser.
OPERATING_SYSTEMS = {
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "iOS": "iOS",
    "iPadOS": "iPadOS",
    "Android": "Android",
    "Chrome OS": "ChromeOS",
    "Linux": "Linux",
    "Arch Linux": "Linux",
    "CentOS": "Linux",
    "Debian": "Linux",
    "Fedora": "Linux",
    "Gentoo": "Linux",
    "Kubuntu": "Linux",
    "Linux Mint": "Linux",
    "Mageia": "Linux",
    "Red Hat": "Linux",
    "SUSE": "Linux",
    "Slackware": "Linux",
    "Ubuntu": "Linux",
    "openSUSE": "Linux",
}

# Mobile variants count as their brand. The embedded view of an app counts as the brand of its engine.
BROWSERS = {
    "Chrome": "Chrome",
    "Chrome Mobile": "Chrome",
    "Chrome Mobile WebView": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chromium": "Chrome",
    "Edge": "Edge",
    "Edge Mobile": "Edge",
    "Safari": "Safari",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Firefox": "Firefox",
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

DEVICES = {"Desktop": "Desktop", "Phone": "Phone", "Tablet": "Tablet"}


# What bots call themselves, what they do, and the address of an operator. A program that states only its name, such as
# curl, is not one. Not "scan", "phantom" or "search": a Honeywell ScanPal, a wallet and some browsers have them.
_WORDS_OF_BOTS = (
    *("bot", "crawl", "spider", "headless", "lighthouse", "phantomjs", "playwright", "selenium"),
    *("preview", "externalagent", "googleother", "archiv", "fetch", "scrap", "validator"),
    *("monitor", "pingdom", "synthetics", "uptime", "http://", "https://"),
)

# Phones of the brand Cubot, and shells around Internet Explorer that name their maker's address.
_NOT_OF_BOTS = re.compile(r"cubot|https?://(?:www\.)?(?:avantbrowser|bsalsa)\.com")

# Apps whose embedded view ua-parser reports as the app, and that do not mark it otherwise.
_APPS = {
    "Facebook",
    "Facebook Messenger",
    "Google",
    "Instagram",
    "KakaoTalk",
    "LINE",
    "Pinterest",
    "Snapchat",
    "Telegram",
    "TikTok",
    "Twitter",
    "WeChat Browser",
}

# Televisions, consoles, headsets and cars. An NVIDIA SHIELD may also be a tablet.
_NO_DEVICE = re.compile(
    r"TV\b|\b(?:AFT[A-Z]|SHIELD(?! Tablet)|BRAVIA|CrKey|Quest |OculusBrowser|Xbox|PlayStation|Nintendo|Tesla|Web0S)"
)
_TABLET = re.compile(r"\biPad\b|\bTablet\b(?! PC)")  # "Tablet PC" is a component of desktop Windows
_DESKTOP = re.compile(r"Macintosh|\bCrOS\b|\b(?:PC|2in1); OpenHarmony")
_WINDOW_SYSTEM = re.compile(r"\b(?:X11|Wayland)\b")  # Linux, FreeBSD and others; phones with it add "Mobile"
_PHONE = re.compile(r"\b(?:Mobile|Phone)\b")
_OLD_PHONE_BROWSER = re.compile(r"Opera (?:Mini|Mobi\b)")

# Brands of Sec-CH-UA that a User-Agent may conceal, with the family of each.
_BRANDS = {
    "Brave": "Brave",
    "DuckDuckGo": "DuckDuckGo",
    "Microsoft Edge": "Edge",
    "Opera": "Opera",
    "Opera GX": "Opera GX",
    "Samsung Internet": "Samsung Internet",
    "Vivaldi": "Vivaldi",
    "YaBrowser": "Yandex Browser",
}
_BRAND = r'"((?:[^"\\]|\\["\\])*)"\s*;\s*v="[^"\\]*"'
_EACH_BRAND = re.compile(_BRAND)
_LIST_OF_BRANDS = re.compile(rf"\s*{_BRAND}(?:\s*,\s*{_BRAND})*\s*")

# Platforms of Sec-CH-UA-Platform that send the User-Agent of a desktop Linux when they request desktop pages.
_PLATFORMS = {'"Android"': "Android", '"Chrome OS"': "Chrome OS", '"Chromium OS"': "Chrome OS"}


class Hints(NamedTuple):
    """The Client Hints of a request as they are sent: Sec-CH-UA, Sec-CH-UA-Platform and Sec-CH-UA-Mobile, or ""."""

    brands: str = ""
    platform: str = ""
    mobile: str = ""


class Client(NamedTuple):
    """What a request's headers identify, and whether they name a bot. The names may contain text of the headers.

    The operating system and the browser are families of ua-parser, but iPads have the system "iPadOS", and an embedded
    view has the family of its engine. The device is a key of DEVICES, or empty.
    """

    os_family: str
    browser_family: str
    device: str
    is_bot: bool


def identify(user_agent: str, hints: Hints = Hints()) -> Client:  # noqa: B008 (immutable)
    """Classify a User-Agent header and its hints. An empty or meaningless one has no label in any table.

    A bot may have its name anywhere. Otherwise only the first 512 characters matter.
    """
    client = _identify(user_agent[:_MAX_LENGTH], *(hint if len(hint) <= _MAX_LENGTH else "" for hint in hints))
    if len(user_agent) > _MAX_LENGTH and _names_bot(user_agent):
        return client._replace(is_bot=True)
    return client


# A hit takes 1 µs, parsing 0.5 ms. Visitors share few User-Agents, and the parser's own cache is small and is cleared
# completely when it is full.
@lru_cache(maxsize=4096)
def _identify(user_agent: str, brands: str, platform: str, mobile: str) -> Client:
    parsed = user_agents.parse(user_agent)
    os_family, browser_family, device = parsed.os.family, _browser(parsed), _device(parsed)
    if os_family == "iOS" and parsed.device.family == "iPad":
        os_family = "iPadOS"
    # Only browsers with Chromium's engine send hints. A hint that contradicts the User-Agent is ignored.
    if "Chrome/" in user_agent:
        if BROWSERS.get(browser_family) == "Chrome":
            browser_family = _hidden_brand(brands) or browser_family
        if OPERATING_SYSTEMS.get(os_family) == "Linux" and device == "Desktop" and platform in _PLATFORMS:
            os_family = _PLATFORMS[platform]
            device = "Tablet" if os_family == "Android" else device
        # A phone may leave out "Mobile" in the User-Agent: the hint is more than its absence.
        if os_family == "Android" and device == "Tablet" and mobile == "?1":
            device = "Phone"
    return Client(os_family, browser_family, device, parsed.is_bot or _names_bot(user_agent) or _names_bot(brands))


def _names_bot(header: str) -> bool:
    # Not a regular expression of all words: a header of 32 KB, the most that the host accepts, takes 0.7 to 6 ms.
    text = _NOT_OF_BOTS.sub("", header.lower())
    return any(word in text for word in _WORDS_OF_BOTS)


def _browser(parsed: UserAgent) -> str:
    """The family of the browser, or of the engine of an app's embedded view."""
    family: str = parsed.browser.family
    if family in BROWSERS:
        return family
    text = parsed.ua_string
    is_app = family in _APPS
    if "AppleWebKit/" in text and "Chrome/" not in text and parsed.os.family in ("iOS", "Mac OS X"):
        # An embedded view of iOS lacks "Safari/" unless the app adds it.
        return "Mobile Safari" if is_app or ("Mobile/" in text and " Safari/" not in text) else family
    if "Chrome/" in text and (is_app or "; wv)" in text):
        return "Chrome"
    return family


def _device(parsed: UserAgent) -> str:
    """One of three kinds, or none. An iPad that requests desktop pages sends the User-Agent of a Mac: a desktop."""
    text = parsed.ua_string
    if _NO_DEVICE.search(text):
        return ""
    if _TABLET.search(text):
        return "Tablet"
    if _DESKTOP.search(text) or (_WINDOW_SYSTEM.search(text) and not _PHONE.search(text) and "Maemo" not in text):
        return "Desktop"
    # The parser classifies phones with an old Opera as tablets, because their User-Agent does not contain "Mobile", and
    # many tablets as phones too, because of their browser.
    if _OLD_PHONE_BROWSER.search(text):
        return "Phone"
    if parsed.is_tablet:
        return "Tablet"
    if parsed.is_mobile or _PHONE.search(text):
        return "Phone"
    return "Desktop" if parsed.is_pc else ""


def _hidden_brand(brands: str) -> str:
    """The family of the one brand with a label, or "" if there is none, or several, or if the header is malformed."""
    if not _LIST_OF_BRANDS.fullmatch(brands):
        return ""
    families = {_BRANDS[brand] for brand in _EACH_BRAND.findall(brands) if brand in _BRANDS}
    return families.pop() if len(families) == 1 else ""
