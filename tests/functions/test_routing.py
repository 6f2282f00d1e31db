"""Which function a request reaches."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import azure.functions as func
import pytest

from local.emulators.functions.routing import RoutingError, RoutingTable, decode_path


def add(app: func.FunctionApp, name: str, route: str | None = None, methods: Iterable[str] | None = None) -> None:
    def function(req: func.HttpRequest) -> str:
        return name

    app.function_name(name)(app.route(route=route, methods=methods)(function))


def table(routes: dict[str, str], prefix: str = "") -> RoutingTable:
    """Routes by function name; a route may start with its methods: `GET,HEAD path`."""
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    for name, described in routes.items():
        *methods, route = described.split(" ")
        add(app, name, route, methods[0].split(",") if methods else None)
    return RoutingTable.of(app, prefix)


def found(routes: RoutingTable, path: str, method: str = "GET") -> tuple[str, dict[str, str]] | None:
    match = routes.match(method, path)
    return match and (match[0].name, match[1])


@pytest.mark.parametrize(
    ("route", "path", "parameters"),
    [
        ("signin", "/signin", {}),
        ("signin", "/SignIn", {}),
        ("SIGNIN", "/signin", {}),
        ("signin", "/signin/", {}),
        ("/signin/", "/signin", {}),
        ("signin", "/%73ignin", {}),
        ("a.b", "/a.b", {}),
        ("users/{name}", "/users/ada", {"name": "ada"}),
        ("users/{name}", "/users/a%20b%C3%A9", {"name": "a b\u00e9"}),
        ("users/{name}", "/users/a%2Fb", {"name": "a%2Fb"}),
        ("users/{name}", "/users/a%2fb", {"name": "a%2fb"}),
        ("users/{name}", "/users/%252F", {"name": "%2F"}),
        ("users/{name}/files", "/users/ada/files", {"name": "ada"}),
        ("users/{name?}", "/users", {}),
        ("users/{name?}", "/users/", {}),
        ("users/{name?}", "/users/ada", {"name": "ada"}),
        ("{*path}", "/", {}),
        ("{*path}", "/a", {"path": "a"}),
        ("{*path}", "/a//b/", {"path": "a//b/"}),
        ("{*path}", "/../%2e%2e/a", {"path": "../../a"}),
        ("{**path}", "/a/b", {"path": "a/b"}),
        ("files/{*path}", "/files", {}),
        ("files/{*path}", "/files/", {}),
        ("files/{*path}", "/files/a/b", {"path": "a/b"}),
        ("files/{*path}", "/files/a%0Ab", {"path": "a\nb"}),
    ],
)
def test_route_matches_and_captures_parameters(route: str, path: str, parameters: dict[str, str]) -> None:
    assert found(table({"f": route}), path) == ("f", parameters)


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ("signin", "/"),
        ("signin", "/signins"),
        ("signin", "/signin/x"),
        ("signin", "/signin//"),
        ("signin", "//signin"),
        ("signin", "/\u017fignin"),
        ("a.b", "/axb"),
        ("a/b", "/a%2Fb"),
        ("users/{name}", "/users"),
        ("users/{name}", "/users/"),
        ("users/{name}", "/users/a/b"),
        ("users/{name?}", "/users/a/b"),
        ("users/{name?}", "/users//"),
        ("{*path}", "//"),
        ("{*path}", "//host/x"),
        ("files/{*path}", "/filesystem"),
        ("files/{*path}", "/files//a"),
    ],
)
def test_route_does_not_match(route: str, path: str) -> None:
    assert found(table({"f": route}), path) is None


@pytest.mark.parametrize(
    ("raw", "decoded"),
    [
        ("/plain", "/plain"),
        ("/%41%C3%a9", "/A\u00e9"),
        ("/a%2Fb%2fc", "/a%2Fb%2fc"),
        ("/%FF%41", "/%FFA"),
        ("/%C3%", "/%C3%"),
        ("/%zz%4", "/%zz%4"),
        ("/a+b", "/a+b"),
        ("/%00", "/\0"),
    ],
)
def test_path_is_decoded_except_slashes_and_invalid_utf_8(raw: str, decoded: str) -> None:
    assert decode_path(raw) == decoded


def test_functions_are_tried_in_order_of_names() -> None:
    assert found(table({"static_content": "{*path}", "signin": "signin"}), "/signin") == ("signin", {})
    assert found(table({"content": "{*path}", "signin": "signin"}), "/signin") == ("content", {"path": "signin"})


def test_order_of_names_ignores_case() -> None:
    routes = table({"b": "x", "A": "x", "a_b": "x", "aB": "x", "a1": "x"})
    assert [route.name for route in routes.routes] == ["A", "a1", "aB", "a_b", "b"]


def test_other_method_falls_through_to_later_function() -> None:
    routes = table({"a": "POST x", "b": "GET,HEAD x"})
    assert [found(routes, "/x", method) for method in ("POST", "GET", "HEAD", "PUT")] == [
        ("a", {}),
        ("b", {}),
        ("b", {}),
        None,
    ]


def test_route_without_methods_matches_all() -> None:
    assert found(table({"f": "x"}), "/x", "DELETE") == ("f", {})


def test_default_route_is_prefixed_function_name() -> None:
    app = func.FunctionApp()
    add(app, "Hello")
    routes = RoutingTable.of(app)
    assert found(routes, "/api/hello") == ("Hello", {})
    assert found(routes, "/hello") is None


def test_only_anonymous_functions_need_no_key() -> None:
    app = func.FunctionApp()  # its default level is "function"
    add(app, "f")
    assert [route.anonymous for route in RoutingTable.of(app).routes] == [False]
    assert [route.anonymous for route in table({"f": "x"}).routes] == [True]


@pytest.mark.parametrize("route", ["admin", "administration/{x}", "/Admin/x", "runtime", "RuntimeInfo"])
def test_reserved_routes_are_refused(route: str) -> None:
    with pytest.raises(RoutingError, match=r"'f'.*belong to the host"):
        table({"f": route})


@pytest.mark.parametrize("route", ["{id:int}", "{name}.png", "v{n}", "{x=1}", "{1x}", "{*path}/x", "{x?}/y"])
def test_unsupported_templates_are_refused(route: str) -> None:
    with pytest.raises(RoutingError, match="Function 'f'"):
        table({"f": route})


def timer(app: func.FunctionApp) -> None:
    @app.timer_trigger(schedule="0 * * * * *", arg_name="timer")
    def faulty(timer: func.TimerRequest) -> None: ...


def queue_output(app: func.FunctionApp) -> None:
    @app.route()
    @app.queue_output(arg_name="out", queue_name="q", connection="c")
    def faulty(req: func.HttpRequest, out: func.Out[str]) -> None: ...


def other_parameters(app: func.FunctionApp) -> None:
    @app.route()
    def faulty(req: func.HttpRequest, context: Any) -> None: ...


@pytest.mark.parametrize(
    ("declare", "complaint"),
    [
        (timer, "has a TimerTrigger"),
        (queue_output, "has a QueueOutput binding"),
        (other_parameters, "must take exactly one parameter, 'req'"),
    ],
)
def test_other_than_plain_http_function_is_refused(declare: Callable[[func.FunctionApp], None], complaint: str) -> None:
    app = func.FunctionApp()
    declare(app)
    with pytest.raises(RoutingError, match=f"Function 'faulty' {complaint}"):
        RoutingTable.of(app)


def none(req: func.HttpRequest) -> None: ...


def optional(req: func.HttpRequest) -> str | None: ...


def anything(req: func.HttpRequest) -> Any: ...


def data(req: func.HttpRequest) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("function", "annotation"),
    [(none, "NoneType"), (optional, "str | None"), (anything, "Any"), (data, "bytes")],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_invalid_result_annotation_is_refused(function: Callable[..., Any], annotation: str) -> None:
    """The real worker raises FunctionLoadError, and the app has no functions at all."""
    app = func.FunctionApp()
    app.function_name("faulty")(app.route()(function))
    complaint = f"Function 'faulty': annotate its result as HttpResponse or str, not as {annotation}."
    with pytest.raises(RoutingError, match=re.escape(complaint)):
        RoutingTable.of(app)


def number(req: int) -> str:
    return ""


def text(req: str) -> str:
    return ""


@pytest.mark.parametrize(("function", "annotation"), [(number, "int"), (text, "str")])
def test_invalid_parameter_annotation_is_refused(function: Callable[..., Any], annotation: str) -> None:
    app = func.FunctionApp()
    app.function_name("faulty")(app.route()(function))
    with pytest.raises(RoutingError, match=f"Function 'faulty': annotate 'req' as HttpRequest, not as {annotation}"):
        RoutingTable.of(app)


def test_annotations_are_optional() -> None:
    app = func.FunctionApp()
    app.function_name("f")(app.route()(lambda req: "ok"))
    assert [route.name for route in RoutingTable.of(app).routes] == ["f"]
