from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import azure.functions as func
import pytest
from azure.functions.decorators.http import HttpTrigger

from local.emulators.functions.routing import RoutingTable
from signin.visits.dimensions import DIMENSIONS
from signin.visits.visit import Visit
from tests.support.function_app import load
from tests.support.user_agents import CRAWLER, SAFARI_ON_IPHONE
from tests.support.web_server import Response

from . import table_service
from .whole_app import Surroundings, forget_current

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Function:
    """A function as the host sees it."""

    name: str
    route: str
    methods: tuple[str, ...]  # none: all
    handler: Callable[[func.HttpRequest], Any]


def listed() -> dict[str, Function]:
    functions = {}
    for declared in MODULE.app.get_functions():
        trigger = cast(HttpTrigger, declared.get_trigger())
        assert trigger.auth_level is func.AuthLevel.ANONYMOUS
        name = cast(str, declared.get_function_name())
        methods = tuple(sorted(method.name for method in cast(list[func.HttpMethod], trigger.methods or ())))
        functions[name] = Function(name, trigger.route or "", methods, declared.get_user_function())
    return functions


MODULE = load()
FUNCTIONS = listed()
ROUTES = {
    "signin": ("GET", "POST"),
    "negotiate": ("POST",),
    "stats": ("GET", "HEAD"),
    "leave": ("POST",),
    "health": ("GET", "HEAD"),
    "badge.svg": ("GET", "HEAD"),
    "badge.json": ("GET", "HEAD"),
}


async def call(
    name: str,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    path: str | None = None,
    params: Mapping[str, str] | None = None,
    room: str | None = None,
    url: str = "/",
) -> func.HttpResponse:
    """Call a function as the host would."""
    route_params = {} if path is None else {"path": path}
    if room is not None:
        route_params["room"] = room
    request = func.HttpRequest(
        method=method, url=url, headers=headers or {}, params=params or {}, route_params=route_params, body=b""
    )
    response = await FUNCTIONS[name].handler(request)
    assert isinstance(response, func.HttpResponse)
    return response


# Routes


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("prefix", ["", "api/", "{room}/", "api/{room}/"])
def test_route_is_served_with_and_without_prefix(prefix: str, path: str) -> None:
    [function] = [function for function in FUNCTIONS.values() if function.route == prefix + path]
    assert function.methods == ROUTES[path]


def test_every_other_path_is_the_website() -> None:
    assert FUNCTIONS["website"].route == "{*path}"
    assert FUNCTIONS["website"].methods == (), "it also responds to the wrong methods of all others"
    assert len(FUNCTIONS) == 4 * len(ROUTES) + 1


def test_catch_all_is_tried_last() -> None:
    """The host takes the first match in the ordinal order of function names, ignoring case."""
    assert sorted(FUNCTIONS, key=str.upper)[-1] == "website"
    assert sorted(FUNCTIONS, key=str.lower)[-1] == "website"


def test_no_route_begins_with_a_reserved_prefix() -> None:
    assert not [function.route for function in FUNCTIONS.values() if function.route.startswith(("admin", "runtime"))]


def test_host_adds_no_route_prefix() -> None:
    host = json.loads((REPOSITORY / "host.json").read_text())
    assert host["extensions"]["http"]["routePrefix"] == ""


