"""The routes of the app. What they do is in `signin/`."""

import asyncio
from collections.abc import Callable
from typing import Any

import azure.functions as func

from signin import answers
from signin.app import current
from signin.health import problems_of

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def route(path: str, *methods: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Serve a handler at `/path` and at `/api/path`, as functions of its name and of `api_` and its name."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        handler = answers.answering_errors(handler)
        for name, template in ((handler.__name__, path), (f"api_{handler.__name__}", f"api/{path}")):
            app.function_name(name)(app.route(template, methods=methods)(handler))
        return handler

    return register


@route("signin", "GET", "POST")
async def signin(req: func.HttpRequest) -> func.HttpResponse:
    """Count the visit and hand out the live connection and the statistics."""
    return answers.sign_in(await current().sign_in(req.headers))


@route("negotiate", "POST")
async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """Hand out a live connection again; counts nothing."""
    return answers.negotiation(await asyncio.wrap_future(current().hub.client_access()))


@route("stats", "GET", "HEAD")
async def stats(req: func.HttpRequest) -> func.HttpResponse:
    """The statistics; counts nothing."""
    return answers.statistics(await current().statistics())


@route("health", "GET", "HEAD")
def health(req: func.HttpRequest) -> func.HttpResponse:
    """Whether the three services behind the app answer."""
    return answers.health(problems_of(current()))


# The host tries routes in the order of function names, and the first that matches wins: a name that sorts before
# another would take its requests.
@app.route("{*path}", methods=["GET", "HEAD"])
@answers.answering_errors
def website(req: func.HttpRequest) -> func.HttpResponse:
    """The static content."""
    return answers.page(current().content.get(req.route_params.get("path", ""), req.method, req.headers))
