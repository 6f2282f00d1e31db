from __future__ import annotations

import random
import time
import tracemalloc

import pytest

from signin.visits.dimensions import OTHER, SignInRequest, labels_of
from signin.visits.user_agent import BROWSERS, DEVICES, OPERATING_SYSTEMS, Hints, identify
from tests.support.user_agents import by

MOZILLA = "Mozilla/5.0"
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
        ("Linux", "Firefox", gecko(LINUX)),
        ("Linux", "Firefox", gecko("X11; Ubuntu; Linux x86_64")),
        ("Linux", "Firefox", gecko("X11; Fedora; Linux x86_64")),
        ("Linux", "Firefox", f"{MOZILLA} (X11; U; Linux i686; rv:1.9) Gecko/2008 Linux Mint/5 (Elyssa) Firefox/3.0.1"),
        ("Linux", "Chrome", blink("X11; CentOS; Linux x86_64")),
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
        # The words of the header, in spite of the browser or the system.
        ("Desktop", gecko("X11; FreeBSD amd64")),
        ("Desktop", blink("X11; OpenBSD amd64")),
        ("Desktop", blink("Wayland; Linux x86_64")),
        ("Desktop", blink("PC; OpenHarmony 6.0", "Chrome/132.0.0.0 Safari/537.36 ArkWeb/6.0.0.47")),
        ("Desktop", webkit(MAC, "CriOS/131 Version/11.1.1 Safari/605.1.15")),
        ("Desktop", "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; Tablet PC 2.0; rv:11.0) like Gecko"),
        ("Phone", blink("Phone; OpenHarmony 5.0", "Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1 Mobile")),
        ("Phone", "Mozilla/5.0 (Mobile; Nokia_8110_4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5"),
        ("Phone", webkit("X11; Linux aarch64", "Version/16.0 Mobile Safari/605.1.15")),
        (
            "Phone",
            "Opera/9.80 (Android 2.3.3; Linux; Opera Mobi/ADR-1111101157; U; es-ES) Presto/2.9.201 Version/11.50",
        ),
        (
            "Phone",
            "Mozilla/5.0 (X11; U; Linux armv7l; rv:1.9.2a1pre) Gecko/20090928 Firefox/3.5 Maemo Browser 1.4 RX-51 N900",
        ),
        ("Tablet", blink("Tablet; OpenHarmony 5.0", "Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1")),
        ("Tablet", "Mozilla/5.0 (Android 14; Tablet; rv:132.0) Gecko/132.0 Firefox/132.0"),
        ("Tablet", blink("Linux; Android 7.0; SHIELD Tablet K1 Build/NRD90M", "Chrome/90.0.4430.91 Safari/537.36")),
        (
            OTHER,
            blink("Linux; Android 9; SHIELD Android TV Build/PPR1.180610.011", "Chrome/90.0.4430.91 Safari/537.36"),
        ),
        (
            OTHER,
            blink("Linux; Android 9; AFTMM Build/PS7633; wv", "Version/4.0 Chrome/70.0.3538.110 Mobile Safari/537.36"),
        ),
        (OTHER, blink("SMART-TV; Linux; Tizen 6.0", "SamsungBrowser/4.0 Chrome/76.0.3809.146 TV Safari/537.36")),
        (
            OTHER,
            blink("Windows NT 10.0; Win64; x64; Xbox; Xbox Series X", "Chrome/120.0 Safari/537.36 Edge/44.18363.8131"),
        ),
        (OTHER, blink("X11; Linux x86_64; Quest 3", "OculusBrowser/30.0 Chrome/118.0 VR Safari/537.36")),
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
    [
        f"{blink(PIXEL, 'Chrome/131.0.0.0 Mobile Safari/537.36')} (compatible; GoogleOther)",
        f"{blink(LINUX)} PingdomPageSpeed/1.0 (pingbot/2.0; +http://www.pingdom.com/)",
        f"{blink(LINUX)} (Applebot/0.1)",
        f"{blink(MAC)} NewRelicSynthetics/1.0",
        f"{webkit(MAC, 'Version/17.4 Safari/605.1.15')} (Amazonbot/0.1; +https://developer.amazon.com/support/amazonbot)",
        f"{webkit(IPHONE, 'Version/18.1 Mobile/15E148 Safari/604.1')} (compatible; Baiduspider-render/2.0)",
        blink("Linux; Android 5.0", "Mobile Safari/537.36 (compatible; Bytespider)"),
        blink(LINUX, "HeadlessChrome/131.0.0.0 Safari/537.36"),
        blink(WINDOWS, "HEADLESSCHROME/131.0.0.0 Safari/537.36"),
        f"{blink(ANDROID, 'Chrome/131.0.0.0 Mobile Safari/537.36')} Chrome-Lighthouse",
        "Mozilla/5.0 (Unknown; Linux x86_64) AppleWebKit/538.1 (KHTML, like Gecko) PhantomJS/2.1.1 Safari/538.1",
        f"{blink(WINDOWS)} Playwright/1.40.0",
        f"{blink(WINDOWS)} SkypeUriPreview Preview/0.5",
        f"{blink(LINUX)} Google Web Preview",
        "meta-externalagent/1.1",
        f"{blink(WINDOWS)}; Selenium",
        f"{blink(WINDOWS)} +awesomecrawler",
        f"{blink(WINDOWS)} (Dotcom-Monitor)",
        f"{blink(WINDOWS)} PingdomTMS/2020.2",
        f"{blink(WINDOWS)} nyt_scraping/1.0",
        "Uptime-Kuma/1.23.16",
        "W3C_Validator/1.3",
        "Library Of Congress Web Archiving",
        "meta-externalfetcher/1.1",
        "Summify (Summify/1.0.1; +http://summify.com)",
        "Iframely/1.3.1 (+https://iframely.com/docs/about) Atlassian",
        f"{blink(MAC)} (+https://www.loc.gov/programs/web-archiving/for-site-owners/)",
        f"{blink(LINUX)} {'x' * 20_000} SomeBot/1.0",
    ],
)
def test_bot_on_any_device_is_a_bot(user_agent: str) -> None:
    assert identify(user_agent).is_bot


