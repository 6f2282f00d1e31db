"""The routes of the app. What they do is in `signin/`; docs/architecture.md shows the way of a visit."""

# ruff: noqa: E402
import gc

gc.disable()  # what is imported stays: walking it takes a tenth of the time of the imports

from collections.abc import Callable

import azure.functions as func

from signin import responses
from signin.app import current_app, exit_on_sigterm
from signin.responses import Handler
from signin.visits.dimensions import SignInRequest

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
methods_of: dict[str, tuple[str, ...]] = {}


def route(path: str, *methods: str) -> Callable[[Handler], Handler]:
    """Serve a handler at `/path` and at `/api/path`, as two functions: its name, and `api_` and its name."""

    def register(handler: Handler) -> Handler:
        handler = responses.errors_as_responses(handler)
        for name, template in ((handler.__name__, path), (f"api_{handler.__name__}", f"api/{path}")):
            app.function_name(name)(app.route(template, methods=methods)(handler))
            methods_of[template] = methods
        return handler

    return register


@route("signin", "GET", "POST")
async def signin(req: func.HttpRequest) -> func.HttpResponse:
    """Count the visit, and return access to the live updates and the statistics."""
    key, is_repeated = req.params.get("visit"), req.params.get("repeated") == "1"
    request = SignInRequest(req.headers, req.params)
    return responses.sign_in(await current_app().sign_in(request, key, is_repeated=is_repeated))


@route("negotiate", "POST")
async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
    """Return access to the live updates to a client that connects again; counts nothing."""
    return responses.negotiation(await current_app().negotiate())


@route("stats", "GET", "HEAD")
async def stats(req: func.HttpRequest) -> func.HttpResponse:
    """The statistics; counts nothing."""
    counter = current_app()
    return responses.statistics(await counter.statistics(), counter.now())


@route("health", "GET", "HEAD")
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Whether the three services behind the app do what it needs of them."""
    return responses.health(await current_app().health.problems())


@route("badge.svg", "GET", "HEAD")
async def badge(req: func.HttpRequest) -> func.HttpResponse:
    """The total as a picture; counts nothing."""
    counter = current_app()
    return responses.badge(await counter.statistics(), max_age=counter.broadcast_interval)


# The host tries functions in the order of their names, and the first match wins: this name has to be the last. It takes
# all methods, since a request whose method its own route does not have arrives here too.
@app.route("{*path}")
@responses.errors_as_responses
async def website(req: func.HttpRequest) -> func.HttpResponse:
    """The static content; for the other routes, the answer to a wrong method."""
    path = req.route_params.get("path", "")
    allowed = methods_of.get(path.lower().removesuffix("/"), ("GET", "HEAD"))
    if req.method not in allowed:
        return responses.method_not_allowed(req.method, allowed)
    counter = current_app()
    page = await counter.page(path, req.method, req.headers, query=req.url.partition("?")[2])
    return responses.page(page, req, counter.page_headers)


exit_on_sigterm()
# Frozen objects are never walked by the garbage collector, which under load would cost 40 ms a time.
gc.freeze()
gc.enable()
