"""Finds the function for a request, by the rules of the Functions host and of ASP.NET Core routing.

Functions are tried in the order of their names, ordinal and ignoring case, and the first match wins: a literal
route has no precedence over a catch-all. Methods are part of the match, so that a request with another method goes
on to later functions and in the end gets 404, never 405. A trailing slash is ignored, and an empty segment (`//`)
never matches.
"""

from __future__ import annotations

import codecs
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints
from urllib.parse import unquote

from azure.functions import AuthLevel, FunctionApp, HttpRequest, HttpResponse
from azure.functions.decorators.function_app import Function
from azure.functions.decorators.http import HttpOutput, HttpTrigger
from azure.functions.http import HttpRequestConverter, HttpResponseConverter

DEFAULT_PREFIX = "api"
_PARAMETER = re.compile(r"\{(?P<star>\*{0,2})(?P<name>[^\W\d]\w*)(?P<optional>\??)\}")


class RoutingError(Exception):
    """This host cannot serve a function. The message contains its name and the reason."""


@dataclass(frozen=True)
class Route:
    """One HTTP function: its route, and the callable."""

    name: str
    pattern: re.Pattern[str]
    methods: frozenset[str]  # empty: all
    anonymous: bool
    argument: str  # the name of the parameter for the request
    function: Callable[..., Any]

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """Return the route parameters in the decoded `path`, or None if the route does not match."""
        if self.methods and method not in self.methods:
            return None
        found = self.pattern.fullmatch(path)
        return found and {name: value for name, value in found.groupdict().items() if value is not None}


class RoutingTable:
    """The routes of an app, in the order in which the host tries them."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = sorted(routes, key=lambda route: route.name.upper())

    @classmethod
    def of(cls, app: FunctionApp, prefix: str = DEFAULT_PREFIX) -> RoutingTable:
        """Read the functions of `app`; `prefix` is `extensions.http.routePrefix` of host.json.

        Raises RoutingError for a function that this host does not support, or that the real host refuses too.
        """
        return cls(_route(function, prefix) for function in app.get_functions())

    def match(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]] | None:
        """Find the first route for a raw path, percent-encoded and without its query."""
        path = decode_path(raw_path)
        for route in self.routes:
            parameters = route.match(method, path)
            if parameters is not None:
                return route, parameters
        return None


def decode_path(raw_path: str) -> str:
    """Percent-decode as ASP.NET Core does: as UTF-8; `%2F` and bytes that are not UTF-8 stay encoded."""
    return unquote(re.sub("%(2[Ff])", r"%25\1", raw_path), errors="percent-encode")


def _percent_encode(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "".join(f"%{byte:02X}" for byte in error.object[error.start : error.end]), error.end


codecs.register_error("percent-encode", _percent_encode)


def _route(function: Function, prefix: str) -> Route:
    name = str(function.get_function_name())
    trigger = function.get_trigger()
    if not isinstance(trigger, HttpTrigger):
        raise RoutingError(f"Function '{name}' has a {type(trigger).__name__}: only HTTP triggers are served here.")
    for binding in function.get_bindings():
        if not isinstance(binding, HttpTrigger | HttpOutput):
            raise RoutingError(f"Function '{name}' has a {type(binding).__name__} binding: only HTTP is served here.")

    call = function.get_user_function()
    if list(inspect.signature(call).parameters) != [trigger.name]:
        raise RoutingError(f"Function '{name}' must take exactly one parameter, '{trigger.name}'.")
    _check_annotations(name, get_type_hints(call), trigger.name)

    template = (trigger.route or "").strip("/") or name
    if template.lower().startswith(("admin", "runtime")):
        raise RoutingError(f"Function '{name}': routes that begin with 'admin' or 'runtime' belong to the host.")

    return Route(
        name=name,
        pattern=compile_template(name, f"{prefix.strip('/')}/{template}".strip("/")),
        methods=frozenset(str(method.value) for method in trigger.methods or ()),
        anonymous=trigger.auth_level is AuthLevel.ANONYMOUS,
        argument=trigger.name,
        function=call,
    )


def _check_annotations(name: str, annotations: Mapping[str, Any], parameter: str) -> None:
    """Refuse the annotations that the real worker refuses: there, a single one leaves the app without functions.

    The real worker also accepts a parameter of type str or bytes, which this host does not support.
    """
    argument = annotations.get(parameter, HttpRequest)
    if not isinstance(argument, type) or not HttpRequestConverter.check_input_type_annotation(argument):
        raise RoutingError(f"Function '{name}': annotate '{parameter}' as HttpRequest, not as {_named(argument)}.")
    result = annotations.get("return", HttpResponse)
    if not isinstance(result, type) or not HttpResponseConverter.check_output_type_annotation(result):
        raise RoutingError(f"Function '{name}': annotate its result as HttpResponse or str, not as {_named(result)}.")


def _named(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) else repr(annotation)


def compile_template(name: str, template: str) -> re.Pattern[str]:
    """Compile a route template to a pattern for a whole decoded path."""
    pattern = ""
    segments = template.split("/")
    for position, segment in enumerate(segments, start=1):
        parameter = _PARAMETER.fullmatch(segment)
        if parameter is None:
            if set(segment) & set("{}"):
                raise RoutingError(f"Function '{name}': the route segment '{segment}' is not supported here.")
            pattern += f"/{re.escape(segment)}"
            continue
        if (parameter["star"] or parameter["optional"]) and position < len(segments):
            raise RoutingError(f"Function '{name}': '{segment}' can only be the last segment of a route.")
        if parameter["star"]:
            pattern += f"(?:/(?P<{parameter['name']}>[^/].*)?)?"
            break
        one = f"/(?P<{parameter['name']}>[^/]+)"
        pattern += f"(?:{one})?" if parameter["optional"] else one
    else:
        pattern += "/?"
    # ASCII: otherwise IGNORECASE makes U+017F match "s" and U+212A match "k", which they do not in the host.
    return re.compile(pattern, re.IGNORECASE | re.ASCII | re.DOTALL)