def test_headless_brand_is_a_bot() -> None:
    assert identify(blink(LINUX), Hints('"HeadlessChrome";v="131", "Chromium";v="131", "Not_A Brand";v="24"')).is_bot


@pytest.mark.parametrize(
    "user_agent",
    [
        blink("Linux; Android 10; CUBOT_P20", "Chrome/131.0.0.0 Mobile Safari/537.36"),
        blink("Linux; Android 13; CUBOT KINGKONG 9", "Chrome/131.0.0.0 Mobile Safari/537.36"),
        blink("Linux; Android 12; Cubot Note 21", "Chrome/131.0.0.0 Mobile Safari/537.36"),
        blink("Linux; Android 11; ScanPal EDA51", "Chrome/131.0.0.0 Mobile Safari/537.36"),
        webkit(IPHONE, "Mobile/15E148 Phantom/ios/24.2.0"),
        blink(ANDROID, "Chrome/150.0.0.0 Mobile Safari/537.36 (Ecosia android@150.0.0.0)"),
        blink(PIXEL, "Version/4.0 Chrome/146.0.7680.174 Mobile Safari/537.36 MetaIAB Facebook"),
        "Avant Browser/1.2.789rel1 (http://www.avantbrowser.com)",
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 5.1; Embedded Web Browser from: http://bsalsa.com/)",
        "Mozilla/5.0 (compatible; Konqueror/4.4; FreeBSD) KHTML/4.4.3 (like Gecko)",
        "Mozilla/4.0 (compatible; Linux 2.6.22) NetFront/3.4 Kindle/2.0 (screen 600x800)",
        f"{blink(LINUX)} {'x' * 20_000} Cubot",
    ],
)
def test_person_with_unusual_device_is_no_bot(user_agent: str) -> None:
    assert not identify(user_agent).is_bot


ANDROID_VIEW = blink(PIXEL, "Version/4.0 Chrome/124.0.6367.82 Mobile Safari/537.36")
IPHONE_VIEW = webkit(IPHONE, "Mobile/15E148")


