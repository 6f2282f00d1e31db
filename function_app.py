"""The routes of the app. What they do is in `signin/`; docs/architecture.md shows the way of a visit."""

# ruff: noqa: E402
import gc

gc.disable()  # what is imported stays: walking it takes a tenth of the time of the imports

import re
from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import azure.functions as func

from signin import responses
from signin.app import current_app, exit_on_sigterm
from signin.badges import badge_of
from signin.counter import RoomCounter
from signin.live.open_pages import Slot
from signin.responses import Handler
from signin.visits.dimensions import SignInRequest

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
methods_of: dict[str, tuple[str, ...]] = {}

# The host tries functions in the order of their names, and the first match wins. So `room_` has to come after `api_`:
# /api/signin matches both templates. And `website` has to be the last.
FOLDERS = {"": "", "api_": "api/", "room_": "{room}/", "api_room_": "api/{room}/"}

CounterHandler = Callable[[func.HttpRequest, RoomCounter], Awaitable[func.HttpResponse]]


def route(path: str, *methods: str, is_shared: bool = False) -> Callable[[CounterHandler], Handler]:
    """Serve a handler at `/path` and `/api/path`, and in the folder of each room, as functions of its name.

    `is_shared`: pages of the allowed origins may read its responses.
    """

    def register(handler: CounterHandler) -> Handler:
        @responses.errors_as_responses
        async def serve(req: func.HttpRequest) -> func.HttpResponse:
            current, room = current_app(), req.route_params.get("room", "")
            if room not in current.rooms:
                return await content(unquote(req.url.partition("?")[0].split("/", 3)[-1]), req)
            answer = handler(req, current.counter(room))
            return await (responses.readable_by(current.allowed_origins, req, answer) if is_shared else answer)

        for prefix, folder in FOLDERS.items():
            app.function_name(f"{prefix}{handler.__name__}")(app.route(f"{folder}{path}", methods=methods)(serve))
        methods_of[path] = methods
        return serve

    return register


@route("signin", "GET", "POST", is_shared=True)
async def signin(req: func.HttpRequest, counter: RoomCounter) -> func.HttpResponse:
    """Count the visit, and return access to the live updates and the statistics."""
    key, is_repeated = req.params.get("visit"), req.params.get("repeated") == "1"
    request = SignInRequest(req.headers, req.params)
    return responses.sign_in(await counter.sign_in(request, key, is_repeated=is_repeated, slot=slot_in(req)))


@route("negotiate", "POST", is_shared=True)
async def negotiate(req: func.HttpRequest, counter: RoomCounter) -> func.HttpResponse:
    """Return access to the live updates to a client that connects again; counts nothing."""
    return responses.negotiation(await counter.negotiate())


@route("stats", "GET", "HEAD", is_shared=True)
async def stats(req: func.HttpRequest, counter: RoomCounter) -> func.HttpResponse:
    """The statistics; counts nothing but the page that is open."""
    return responses.statistics(await counter.read(SignInRequest(req.headers, req.params), slot_in(req)))


@route("leave", "POST")
async def leave(req: func.HttpRequest, counter: RoomCounter) -> func.HttpResponse:
    """The page is not open any more, or not visible."""
    counter.leave(SignInRequest(req.headers, req.params), Slot.parse(req.params.get("here", "")))
    return responses.left()


@route("health", "GET", "HEAD")
async def health(req: func.HttpRequest, counter: RoomCounter) -> func.HttpResponse:
    """Whether the three services behind the app do what it needs of them."""
    return responses.health(await counter.health.problems())


@route("badge.svg", "GET", "HEAD")
async def badge(req: func.HttpRequest, counter: RoomCounter) -> func.HttpResponse:
    """A number as a picture; counts nothing."""
    return responses.badge(await badge_of(counter, req.params), max_age=current_app().broadcast_interval)


@route("badge.json", "GET", "HEAD")
async def badge_json(req: func.HttpRequest, counter: RoomCounter) -> func.HttpResponse:
    """The same for shields.io; counts nothing."""
    return responses.badge_json(await badge_of(counter, req.params), max_age=current_app().broadcast_interval)


# It takes all methods, since a request whose method its own route does not have arrives here too.
@app.route("{*path}")
@responses.errors_as_responses
async def website(req: func.HttpRequest) -> func.HttpResponse:
    """The static content; for the other routes, the answer to a wrong method."""
    return await content(req.route_params.get("path", ""), req)


async def content(path: str, req: func.HttpRequest) -> func.HttpResponse:
    """The static content at a path, unless the method is wrong."""
    allowed = allowed_methods(path)
    if req.method not in allowed:
        return responses.method_not_allowed(req.method, allowed)
    page = await current_app().page(path, req.method, req.headers, query=req.url.partition("?")[2])
    return responses.page(page, req, current_app().page_headers)


def slot_in(req: func.HttpRequest) -> Slot | None:
    """The slot of a page that is open and visible, if it has sent one. Raises InvalidSlot."""
    text = req.params.get("here")
    return None if text is None else Slot.parse(text)


def allowed_methods(path: str) -> tuple[str, ...]:
    """The methods of the route at this path, those of the static content if there is no route."""
    folder, _, name = path.removesuffix("/").rpartition("/")
    room = re.sub("^api(/|$)", "", folder, flags=re.IGNORECASE)
    methods = methods_of.get(name.lower())
    return methods if methods and (not room or room in current_app().rooms) else ("GET", "HEAD")


exit_on_sigterm()
# Frozen objects are never walked by the garbage collector, which under load would cost 40 ms a time.
gc.freeze()
gc.enable()