def test_log_levels_are_of_existing_functions() -> None:
    host = json.loads((REPOSITORY / "host.json").read_text())
    named = [category.split(".")[1] for category in host["logging"]["logLevel"] if "." in category]
    assert set(named) <= set(FUNCTIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_handler_holds_no_thread_of_the_worker(name: str) -> None:
    assert inspect.iscoroutinefunction(FUNCTIONS[name].handler)


def test_import_needs_no_settings_and_no_network() -> None:
    """An error on import shows in Azure as "0 functions found" and nothing else."""
    program = (
        "import socket\n"
        "def no_network(*arguments, **options): raise AssertionError('a socket was opened on import')\n"
        "socket.socket.connect = socket.getaddrinfo = socket.create_connection = no_network\n"
        "import function_app\n"
        "print(*sorted(function.get_function_name() for function in function_app.app.get_functions()))\n"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=REPOSITORY,
        env={},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == sorted(FUNCTIONS)


def test_import_leaves_collector_on_and_imports_to_it_frozen() -> None:
    program = (
        "import gc\n"
        "walks = []\n"
        "gc.callbacks.append(lambda phase, info: walks.append(info['generation']))\n"
        "import function_app\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 10_000, 2 in walks)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert result.stdout.split() == ["True", "True", "False"], result.stderr


# Responses


@pytest.mark.parametrize("name", ["signin", "api_signin"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_sign_in_counts_the_visit(
    name: str, method: str, around: Surroundings, environment: pytest.MonkeyPatch
) -> None:
    response = await call(name, method, {"User-Agent": SAFARI_ON_IPHONE})
    assert response.status_code == 200
    answer = json.loads(response.get_body())
    assert answer["stats"].pop("history")
    assert {
        "totalNumber": 1,
        "byOS": {"iOS": 1},
        "byBrowser": {"Safari": 1},
        "byDevice": {"Phone": 1},
    }.items() <= answer["stats"].items()
    assert answer["authInfo"]["serviceUrl"] == f"{around.signalr.url}/client/?hub=signinsamplehub"
    assert answer["authInfo"]["accessToken"].count(".") == 2
    assert around.table.audited().total == 1


async def test_sign_in_counts_country_and_language(around: Surroundings, environment: pytest.MonkeyPatch) -> None:
    response = await call("signin", "POST", {"Accept-Language": "de-CH, en;q=0.5"}, params={"zone": "Asia/Calcutta"})
    stats = json.loads(response.get_body())["stats"]
    assert (stats["byCountry"], stats["byLanguage"]) == ({"IN": 1}, {"de": 1})
    assert around.table.audited().counts["Country"] == {"IN": 1}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_sign_ins_with_the_same_key_count_once(
    method: str, around: Surroundings, environment: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        response = await call("signin", method, params={"visit": "a" * 32})
        assert json.loads(response.get_body())["stats"]["totalNumber"] == 1
    assert around.table.audited().total == 1


@pytest.mark.parametrize(
    ("params", "total"),
    [
        ({"visit": "a" * 32, "repeated": "1"}, 1),
        ({"visit": "a" * 32}, 2),
        ({"visit": "a" * 32, "repeated": "0"}, 2),
        ({"repeated": "1"}, 2),
    ],
)
async def test_only_a_marked_key_is_looked_up(
    params: Mapping[str, str], total: int, around: Surroundings, environment: pytest.MonkeyPatch
) -> None:
    around.table.commit_from_elsewhere("00", Visit.now(idempotency_key="a" * 32))
    response = await call("signin", "POST", params=params)
    assert response.status_code == 200
    assert around.table.audited().total == total


async def test_malformed_key_is_a_bad_request(around: Surroundings, environment: pytest.MonkeyPatch) -> None:
    response = await call("signin", "POST", params={"visit": "short"})
    assert response.status_code == 400
    assert json.loads(response.get_body()) == {
        "error": "visit has to be 16 to 64 of the characters A-Z, a-z, 0-9, _ and -",
        "recorded": "no",
    }
    assert "Retry-After" not in response.headers
    assert not around.table.attempts


async def test_negotiation_counts_nothing(around: Surroundings, environment: pytest.MonkeyPatch) -> None:
    response = await call("negotiate", "POST", {"Authorization": "Bearer an-old-token", "User-Agent": SAFARI_ON_IPHONE})
    assert response.status_code == 200
    answer = json.loads(response.get_body())
    assert set(answer) == {"url", "accessToken"}
    assert not around.table.attempts


async def test_statistics_count_nothing(around: Surroundings, environment: pytest.MonkeyPatch) -> None:
    around.table.commit_from_elsewhere("00")
    response = await call("stats", headers={"User-Agent": SAFARI_ON_IPHONE})
    answer = json.loads(response.get_body())
    assert answer.pop("history")
    assert answer.pop("here") == {"now": 0, "seconds": 300}
    assert answer == {"totalNumber": 1, **{dimension.key: {"Other": 1} for dimension in DIMENSIONS}}
    assert not around.table.attempts


# Open pages


async def here(name: str = "stats", method: str = "GET", slot: str | None = "new", **options: Any) -> dict[str, Any]:
    """The member `here` of a response to a page in this slot."""
    params = {} if slot is None else {"here": slot}
    answer = json.loads((await call(name, method, params=params, **options)).get_body())
    return cast(dict[str, Any], answer.get("stats", answer)["here"])


async def test_open_page_is_counted_until_it_is_left(environment: pytest.MonkeyPatch) -> None:
    first = await here("signin", "POST")
    assert (first["now"], first["seconds"]) == (1, 300)
    second = await here()
    assert second["now"] == 2
    assert (await here(slot=first["slot"]))["now"] == 2
    assert await here(slot=None) == {"now": 2, "seconds": 300}
    response = await call("leave", "POST", params={"here": second["slot"]})
    assert (response.status_code, response.get_body(), response.headers["Cache-Control"]) == (204, b"", "no-store")
    assert (await here(slot=None))["now"] == 1


async def test_pages_of_rooms_are_counted_apart(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("Rooms", "keynote; hall-a")
    slot = (await here("room_signin", "POST", room="keynote"))["slot"]
    assert [(await here("room_stats", slot=None, room=room))["now"] for room in ("keynote", "hall-a")] == [1, 0]
    assert (await here(slot=None))["now"] == 0
    await call("api_room_leave", "POST", params={"here": slot}, room="keynote")
    assert (await here("room_stats", slot=None, room="keynote"))["now"] == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"User-Agent": CRAWLER},
        {"Sec-Purpose": "prefetch;prerender"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"},
    ],
    ids=["bot", "ahead of time", "another site"],
)
async def test_request_that_is_no_visit_is_of_no_open_page(
    headers: Mapping[str, str], environment: pytest.MonkeyPatch
) -> None:
    await here("signin", "POST")
    assert await here("signin", "POST", headers=headers) == {"now": 1, "seconds": 300}
    assert await here(headers=headers) == {"now": 1, "seconds": 300}


async def test_pages_of_another_site_leave_nothing(environment: pytest.MonkeyPatch) -> None:
    slot = (await here("signin", "POST"))["slot"]
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"}
    assert (await call("leave", "POST", headers, params={"here": slot})).status_code == 204
    assert (await here(slot=None))["now"] == 1


@pytest.mark.parametrize(("name", "method"), [("signin", "POST"), ("stats", "GET"), ("leave", "POST")])
@pytest.mark.parametrize("slot", ["", "7", "1795392000", "1795392000-0123ABCD", "x" * 10_000])
async def test_malformed_slot_is_a_bad_request(
    slot: str, name: str, method: str, around: Surroundings, environment: pytest.MonkeyPatch
) -> None:
    response = await call(name, method, params={"here": slot})
    assert response.status_code == 400
    assert json.loads(response.get_body()) == {
        "error": 'here has to be "new", "now" or the slot of an earlier response',
        "recorded": "no",
    }
    assert not around.table.attempts


async def test_leave_without_a_slot_is_a_bad_request(environment: pytest.MonkeyPatch) -> None:
    assert (await call("leave", "POST")).status_code == 400


async def test_open_pages_are_not_counted_if_they_are_off(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HereSeconds", "0")
    for name, method in (("signin", "POST"), ("stats", "GET")):
        answer = json.loads((await call(name, method, params={"here": "new"})).get_body())
        assert "here" not in answer.get("stats", answer)
    assert (await call("leave", "POST", params={"here": "new"})).status_code == 204


async def test_badge_shows_open_pages(environment: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        await here("signin", "POST")
    assert await badge_texts({"count": "here"}) == ("here", "2")
    assert await badge_texts({"count": "here", "label": "in the hall"}) == ("in the hall", "2")


async def test_badge_of_open_pages_that_are_off_is_a_bad_request(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HereSeconds", "0")
    response = await call("badge", params={"count": "here"})
    assert response.status_code == 400
    assert json.loads(response.get_body())["error"] == "open pages are not counted (HereSeconds)"


async def test_setting_is_the_period_of_the_readings(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HereSeconds", "30")
    assert (await here())["seconds"] == 30


async def test_health_has_an_entry_for_each_service(environment: pytest.MonkeyPatch) -> None:
    response = await call("health")
    assert response.status_code == 200
    assert json.loads(response.get_body()) == {part: {"ok": True} for part in ("table", "blob", "signalr")}


@pytest.mark.parametrize("path", [None, "", "index.html"], ids=["no path", "empty path", "index.html"])
async def test_homepage_is_a_blob(path: str | None, environment: pytest.MonkeyPatch) -> None:
    response = await call("website", path=path)
    assert (response.status_code, response.get_body()) == (200, b"<p>Home")
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_page_may_connect_to_signalr_only(around: Surroundings, environment: pytest.MonkeyPatch) -> None:
    signalr = f"{around.signalr.url} {around.signalr.url.replace('http', 'ws')}"
    for path, status in {"": 200, "missing.html": 404}.items():
        response = await call("website", path=path)
        assert response.status_code == status
        policy = response.headers["Content-Security-Policy"]
        assert f"connect-src 'self' {signalr};" in policy


@pytest.mark.parametrize(("setting", "policy"), [("img-src data:", "img-src data:"), ("none", None)])
async def test_setting_replaces_the_policy_of_pages(
    setting: str, policy: str | None, around: Surroundings, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("ContentSecurityPolicy", setting)
    for path in ("", "missing.html"):
        response = await call("website", path=path)
        assert response.headers.get("Content-Security-Policy") == policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_redirect_to_directory_keeps_the_query(around: Surroundings, environment: pytest.MonkeyPatch) -> None:
    around.blobs.handler = lambda request: Response(200 if request.target == "/content/guide/index.html" else 404)
    request = func.HttpRequest(method="GET", url="http://[/guide?a=b?c", route_params={"path": "guide"}, body=b"")
    response = await FUNCTIONS["website"].handler(request)
    assert (response.status_code, response.headers["Location"]) == (301, "/guide/?a=b?c")


async def badge_texts(params: Mapping[str, str], name: str = "badge", room: str | None = None) -> tuple[str, str]:
    """The label and the number of a badge, equal as a picture and for shields.io."""
    response = await call(name, params=params, room=room)
    assert (response.status_code, response.headers["Content-Type"]) == (200, "image/svg+xml")
    _, label, number = re.findall(r">([^<>\n]*)</", response.get_body().decode())
    badge = json.loads((await call(f"{name}_json", params=params, room=room)).get_body())
    assert (badge["label"], badge["message"]) == (label, number)
    return label, number


async def test_badge_shows_total_and_counts_nothing(around: Surroundings, environment: pytest.MonkeyPatch) -> None:
    around.table.commit_from_elsewhere("00")
    assert await badge_texts({}) == await badge_texts({"count": "visits", "label": " "}) == ("visits", "1")
    assert not around.table.attempts


async def test_badge_has_the_label_of_its_query(environment: pytest.MonkeyPatch) -> None:
    assert await badge_texts({"label": "im Saal \u00fc"}) == ("im Saal \u00fc", "0")
    assert await badge_texts({"label": "in", "count": "people"}) == ("in", "0")


async def test_badge_of_people_shows_whether_there_may_be_more(
    around: Surroundings, environment: pytest.MonkeyPatch
) -> None:
    for visitor, number in [("new", "1"), ("new", "2"), ("returning", "2"), ("", "2+"), ("new", "3+")]:
        assert (await call("signin", "POST", params={"visitor": visitor})).status_code == 200
        assert await badge_texts({"count": "people"}) == ("people", number)
    assert await badge_texts({}) == ("visits", "5")


@pytest.mark.parametrize("name", ["badge", "badge_json"])
@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({"count": "nobody"}, "count has to be one of visits, people, here"),
        ({"count": "People"}, "count has to be one of visits, people, here"),
        ({"count": "people,visits"}, "count has to be one of visits, people, here"),
        ({"label": "x" * 41}, "label has to have at most 40 characters, without control characters"),
    ],
)
async def test_unknown_badge_is_a_bad_request(
    name: str, params: Mapping[str, str], error: str, environment: pytest.MonkeyPatch
) -> None:
    response = await call(name, params=params)
    assert response.status_code == 400
    assert json.loads(response.get_body()) == {"error": error, "recorded": "no"}


@pytest.mark.parametrize("suffix", ["", "/"])
@pytest.mark.parametrize("prefix", ["", "api/"])
@pytest.mark.parametrize(
    ("path", "method"),
    [
        (path, method)
        for path, methods in ROUTES.items()
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
        if method not in methods
    ],
)
async def test_wrong_method_of_a_route_is_405(path: str, method: str, prefix: str, suffix: str) -> None:
    """The host routes by method too, so that the wrong ones come to the website."""
    for spelling in (path, path.upper()):
        response = await call("website", method, path=f"{prefix}{spelling}{suffix}")
        assert (response.status_code, response.headers["Allow"]) == (405, ", ".join(ROUTES[path]))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", [None, "index.html", "signin//", "stats/x", "api/"])
async def test_content_is_read_only(method: str, path: str | None) -> None:
    response = await call("website", method, path=path)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(("path", "allowed"), [(None, "GET, HEAD"), ("a/b", "GET, HEAD"), ("negotiate", "POST")])
async def test_options_lists_allowed_methods(path: str | None, allowed: str) -> None:
    response = await call("website", "OPTIONS", path=path)
    assert (response.status_code, response.headers["Allow"]) == (204, allowed)


async def test_missing_page_is_404(environment: pytest.MonkeyPatch) -> None:
    assert (await call("website", path="missing.html")).status_code == 404
    assert (await call("website", path="../secret")).status_code == 404


# Errors


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_missing_settings_are_one_line_of_json(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert forget_current() is None
    for setting in ("TableConnectionString", "BlobHost", "AzureSignalRConnectionString"):
        monkeypatch.delenv(setting, raising=False)
    response = await call(name, (*FUNCTIONS[name].methods, "GET")[0])
    assert response.status_code == 500
    [line] = response.get_body().decode().splitlines()
    assert json.loads(line) == {
        "error": "The app is not set up: TableConnectionString is not set; BlobHost is not set;"
        " AzureSignalRConnectionString is not set",
        "recorded": "no",
    }


async def test_unacknowledged_visit_is_503(around: Surroundings, environment: pytest.MonkeyPatch) -> None:
    around.table.faults.append(table_service.raising(table_service.wrong_key))
    response = await call("signin", "POST")
    assert response.status_code == 503
    assert json.loads(response.get_body())["recorded"] == "no"
    assert response.headers["Retry-After"]


async def test_unreadable_statistics_are_503(around: Surroundings, environment: pytest.MonkeyPatch) -> None:
    around.table.read_errors.append(table_service.no_answer())
    assert (await call("stats")).status_code == 503


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_unexpected_error_is_left_to_the_host(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(MODULE, "current_app", defect)
    with pytest.raises(ZeroDivisionError):
        await call(name)


# Rooms


@pytest.fixture
def rooms(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    environment.setenv("Rooms", "keynote=Opening keynote; hall-a")
    return environment


def first_match(method: str, path: str) -> tuple[str, dict[str, str]]:
    """The function that the host chooses, and its route parameters."""
    found = RoutingTable.of(load().app, prefix="").match(method, f"/{path}")
    assert found is not None
    return found[0].name, found[1]


@pytest.mark.parametrize("suffix", ["", "/"])
@pytest.mark.parametrize("path", ROUTES)
def test_host_finds_the_function_of_each_counter(path: str, suffix: str) -> None:
    method, name = ROUTES[path][0], path.removesuffix(".svg").replace(".", "_")
    assert first_match(method, f"{path}{suffix}") == (name, {})
    assert first_match(method, f"api/{path}{suffix}") == (f"api_{name}", {})
    assert first_match(method, f"hall-a/{path}{suffix}") == (f"room_{name}", {"room": "hall-a"})
    assert first_match(method, f"api/hall-a/{path}{suffix}") == (f"api_room_{name}", {"room": "hall-a"})
    assert first_match(method, f"a/b/{path}")[0] == "website"


@pytest.mark.parametrize("prefix", ["", "api_"])
async def test_rooms_count_apart(prefix: str, around: Surroundings, rooms: pytest.MonkeyPatch) -> None:
    for total, name, room in [(1, "room_signin", "keynote"), (1, "signin", None), (2, "room_signin", "keynote")]:
        answer = json.loads((await call(f"{prefix}{name}", "POST", room=room)).get_body())
        assert answer["stats"]["totalNumber"] == total
        hub = "signinsamplehub_keynote" if room else "signinsamplehub"
        assert answer["authInfo"]["serviceUrl"] == f"{around.signalr.url}/client/?hub={hub}"
    for room, total in [("keynote", 2), ("hall-a", 0)]:
        answer = json.loads((await call(f"{prefix}room_stats", room=room)).get_body())
        assert answer["totalNumber"] == total
        assert await badge_texts({}, f"{prefix}room_badge", room) == ("visits", f"{total}")
    answer = json.loads((await call(f"{prefix}room_negotiate", "POST", room="hall-a")).get_body())
    assert answer["url"] == f"{around.signalr.url}/client/?hub=signinsamplehub_hall_a"
    assert (await call(f"{prefix}room_health", room="hall-a")).status_code == 200


async def test_health_of_a_room_is_of_its_table(around: Surroundings, rooms: pytest.MonkeyPatch) -> None:
    around.table.put("keynote-00", "stats", Total="many")
    assert [(await call("room_health", room=room)).status_code for room in ("keynote", "hall-a")] == [503, 200]
    assert (await call("health")).status_code == 200


@pytest.mark.parametrize("function", ["room_signin", "room_stats", "room_badge", "room_health"])
async def test_unknown_room_is_unknown_content(function: str, around: Surroundings, rooms: pytest.MonkeyPatch) -> None:
    path = FUNCTIONS[function].route.replace("{room}", "nope")
    response = await call(function, room="nope", url=f"http://host/{path}?visit=x")
    expected = await call("website", path=path)
    assert (response.status_code, response.get_body()) == (404, expected.get_body())
    assert dict(response.headers) == dict(expected.headers)
    assert not around.table.attempts


@pytest.mark.parametrize(
    ("url", "blob"),
    [
        ("http://host/docs/stats?a", "docs/stats"),
        ("https://host/docs/STATS", "docs/STATS"),
        ("http://host/docs/stats/", "docs/stats/index.html"),
        ("http://host/sm%C3%A5/stats", "sm%C3%A5/stats"),
    ],
)
async def test_content_may_have_the_name_of_a_route(
    url: str, blob: str, around: Surroundings, rooms: pytest.MonkeyPatch
) -> None:
    """In a folder that is no room."""
    around.blobs.handler = lambda request: Response(200 if request.target == f"/content/{blob}" else 404, b"blob")
    response = await call("room_stats", room="docs", url=url)
    assert (response.status_code, response.get_body()) == (200, b"blob")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_unknown_room_is_read_only(method: str, rooms: pytest.MonkeyPatch) -> None:
    for function in ("room_signin", "room_negotiate"):
        response = await call(function, method, room="nope", url="http://host/nope/signin")
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("prefix", ["", "api/", "API/"])
@pytest.mark.parametrize("path", ROUTES)
async def test_wrong_method_in_a_room_is_405(path: str, prefix: str, rooms: pytest.MonkeyPatch) -> None:
    for spelling in (path, path.upper(), f"{path}/"):
        response = await call("website", "PUT", path=f"{prefix}hall-a/{spelling}")
        assert (response.status_code, response.headers["Allow"]) == (405, ", ".join(ROUTES[path]))
        response = await call("website", "OPTIONS", path=f"{prefix}hall-a/{spelling}")
        assert (response.status_code, response.headers["Allow"]) == (204, ", ".join(ROUTES[path]))
        response = await call("website", "PUT", path=f"{prefix}nope/{spelling}")
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")


async def test_room_has_the_page_with_its_title(around: Surroundings, rooms: pytest.MonkeyPatch) -> None:
    around.blobs.handler = lambda request: Response(200, b"<title>Home</title>", {"Content-Type": "text/html"})
    titles = {"": b"Home", "keynote/": b"Opening keynote", "hall-a/": b"Home"}
    for path, title in titles.items():
        assert (await call("website", path=path)).get_body() == b"<title>%s</title>" % title
    response = await call("website", path="keynote")
    assert (response.status_code, response.headers["Location"]) == (301, "/keynote/")


async def test_setting_names_the_page(around: Surroundings, rooms: pytest.MonkeyPatch) -> None:
    rooms.setenv("Title", "Our event")
    around.blobs.handler = lambda request: Response(200, b"<title>Home</title>", {"Content-Type": "text/html"})
    assert (await call("website", path="")).get_body() == b"<title>Our event</title>"


# Pages of other origins

SHARED = {"signin": "POST", "negotiate": "POST", "stats": "GET"}
ALLOWED_ORIGIN = "https://www.example.com"
FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


@pytest.fixture
def origins(rooms: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    rooms.setenv("AllowedOrigins", f"{ALLOWED_ORIGIN}, https://b.example")
    return rooms


def cors(response: func.HttpResponse) -> tuple[str | None, str | None, str | None]:
    names = ("Vary", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
    assert not {"Access-Control-Allow-Credentials", "Access-Control-Allow-Methods"} & set(response.headers)
    vary, allow_origin, expose = (response.headers.get(name) for name in names)
    return vary, allow_origin, expose


READABLE = ("Origin", ALLOWED_ORIGIN, "Retry-After")
NOT_READABLE = ("Origin", None, None)


@pytest.mark.parametrize("room", [None, "keynote"])
@pytest.mark.parametrize("prefix", ["", "api_"])
@pytest.mark.parametrize("route", SHARED)
async def test_allowed_origin_may_read_the_routes_of_a_counter(
    route: str, prefix: str, room: str | None, origins: pytest.MonkeyPatch
) -> None:
    name = f"{prefix}{'room_' if room else ''}{route}"
    for headers, expected in [
        ({"Origin": ALLOWED_ORIGIN}, READABLE),
        ({"Origin": "https://elsewhere.example"}, NOT_READABLE),
        ({"Origin": "null"}, NOT_READABLE),
        ({}, NOT_READABLE),
    ]:
        response = await call(name, SHARED[route], headers, room=room)
        assert (response.status_code, cors(response)) == (200, expected)


async def test_without_allowed_origins_no_response_has_their_headers(rooms: pytest.MonkeyPatch) -> None:
    for route, method in SHARED.items():
        assert cors(await call(route, method, {"Origin": ALLOWED_ORIGIN})) == (None, None, None)


async def test_allowed_origin_may_read_errors(around: Surroundings, origins: pytest.MonkeyPatch) -> None:
    headers = {"Origin": ALLOWED_ORIGIN}
    response = await call("signin", "POST", headers, params={"visit": "short"})
    assert (response.status_code, cors(response)) == (400, READABLE)
    around.table.faults.append(table_service.raising(table_service.wrong_key))
    response = await call("signin", "POST", headers)
    assert (response.status_code, cors(response)) == (503, READABLE)
    assert response.headers["Retry-After"]
    around.table.read_errors.append(table_service.no_answer())
    response = await call("stats", headers=headers | {"Origin": "https://elsewhere.example"})
    assert (response.status_code, cors(response)) == (503, NOT_READABLE)


@pytest.mark.parametrize("path", ["signin", "negotiate", "api/stats", "keynote/signin"])
async def test_preflight_gets_no_permission(path: str, origins: pytest.MonkeyPatch) -> None:
    origins.setenv("AllowedOrigins", "*")
    headers = {"Origin": ALLOWED_ORIGIN, "Access-Control-Request-Method": "POST"}
    response = await call("website", "OPTIONS", headers, path=path)
    assert (response.status_code, response.headers["Allow"]) == (204, ", ".join(ROUTES[path.rpartition("/")[2]]))
    assert cors(response) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in ("health", "badge", "badge_json")),
        ("room_health", {"room": "keynote"}),
        ("room_stats", {"room": "nope", "url": "http://host/nope/stats"}),
        ("website", {"path": ""}),
        ("leave", {"method": "POST", "params": {"here": "new"}}),
        ("website", {"path": "stats", "method": "PUT"}),
    ],
)
async def test_other_responses_have_no_cors_headers(
    name: str, options: dict[str, Any], origins: pytest.MonkeyPatch
) -> None:
    response = await call(name, headers={"Origin": ALLOWED_ORIGIN}, **options)
    assert cors(response)[1:] == (None, None)


@pytest.mark.parametrize(("origin", "total"), [(ALLOWED_ORIGIN, 1), ("https://elsewhere.example", 0), ("null", 0)])
async def test_scripts_of_allowed_origins_only_are_counted(
    origin: str, total: int, around: Surroundings, origins: pytest.MonkeyPatch
) -> None:
    answer = json.loads((await call("signin", "POST", FROM_ELSEWHERE | {"Origin": origin})).get_body())
    assert answer["stats"]["totalNumber"] == around.table.audited().total == total
    assert answer.get("recorded") == (None if total else "no")


async def test_allowed_origin_may_show_the_page_in_a_frame(origins: pytest.MonkeyPatch) -> None:
    policy = (await call("website", path="")).headers["Content-Security-Policy"]
    assert policy.endswith(f"; frame-ancestors {ALLOWED_ORIGIN} https://b.example")