@pytest.mark.parametrize(
    ("os", "browser", "user_agent"),
    [
        *[
            ("Android", "Chrome", f"{ANDROID_VIEW} {app}")
            for app in [
                "GSA/15.20.33.29.arm64",
                "[FB_IAB/FB4A;FBAV/468.0.0.57.79;]",
                "[FB_IAB/MESSENGER;FBAV/460.0.0.48.109;]",
                "Instagram 331.0.0.37.90 Android (34/14; 420dpi; 1080x2205; Google; Pixel 8; shiba; en_US; 598323397)",
                "trill_340 JsSdk/1.0 BytedanceWebview/d8a21c6",
                "Snapchat/12.90.0.46",
                "Line/14.10.1/IAB",
                "[Pinterest/Android]",
                "TwitterAndroid",
                "MicroMessenger/8.0.49.2600(0x28003133) WeChat/arm64 Weixin",
                "LinkedInApp/4.1",
            ]
        ],
        *[
            ("iOS", "Safari", f"{IPHONE_VIEW} {app}")
            for app in [
                "[FBAN/FBIOS;FBAV/468.0.0.36.104;FBBV/607]",
                "[FBAN/MessengerForiOS;FBAV/460.0.0.32.108;FBBV/601]",
                "Instagram 331.0.8.23.94 (iPhone14,5; iOS 17_5_1; en_US; en; scale=3.00; 1170x2532; 599275261)",
                "musical_ly_34.5.0 BytedanceWebview/d8a21c6",
                "Safari Line/14.10.0",
                "[Pinterest/iOS]",
                "Twitter for iPhone/10.46",
                "MicroMessenger/8.0.49(0x18003137) NetType/WIFI Language/en",
                "[LinkedInApp]/9.29.7962",
                "AnAppThatIsNotInAnyList/1.0",
                "Spotify/8.9.0",
            ]
        ],
        ("iOS", "Safari", webkit(IPHONE, "GSA/439.4.980558000 Mobile/15E148 Safari/604.1")),
        ("iPadOS", "Safari", webkit(IPAD, "GSA/317.0.634488990 Mobile/15E148 Safari/604.1")),
        ("macOS", "Safari", webkit(MAC, "Mobile/15E148 [FBAN/FBIOS;FBAV/468.0.0.36.104]")),
        ("macOS", "Safari", webkit(MAC, "GSA/317.0.634488990 Safari/604.1")),
        (
            "iOS",
            "Safari",
            webkit(IPHONE, "Version/26.6.1 Mobile/15E148 Snapchat/14.25.0.48 (like Safari/8624.5.1, panda)"),
        ),
        ("Android", "Chrome", blink(ANDROID, "Chrome/124.0.6367.82 Mobile Safari/537.36 Line/14.10.1/IAB")),
        # Browsers of their own that have no label.
        ("iOS", OTHER, webkit(IPHONE, "Version/17.5 Mobile/15E148 Safari/604.1 (Ecosia ios@9.2.0)")),
        ("Android", OTHER, blink(ANDROID, "Chrome/150.0.0.0 Mobile Safari/537.36 (Ecosia android@150.0.0.0)")),
        ("Android", OTHER, "Mozilla/5.0 (Linux; Android 2.3; wv) AppleWebKit/533.1 Mobile [FB_IAB/FB4A;FBAV/20.0.0]"),
    ],
)
def test_embedded_view_counts_for_its_engine(os: str, browser: str, user_agent: str) -> None:
    assert {"OS": os, "Browser": browser}.items() <= labels_of(by(user_agent)).items()


CHROME = "Chrome/131.0.0.0 Safari/537.36"
GREASE = '"Not?A_Brand";v="24", "Chromium";v="131"'
PHONE = blink(ANDROID, "Chrome/131.0.0.0 Mobile Safari/537.36")


