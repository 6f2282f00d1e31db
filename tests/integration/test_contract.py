"""The wire contract: every route, and pages written for the C# sample."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import jwt
import pytest

from local.emulators.signalr.tokens import DEVELOPMENT_KEY
from local.publishing.publisher import assets
from signin.visits.dimensions import DIMENSIONS
from tests.support.running_host import Reply
from tests.support.signalr_clients import javascript, pysignalr
from tests.support.user_agents import CRAWLER, EDGE_ON_WINDOWS, FIREFOX_ON_LINUX, SAFARI_ON_IPHONE
from tests.support.visitors import visit

from .conftest import Site

METHODS = {"signin": "GET, POST", "negotiate": "POST", "leave": "POST"}  # the other routes have GET and HEAD
PREFIXES = pytest.mark.parametrize("prefix", ["", "/api"], ids=["at /", "at /api/"])


def json_of(reply: Reply) -> Any:
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "no-store"
    return json.loads(reply.body)


def assert_access_to_hub(url: str, token: str) -> None:
    assert url.endswith("/client/?hub=signinsamplehub")
    jwt.decode(token, DEVELOPMENT_KEY, ["HS256"], audience=url, options={"require": ["aud", "exp"]})


@PREFIXES
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_signin_returns_access_and_statistics(site: Site, prefix: str, method: str) -> None:
    before = site.total()
    content = json_of(site.request(f"{prefix}/signin", method))
    assert set(content) == {"authInfo", "stats"}
    assert set(content["authInfo"]) == {"serviceUrl", "accessToken"}
    assert_access_to_hub(content["authInfo"]["serviceUrl"], content["authInfo"]["accessToken"])
    stats = content["stats"]
    assert stats["totalNumber"] == before + 1
    for dimension in DIMENSIONS:
        assert sum(stats[dimension.key].values()) == before + 1, dimension.key


@PREFIXES
def test_negotiate_returns_access_only(site: Site, prefix: str) -> None:
    before = site.total()
    content = json_of(site.request(f"{prefix}/negotiate?negotiateVersion=1", "POST"))
    assert set(content) == {"url", "accessToken"}
    assert_access_to_hub(content["url"], content["accessToken"])
    assert site.total() == before


def test_tokens_are_unique(site: Site) -> None:
    tokens = [json_of(site.request("/negotiate", "POST"))["accessToken"] for _ in range(3)]
    assert len(set(tokens)) == 3


@PREFIXES
def test_stats_returns_what_signin_does(site: Site, prefix: str) -> None:
    visited = json_of(site.request("/signin"))["stats"]
    for _ in range(2):
        stats = json_of(site.request(f"{prefix}/stats"))
        names = ["totalNumber", *(dimension.key for dimension in DIMENSIONS), "history", "here"]
        assert list(stats) == list(visited) == names
        for name in names:
            assert name == "history" or stats[name] == visited[name]


@PREFIXES
def test_open_page_is_here_until_it_is_left(site: Site, prefix: str) -> None:
    here = json_of(site.request(f"{prefix}/stats?here=new"))["here"]
    assert here == {"now": 1, "seconds": 300, "slot": here["slot"]}
    assert json_of(site.request(f"{prefix}/stats?here={here['slot']}"))["here"]["now"] == 1
    reply = site.request(f"{prefix}/leave?here={here['slot']}", "POST")
    assert (reply.status, reply.body) == (204, b"")
    assert json_of(site.request("/stats"))["here"] == {"now": 0, "seconds": 300}


@PREFIXES
@pytest.mark.parametrize("route", ["stats", "health", "badge.json"])
def test_head_is_get_without_body(site: Site, prefix: str, route: str) -> None:
    got, head = (site.request(f"{prefix}/{route}", method) for method in ("GET", "HEAD"))
    assert head.status == got.status == 200
    assert head.body == b""
    for name in ("Content-Type", "Cache-Control", "Content-Length"):
        assert head.headers[name] == got.headers[name], name


@PREFIXES
def test_health_has_one_line_per_service(site: Site, prefix: str) -> None:
    reply = site.request(f"{prefix}/health")
    assert json_of(reply) == {"table": {"ok": True}, "blob": {"ok": True}, "signalr": {"ok": True}}
    assert [line.split('"')[1] for line in reply.body.decode().splitlines()[1:-1]] == ["table", "blob", "signalr"]


@PREFIXES
@pytest.mark.parametrize(
    ("method", "route"),
    [
        *((method, "signin") for method in ("HEAD", "PUT", "DELETE", "PATCH")),
        *((method, route) for method in ("GET", "HEAD", "PUT") for route in ("negotiate", "leave")),
        *((method, route) for method in ("POST", "PUT", "DELETE") for route in ("stats", "health")),
        *((method, "") for method in ("POST", "PUT", "DELETE")),
    ],
)
def test_wrong_method_is_405_and_not_counted(site: Site, prefix: str, method: str, route: str) -> None:
    before = site.total()
    reply = site.request(f"{prefix}/{route}", method)
    assert (reply.status, reply.headers["Allow"]) == (405, METHODS.get(route, "GET, HEAD"))
    assert site.total() == before


@PREFIXES
@pytest.mark.parametrize("route", ["signin", "negotiate", "stats", "badge.svg", ""])
def test_options_lists_methods_and_counts_nothing(site: Site, prefix: str, route: str) -> None:
    before = site.total()
    reply = site.request(f"{prefix}/{route}", "OPTIONS")
    assert (reply.status, reply.headers["Allow"]) == (204, METHODS.get(route, "GET, HEAD"))
    assert site.total() == before


@PREFIXES
def test_badge_shows_the_total_on_any_site(site: Site, prefix: str) -> None:
    before = site.total()
    for method in ("GET", "HEAD"):
        reply = site.request(f"{prefix}/badge.svg", method, headers={"User-Agent": FIREFOX_ON_LINUX})
        assert (reply.status, reply.headers["Content-Type"]) == (200, "image/svg+xml")
        assert reply.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert reply.headers["Cache-Control"] == "public, max-age=1"
        assert (f"visits: {before:,}<".encode() in reply.body) == (method == "GET")
    assert site.total() == before


@PREFIXES
def test_badge_for_shields_has_label_and_count_of_its_query(site: Site, prefix: str) -> None:
    """The host decodes the query: `+` is a space, and repeated parameters are joined by a comma."""
    site.request("/signin?visitor=new", "POST")
    people = site.statistics()["byVisitor"]
    for query, label, message in [
        ("", "visits", f"{site.total():,}"),
        ("?count=people", "people", f"{people['New']:,}{'+' if 'Other' in people else ''}"),
        ("?label=Caf%C3%A9+%3Cb%3E%26&style=flat", "Caf\u00e9 <b>&", f"{site.total():,}"),
        ("?label=a&label=b", "a,b", f"{site.total():,}"),
        ("?label=&count=", "visits", f"{site.total():,}"),
    ]:
        reply = site.request(f"{prefix}/badge.json{query}")
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
        assert reply.headers["Cache-Control"] == "public, max-age=1"
        assert json.loads(reply.body) == {"schemaVersion": 1, "label": label, "message": message, "color": "0b6e69"}
    reply = site.request(f"{prefix}/badge.json?count=nobody")
    assert (reply.status, reply.headers["Cache-Control"]) == (400, "no-store")


def test_all_assets_of_the_homepage_are_served(site: Site) -> None:
    for asset in assets():
        reply = site.request(f"/{asset.name}")
        assert (reply.status, reply.headers["Content-Type"]) == (200, asset.content_type), asset.name
        assert reply.headers["X-Content-Type-Options"] == "nosniff", asset.name
    assert site.request("/").body == site.request("/index.html").body


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": CRAWLER},
        {"User-Agent": FIREFOX_ON_LINUX, "Sec-Purpose": "prefetch"},
        {"User-Agent": EDGE_ON_WINDOWS, "Sec-Purpose": "prefetch;prerender"},
    ],
    ids=["crawler", "prefetch", "prerender"],
)
def test_crawlers_and_prefetches_are_not_counted(site: Site, headers: dict[str, str]) -> None:
    before = site.statistics()
    content = json_of(site.request("/signin", headers=headers))
    assert before.items() <= content["stats"].items()
    assert_access_to_hub(content["authInfo"]["serviceUrl"], content["authInfo"]["accessToken"])
    assert site.statistics() == before


@pytest.mark.parametrize(
    ("user_agent", "system", "browser", "device"),
    [
        (EDGE_ON_WINDOWS, "Windows", "Edge", "Desktop"),
        (SAFARI_ON_IPHONE, "iOS", "Safari", "Phone"),
        (FIREFOX_ON_LINUX, "Linux", "Firefox", "Desktop"),
    ],
)
def test_visit_counts_by_system_browser_and_device(
    site: Site, user_agent: str, system: str, browser: str, device: str
) -> None:
    before = site.statistics()
    after = json_of(site.request("/signin", headers={"User-Agent": user_agent}))["stats"]
    for name, label in (("byOS", system), ("byBrowser", browser), ("byDevice", device)):
        assert after[name] == before[name] | {label: before[name].get(label, 0) + 1}


def test_visit_counts_by_country_and_language(site: Site) -> None:
    before = site.statistics()
    headers = {"User-Agent": EDGE_ON_WINDOWS, "Accept-Language": "uk-UA,uk;q=0.9,en;q=0.8"}
    after = json_of(site.request("/signin?zone=Europe%2FKiev", "POST", headers=headers))["stats"]
    for name, label in (("byCountry", "UA"), ("byLanguage", "uk")):
        assert after[name] == before[name] | {label: before[name].get(label, 0) + 1}


def assert_arguments_of(stats: dict[str, Any], arguments: list[Any]) -> None:
    """A broadcast has the statistics of a response, without the history, and the number of open pages."""
    others = {name: stats[name] for name in stats.keys() - {"totalNumber", "byOS", "byBrowser", "history"}}
    others["here"] = others["here"]["now"]
    assert arguments == [stats["totalNumber"], stats["byOS"], stats["byBrowser"], others]
    assert "byDevice" in others


async def test_page_of_the_sample_sees_the_next_visit(site: Site) -> None:
    async with aiohttp.ClientSession() as http:
        mine = await visit(http, site.url)
        access = mine.content["authInfo"]
        # new HubConnectionBuilder().withUrl(serviceUrl, {accessTokenFactory: () => accessToken})
        async with javascript(access["serviceUrl"], access["accessToken"]) as page:
            assert await page.event() == ["connected", None]
            next_one = await visit(http, site.url, SAFARI_ON_IPHONE)
            event, arguments = await page.event()
            while arguments[0] < next_one.total:  # a broadcast of earlier visits may come first
                event, arguments = await page.event()
    assert event == "updateSignInStats"
    assert_arguments_of(next_one.content["stats"], arguments)


@PREFIXES
async def test_negotiating_page_sees_the_next_visit(site: Site, prefix: str) -> None:
    async with aiohttp.ClientSession() as http, pysignalr(site.url + prefix) as page:
        assert await page.event() == ["connected", None]
        next_one = await visit(http, site.url)
        event, arguments = await page.event()
        while arguments[0] < next_one.total:
            event, arguments = await page.event()
    assert event == "updateSignInStats"
    assert_arguments_of(next_one.content["stats"], arguments)
