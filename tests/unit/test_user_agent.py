from __future__ import annotations

import tracemalloc

import pytest

from signin.visits.dimensions import OTHER, labels_of
from signin.visits.user_agent import identify
from tests.support.user_agents import by

WINDOWS = "Windows NT 10.0; Win64; x64"
MAC = "Macintosh; Intel Mac OS X 10_15_7"
LINUX = "X11; Linux x86_64"
CHROME_OS = "X11; CrOS x86_64 14541.0.0"
IPHONE = "iPhone; CPU iPhone OS 18_1 like Mac OS X"
IPAD = "iPad; CPU OS 17_7 like Mac OS X"
ANDROID = "Linux; Android 10; K"
PIXEL = "Linux; Android 14; Pixel 8 Build/AP1A.240505.004; wv"
GALAXY_TAB = "Linux; Android 14; SM-X710 Build/UP1A.231005.007; wv"


def blink(platform: str, product: str = "Chrome/131.0.0.0 Safari/537.36") -> str:
    return f"Mozilla/5.0 ({platform}) AppleWebKit/537.36 (KHTML, like Gecko) {product}"


def webkit(platform: str, product: str) -> str:
    return f"Mozilla/5.0 ({platform}) AppleWebKit/605.1.15 (KHTML, like Gecko) {product}"


def gecko(platform: str) -> str:
    return f"Mozilla/5.0 ({platform}; rv:132.0) Gecko/20100101 Firefox/132.0"


@pytest.mark.parametrize(
    ("os", "browser", "user_agent"),
    [
        ("Windows", "Chrome", blink(WINDOWS)),
        ("Windows", "Edge", blink(WINDOWS, "Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0")),
        ("Windows", "Firefox", gecko(WINDOWS)),
        ("Windows", "Opera", blink(WINDOWS, "Chrome/130.0.0.0 Safari/537.36 OPR/115.0.0.0")),
        ("Windows", "Internet Explorer", "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko"),
        ("macOS", "Safari", webkit(MAC, "Version/18.1 Safari/605.1.15")),
        ("macOS", "Chrome", blink(MAC)),
        ("macOS", "Edge", blink(MAC, "Chrome/131.0.0.0 Safari/537.36 Edg/131.0.0.0")),
        ("macOS", "Firefox", gecko("Macintosh; Intel Mac OS X 10.15")),
        ("macOS", "Vivaldi", blink(MAC, "Chrome/131.0.0.0 Safari/537.36 Vivaldi/7.0")),
        ("Linux", "Chrome", blink(LINUX)),
        ("Linux", "Chrome", blink(LINUX, "HeadlessChrome/131.0.0.0 Safari/537.36")),
        ("Linux", "Firefox", gecko(LINUX)),
        ("Linux", "Firefox", gecko("X11; Ubuntu; Linux x86_64")),
        ("Linux", "Firefox", gecko("X11; Fedora; Linux x86_64")),
        ("ChromeOS", "Chrome", blink(CHROME_OS)),
        ("iOS", "Safari", webkit(IPHONE, "Version/18.1 Mobile/15E148 Safari/604.1")),
        ("iOS", "Safari", webkit(IPHONE, "Mobile/15E148")),
        ("iOS", "Chrome", webkit(IPHONE, "CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1")),
        ("iOS", "Firefox", webkit(IPHONE, "FxiOS/132.0 Mobile/15E148 Safari/605.1.15")),
        ("iOS", "Edge", webkit(IPHONE, "Version/18.0 EdgiOS/131.0.2903.68 Mobile/15E148 Safari/604.1")),
        ("iOS", "Opera", webkit(IPHONE, "Version/18.1 Mobile/15E148 Safari/604.1 OPT/5.2.0")),
        ("iPadOS", "Safari", webkit(IPAD, "Version/17.6 Mobile/15E148 Safari/604.1")),
        ("iPadOS", "Chrome", webkit(IPAD, "CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1")),
        ("Android", "Chrome", blink(ANDROID, "Chrome/131.0.0.0 Mobile Safari/537.36")),
        ("Android", "Chrome", blink(PIXEL, "Version/4.0 Chrome/124.0.6367.82 Mobile Safari/537.36")),
        ("Android", "Edge", blink(ANDROID, "Chrome/130.0.0.0 Mobile Safari/537.36 EdgA/130.0.0.0")),
        ("Android", "Firefox", "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0"),
        ("Android", "Opera", blink(ANDROID, "Chrome/130.0.0.0 Mobile Safari/537.36 OPR/86.0.0.0")),
        ("Android", "Opera", "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16"),
        ("Android", "Samsung Internet", blink(ANDROID, "SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36")),
        (OTHER, "Firefox", gecko("X11; FreeBSD amd64")),
        (OTHER, OTHER, "curl/8.5.0"),
    ],
)
def test_real_user_agent_has_os_and_browser(os: str, browser: str, user_agent: str) -> None:
    assert {"OS": os, "Browser": browser}.items() <= labels_of(by(user_agent)).items()
    assert not identify(user_agent).is_bot