@pytest.mark.parametrize(
    ("labels", "user_agent", "brands", "platform", "mobile"),
    [
        (("Windows", "Brave", "Desktop"), blink(WINDOWS), f'{GREASE}, "Brave";v="131"', '"Windows"', "?0"),
        (("macOS", "Edge", "Desktop"), blink(MAC), f'"Microsoft Edge";v="131", {GREASE}', '"macOS"', "?0"),
        (("Windows", "Opera", "Desktop"), blink(WINDOWS), f'"Opera GX";v="115",{GREASE}', "", ""),
        (("Windows", "Vivaldi", "Desktop"), blink(WINDOWS), f'{GREASE} , "Vivaldi";v="7.0"', "", ""),
        (
            ("Windows", "Yandex", "Desktop"),
            blink(WINDOWS),
            f'{GREASE}, "YaBrowser";v="24.12", "Yowser";v="2.5"',
            "",
            "",
        ),
        (("Android", "Brave", "Phone"), PHONE, f'{GREASE}, "Brave";v="131"', '"Android"', "?1"),
        (("Windows", "Brave", "Desktop"), blink(WINDOWS), '"Not\\\\A\\"Brand";v="99", "Brave";v="131"', "", ""),
        (("Windows", "Chrome", "Desktop"), blink(WINDOWS), f'"Google Chrome";v="131", {GREASE}', '"Windows"', "?0"),
        # Platform and form factor.
        (("Android", "Chrome", "Tablet"), blink(LINUX), f'"Google Chrome";v="131", {GREASE}', '"Android"', "?0"),
        (("Android", "Chrome", "Tablet"), blink(LINUX), "", '"Android"', ""),
        (("Android", "Chrome", "Phone"), blink(LINUX), "", '"Android"', "?1"),
        (("Android", "Chrome", "Phone"), blink(ANDROID), "", '"Android"', "?1"),
        (("ChromeOS", "Chrome", "Desktop"), blink(LINUX), "", '"Chrome OS"', "?0"),
        (("ChromeOS", "Chrome", "Desktop"), blink(LINUX), "", '"Chromium OS"', "?0"),
        (("Linux", "Chrome", "Desktop"), blink(LINUX), "", '"Linux"', "?0"),
        # Unknown, contradictory, malformed or too long: the User-Agent decides.
        (("Windows", "Chrome", "Desktop"), blink(WINDOWS), f'{GREASE}, "Another Browser";v="1"', '"Another OS"', "?0"),
        (("Windows", "Chrome", "Desktop"), blink(WINDOWS), '"Brave";v="1", "Vivaldi";v="7"', '"Android"', "?1"),
        (
            ("Windows", "Edge", "Desktop"),
            blink(WINDOWS, "Chrome/131.0 Safari/537.36 Edg/131.0"),
            '"Brave";v="1"',
            "",
            "",
        ),
        (("Linux", "Firefox", "Desktop"), gecko(LINUX), '"Brave";v="131"', '"Android"', "?1"),
        (("iOS", "Safari", "Phone"), IPHONE_VIEW, '"Brave";v="131"', '"Android"', "?0"),
        (("Android", "Chrome", "Phone"), PHONE, "", '"Android"', "?0"),
        (("Linux", "Chrome", "Desktop"), blink(LINUX), "Brave", "Android", "1"),
        (("Linux", "Chrome", "Desktop"), blink(LINUX), '"Brave";v="131"; "', '"android"', "?1?1"),
        (("Linux", "Chrome", "Desktop"), blink(LINUX), '"Brave";v="131",', "", ""),
        (("Linux", "Chrome", "Desktop"), blink(LINUX), '"Brave"', "", ""),
        (("Linux", "Chrome", "Desktop"), blink(LINUX), f'"Brave";v="1", "{"x" * 600}";v="1"', "\ud800", "\x00"),
        (("Windows", "Chrome", "Desktop"), blink(WINDOWS), f'"Brave";v="131"{" " * 600}', "", ""),
        (("Linux", "Chrome", "Phone"), blink("X11; Linux aarch64", f"{CHROME} Mobile"), "", '"Android"', ""),
        (("Android", "Chrome", OTHER), blink("Linux; Android 11; SHIELD Android TV", CHROME), "", '"Android"', "?1"),
        ((OTHER, OTHER, OTHER), "", '"Brave";v="131"', '"Android"', "?1"),
    ],
)
def test_client_hints_are_read(
    labels: tuple[str, str, str], user_agent: str, brands: str, platform: str, mobile: str
) -> None:
    headers = {
        "user-agent": user_agent,
        "sec-ch-ua": brands,
        "sec-ch-ua-platform": platform,
        "sec-ch-ua-mobile": mobile,
    }
    found = labels_of(SignInRequest(headers))
    assert (found["OS"], found["Browser"], found["Device"]) == labels
    assert not identify(user_agent, Hints(brands, platform, mobile)).is_bot


