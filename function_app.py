"""The routes of the app. What they do is in `signin/`."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import azure.functions as func

from signin import responses
from signin.app import current
from signin.health import check_services

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
methods_of: dict[str, tuple[str, ...]] = {}


def route(path: str, *methods: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Serve a handler at `/path` and at `/api/path`, as functions of its name and of `api_` and its name."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        handler = responses.errors_as_responses(handler)
        for name, template in ((handler.__name__, path), (f"api_{handler.__name__}", f"api/{path}")):
            app.function_name(name)(app.route(template, methods=methods)(handler))
            methods_of[template] = methods
        return handler

    return register


@route("signin", "GET", "POST")
async def signin(req: func.HttpRequest) -> func.HttpResponse:
    """Count the visit and hand out the live connection and the statistics."""
    return responses.sign_in(await current().sign_in(req.headers))


@route("negotiate", "POST")
async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """Hand out a live connection again; counts nothing."""
    return responses.negotiation(await asyncio.wrap_future(current().hub.client_access()))


@route("stats", "GET", "HEAD")
async def stats(req: func.HttpRequest) -> func.HttpResponse:
    """The statistics; counts nothing."""
    return responses.statistics(await current().statistics())


@route("health", "GET", "HEAD")
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Whether the three services behind the app answer."""
    return responses.health(check_services(current()))


@route("badge.svg", "GET", "HEAD")
async def badge(req: func.HttpRequest) -> func.HttpResponse:
    """The total as a picture; counts nothing."""
    site = current()
    return responses.badge(await site.statistics(), max_age=site.broadcast_interval)


# The host tries routes in the order of function names, and the first that matches wins: a name that sorts before
# another would take its requests. A method that a route does not have falls through to here, hence all methods.
@app.route("{*path}")
@responses.errors_as_responses
async def website(req: func.HttpRequest) -> func.HttpResponse:
    """The static content; and a word on methods, also those of the other routes."""
    path = req.route_params.get("path", "")
    allowed = methods_of.get(path.lower().removesuffix("/"), ("GET", "HEAD"))
    if req.method not in allowed:
        return responses.method_not_allowed(req.method, allowed)
    site = current()
    result = await site.content.get(path, req.method, req.headers, query=req.url.partition("?")[2])
    return responses.page(result, req, site.page_headers)


# What has been imported stays. Frozen, the garbage collector passes it by: under load it would walk it time and again.
gc.freeze()