@pytest.mark.parametrize(
    ("device", "user_agent"),
    [
        ("Desktop", blink(WINDOWS)),
        ("Desktop", webkit(MAC, "Version/18.1 Safari/605.1.15")),
        ("Desktop", gecko("X11; Ubuntu; Linux x86_64")),
        ("Desktop", blink(CHROME_OS)),
        ("Phone", webkit(IPHONE, "Version/18.1 Mobile/15E148 Safari/604.1")),
        ("Phone", webkit(IPHONE, "FxiOS/132.0 Mobile/15E148 Safari/605.1.15")),
        ("Phone", blink(ANDROID, "Chrome/131.0.0.0 Mobile Safari/537.36")),
        ("Phone", "Mozilla/5.0 (Android 14; Mobile; rv:132.0) Gecko/132.0 Firefox/132.0"),
        ("Phone", "Opera/9.80 (Android; Opera Mini/36.2.2254/119.132; U; id) Presto/2.12.423 Version/12.16"),
        ("Tablet", webkit(IPAD, "Version/17.6 Mobile/15E148 Safari/604.1")),
        ("Tablet", webkit(IPAD, "CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1")),
        ("Tablet", blink(ANDROID)),
        ("Tablet", blink(GALAXY_TAB, "Version/4.0 Chrome/124.0.6367.82 Safari/537.36")),
        (OTHER, "Mozilla/5.0 (PlayStation; PlayStation 5/9.00) AppleWebKit/605.1.15 (KHTML, like Gecko)"),
        (OTHER, "curl/8.5.0"),
    ],
)
def test_user_agent_has_device(device: str, user_agent: str) -> None:
    assert labels_of(by(user_agent))["Device"] == device


@pytest.mark.parametrize(
    "user_agent",
    [
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    ],
)
def test_crawler_is_a_bot(user_agent: str) -> None:
    assert identify(user_agent).is_bot
    assert set(labels_of(by(user_agent)).values()) == {OTHER}


@pytest.mark.parametrize(
    "user_agent",
    ["", " ", "\x00", "\ud800", "日本語", "(" * 512, "x" * 100_000, "Chrome/" + "1" * 5_000, "Firefox/" + "9" * 400],
    ids=["empty", "blank", "NUL", "surrogate", "Japanese", "brackets", "100 KB", "5,000 digits", "400 digits"],
)
def test_meaningless_user_agent_is_other(user_agent: str) -> None:
    labels = labels_of(by(user_agent))
    assert labels["OS"] == OTHER
    assert labels["Browser"] in (OTHER, "Chrome", "Firefox")
    assert labels["Device"] == OTHER


def test_version_of_5000_digits_keeps_os() -> None:
    assert labels_of(by(f"Mozilla/5.0 (Windows NT 10.0; rv:{'1' * 5_000}) Gecko/20100101"))["OS"] == "Windows"


def test_300_invented_crawlers_add_no_label() -> None:
    shapes = ["{}bot/1.0", "{}crawler", "{} spider", "{}/1.0 CFNetwork/1490.0.4 Darwin/23.2.0"]
    agents = [shape.format(f"Invented{number}") for number in range(75) for shape in shapes]
    labels = {label for agent in agents for label in labels_of(by(agent)).values()}
    assert labels <= {OTHER, "iOS", "macOS", "Phone"}


def test_long_user_agents_are_not_kept_in_memory() -> None:
    """The host accepts headers of up to about 32 KB; the cache holds thousands of User-Agents."""
    tracemalloc.start()
    try:
        for number in range(50):
            identify("x" * 100_000 + str(number))
        retained, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert retained < 1_000_000, f"{retained:,} bytes are kept for 50 User-Agents that differ only after 512 characters"