# Browsers and systems that no other test has. The key of each table is the name of the parser, which may change.
RARE = [
    "Mozilla/5.0 (compatible; MSIE 10.0; Windows Phone 8.0; Trident/6.0; IEMobile/10.0; ARM; Touch; NOKIA; Lumia 920)",
    blink("Linux; U; Android 2.3.6; en-us; GT-S5660 Build/GINGERBREAD", "Version/4.0 Mobile Safari/533.1"),
    blink(LINUX, "Ubuntu Chromium/80.0.3987.87 Chrome/80.0.3987.87 Safari/537.36"),
    blink(WINDOWS, "Chrome/131.0.0.0 Safari/537.36 Brave/131"),
    blink(WINDOWS, "Chrome/131.0.0.0 YaBrowser/24.12.0.0 Safari/537.36"),
    webkit(MAC, "Version/17.5 Safari/605.1.15 Ddg/17.5"),
    webkit(IPHONE, "Version/17.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15"),
    blink(
        "Linux; U; Android 9; en-US; Redmi Note 8", "Version/4.0 Chrome/78.0 UCBrowser/13.4.0.1306 Mobile Safari/537.36"
    ),
    webkit(IPHONE, "Version/17.5 Mobile/15E148 Safari/604.1 OPX/2.4.5"),
    *(gecko(f"X11; {system}; Linux x86_64") for system in ("Arch Linux", "Debian", "Gentoo", "Kubuntu", "Mageia")),
    *(gecko(f"X11; {system}; Linux x86_64") for system in ("Red Hat", "Slackware", "SUSE", "openSUSE", "CentOS")),
]


def user_agents_of_these_tests() -> set[str]:
    values = [
        mark.args[1]
        for name, test in globals().items()
        if name.startswith("test_")
        for mark in getattr(test, "pytestmark", ())
        if mark.name == "parametrize"
    ]
    return {
        text
        for rows in values
        for row in rows
        for text in (row if isinstance(row, tuple) else (row,))
        if isinstance(text, str)
    } | set(RARE)


@pytest.mark.parametrize("table", [OPERATING_SYSTEMS, BROWSERS, DEVICES], ids=["systems", "browsers", "devices"])
def test_each_key_of_each_table_occurs(table: dict[str, str]) -> None:
    found = {value for text in user_agents_of_these_tests() for value in identify(text)}
    assert set(table) - found == set()


WORDS = [
    *(
        "Mozilla/5.0 (",
        "X11; ",
        "Linux",
        "Android",
        "; wv)",
        "Windows NT 10.0",
        "Macintosh",
        "iPhone",
        "iPad",
        "Tablet",
    ),
    *("Chrome/131", "Safari/604.1", "AppleWebKit/605.1.15", "Mobile/15E148", "GSA/1.2.3", "Opera Mini", "TV", "\ud800"),
    *('"', "\\", ";v=", ",", "?1", '"Brave";v="1"', '"Android"', "9" * 300, " ", "\x00", "İ", "cubot", "http://"),
]


def test_random_headers_yield_only_labels_in_bounded_time() -> None:
    chance = random.Random(16)
    known = [{*table.values(), OTHER} for table in (OPERATING_SYSTEMS, BROWSERS, DEVICES)]
    for _ in range(300):
        texts = ["".join(chance.choices(WORDS, k=chance.randrange(20))) for _ in range(4)]
        names = ("user-agent", "sec-ch-ua", "sec-ch-ua-platform", "sec-ch-ua-mobile")
        began = time.process_time()
        labels = labels_of(SignInRequest(dict(zip(names, texts, strict=True))))
        assert time.process_time() - began < 0.5, texts
        assert all(labels[column] in table for column, table in zip(("OS", "Browser", "Device"), known, strict=True))


@pytest.mark.parametrize("part", [*WORDS, "a", "a ", "\\\\", "compatible; ", "AFT", "Quest ", '"a";v="1", '])
def test_repeated_text_is_classified_in_bounded_time(part: str) -> None:
    text = (part * 32_768)[:32_768]
    began = time.process_time()
    for cut in (text, text[:512], text[:511]):
        identify(cut, Hints(cut, cut, cut))
    assert time.process_time() - began < 0.5


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
            identify("x" * 100_000 + str(number), Hints("x" * 100_000 + str(number), "y" * 100_000, "z" * 100_000))
        retained, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert retained < 1_000_000, f"{retained:,} bytes are kept for 50 User-Agents that differ only after 512 characters"
