"""The app gives the same answers under Microsoft's worker library as under the stand-in for host and worker."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.functions.decorators.http import HttpMethod, HttpTrigger

from local import REPOSITORY
from local.emulators.azurite import Azurite
from local.environment.services import settings_for, signalr_emulator
from tests.support.function_app import load
from tests.support.running_host import RunningHost, write_app
from tests.support.user_agents import CRAWLER, SAFARI_ON_IPHONE

from .conftest import SAMPLE_APP

# Not in the `if` itself: mypy, which checks for Python 3.11, would skip the rest of the module too.
HAS_LIBRARY = sys.version_info >= (3, 13)
if not HAS_LIBRARY:
    pytest.skip(
        "Microsoft's worker library needs Python 3.13 or newer: run the tests with one, as two jobs of CI do",
        allow_module_level=True,
    )

Request = tuple[str, str, Mapping[str, str]]  # method, target, headers

PARAMETERS = {"*path": "", "room": "keynote"}  # a value for each parameter of a route
ORIGIN = "https://www.example.com"
BROWSER = {"User-Agent": SAFARI_ON_IPHONE}
KEY = "/signin?visit=0123456789abcdef"


def requests_to_functions() -> Iterator[tuple[str, Request]]:
    """A request to each function with each of its methods, by a name for the test."""
    for function in load().app.get_functions():
        trigger = function.get_trigger()
        assert isinstance(trigger, HttpTrigger)
        path = re.sub(r"\{(.*?)\}", lambda match: PARAMETERS[match[1]], trigger.route or "")
        for method in trigger.methods or HttpMethod:
            yield f"{function.get_function_name()}-{method.value}", (method.value, f"/{path}", BROWSER)


BY_FUNCTION = dict(requests_to_functions())
OTHER_REQUESTS: dict[str, Request] = {
    "a visit with a key": ("POST", KEY, BROWSER),
    "its repetition": ("POST", f"{KEY}&repeated=1", BROWSER),
    "an invalid key": ("POST", "/signin?visit=%C3%A9", BROWSER),
    "a repeated parameter": ("POST", f"{KEY}&visit=another", BROWSER),
    "a crawler": ("GET", "/signin", {"User-Agent": CRAWLER}),
    "no User-Agent": ("GET", "/signin", {}),
    "a prefetch": ("GET", "/signin", BROWSER | {"Sec-Purpose": "prefetch"}),
    "another case": ("GET", "/API/Stats/", {}),
    "a badge with a label": ("GET", "/badge.svg?label=Caf%C3%A9+%3Cb%3E", {}),
    "an invalid badge": ("GET", "/badge.json?label=%00&label=%ff", {}),
    "another origin": ("GET", "/stats", {"Origin": ORIGIN}),
    "a wrong method": ("PUT", "/signin", {}),
    "the methods": ("OPTIONS", "/signin", {}),
    "https": ("GET", "/", {"X-Forwarded-Proto": "https"}),
    "a picture": ("GET", "/images/icon-192.png", {}),
    "a compressed page": ("GET", "/", {"Accept-Encoding": "gzip"}),
    "a range": ("GET", "/index.html", {"Range": "bytes=0-99"}),
    "a range past the end": ("GET", "/index.html", {"Range": "bytes=99999999-"}),
    "an unmodified page": ("GET", "/", {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}),
    "an unknown page": ("GET", "/no-such-page", {}),
    "a query": ("GET", "/?present&a=%zz&b=", {}),
    "a path with escapes": ("GET", "/a/%2e%2e/%2F%C3%A9%00", {}),
}


SMALL_APP = """
import asyncio, logging, threading, typing
import azure.functions as func
from signin.responses import errors_as_responses
from signin.telemetry.console import use_console

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
"""
LOGGING_FUNCTION = """
use_console()
log = logging.getLogger("signin.example").warning

@app.route()
@errors_as_responses
async def logs(req: func.HttpRequest) -> func.HttpResponse:
    async def task():
        log("a task")
        await ended.wait()
        log("a task after the request")
        logged.set()

    global ended, logged, running
    ended, logged = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(task())
    thread = threading.Thread(target=log, args=["a thread"])
    thread.start()
    thread.join()
    await asyncio.to_thread(log, "to_thread")
    log("the request")
    ended.set()
    return func.HttpResponse()

@app.route()
async def wait(req: func.HttpRequest) -> func.HttpResponse:
    await logged.wait()
    return func.HttpResponse()
"""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: object


@dataclass(frozen=True)
class Pair:
    """One app twice: under the stand-in and under the library."""

    standin: RunningHost
    library: RunningHost

    def answers(self, method: str, target: str, headers: Mapping[str, str]) -> tuple[Answer, Answer]:
        """What both answer to one request, without what has to differ: dates, tokens, and the visits of each minute."""
        ours, theirs = (answer(host, method, target, headers) for host in (self.standin, self.library))
        return ours, theirs

    def start_failures(self) -> tuple[str, str]:
        """Why neither of them has started."""
        assert (self.standin.port, self.library.port) == (None, None), f"{self.standin.text}\n{self.library.text}"
        return self.standin.text, self.library.text


def start_pair(stack: ExitStack, folder: Path, ours: Mapping[str, str], theirs: Mapping[str, str]) -> Pair:
    standin = RunningHost(folder, "--port", "0", environment=ours)
    stack.callback(standin.close)
    library = RunningHost(folder, environment=theirs, module="tests.functions.microsoft_worker")
    stack.callback(library.close)
    return Pair(standin, library)


def answer(host: RunningHost, method: str, target: str, headers: Mapping[str, str]) -> Answer:
    reply = host.request(target, method=method, headers=headers, body=b"" if method == "POST" else None)
    kept = sorted((name.lower(), value) for name, value in reply.headers.items() if name != "Date")
    return Answer(reply.status, kept, comparable(reply.body))


def comparable(body: bytes) -> object:
    try:
        content = json.loads(body)
    except ValueError:
        return body
    return comparable_json(content)


def comparable_json(content: Any) -> Any:
    match content:
        case {"history": dict(history), **others}:
            return comparable_json(others) | {"history": sorted(history)}
        case dict():
            return {
                name: claims(value) if name == "accessToken" else comparable_json(value)
                for name, value in content.items()
            }
    return content


def claims(token: str) -> dict[str, object]:
    """The claims of a token, with its times as True: they differ."""
    payload = token.split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return {name: True if name in ("exp", "iat", "nbf", "jti") else value for name, value in decoded.items()}


@pytest.fixture(scope="module")
def app(azurite: Azurite, unused_accounts: Iterator[str]) -> Iterator[Pair]:
    """The app, with a table of its own for each of the two; they share the content and the SignalR emulator."""
    accounts = [azurite.account(next(unused_accounts)) for _ in range(2)]
    for account in accounts:
        account.create_table()
    accounts[0].publish().close()
    with ExitStack() as stack:
        signalr = signalr_emulator()
        stack.callback(signalr.stop)
        (url,) = signalr.wait_until_ready()
        common = {"BlobHost": accounts[0].blob_url, "Rooms": PARAMETERS["room"], "AllowedOrigins": ORIGIN}
        ours, theirs = (settings_for(account, url) | common for account in accounts)
        yield start_pair(stack, REPOSITORY, ours, theirs)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The sample app of the stand-in's own tests."""
    folder = tmp_path_factory.mktemp("app")
    write_app(folder, SAMPLE_APP)
    with ExitStack() as stack:
        yield start_pair(stack, folder, {}, {})


@pytest.mark.parametrize("name", BY_FUNCTION)
def test_function_gives_the_same_answer(app: Pair, name: str) -> None:
    ours, theirs = app.answers(*BY_FUNCTION[name])
    assert theirs == ours
    assert ours.status in (200, 204, 405)


@pytest.mark.parametrize("name", OTHER_REQUESTS)
def test_request_gets_the_same_answer(app: Pair, name: str) -> None:
    ours, theirs = app.answers(*OTHER_REQUESTS[name])
    assert theirs == ours


def test_app_without_settings_gives_the_same_answers() -> None:
    with ExitStack() as stack:
        app = start_pair(stack, REPOSITORY, {"BlobHost": ""}, {"BlobHost": ""})
        for target in ("/", "/signin", "/stats", "/health"):
            ours, theirs = app.answers("GET", target, BROWSER)
            assert theirs == ours
            assert ours.status == 500
            assert "BlobHost" in str(ours.body)


@pytest.mark.parametrize(
    "target", ["/sync", "/file", "/cookies", "/redirect", "/not-modified", "/compressed", "/raises", "/returns-nothing"]
)
def test_sample_function_gives_the_same_answer(sample: Pair, target: str) -> None:
    ours, theirs = sample.answers("GET", target, {})
    assert theirs == ours
    assert (ours.status == 500) == (target in ("/raises", "/returns-nothing"))


def test_function_receives_the_same_request(sample: Pair) -> None:
    headers = {"Host": "example.org", "X-Own": "1", "Content-Type": "text/plain; charset=utf-16"}
    ours, theirs = sample.answers("POST", "/echo?a=1&b=&A=x+y&c=%C3%A9", headers)
    assert theirs == ours
    assert isinstance(ours.body, dict)
    assert ours.body["params"] == {"a": "1,x y", "c": "\u00e9"}


@pytest.mark.parametrize(
    "function",
    [
        "def faulty(req: func.HttpRequest) -> None: ...",
        "async def faulty(req: func.HttpRequest) -> None: ...",
        "def faulty(req: func.HttpRequest) -> str | None: ...",
        "def faulty(req: func.HttpRequest) -> typing.Any: ...",
        "def faulty(req: func.HttpRequest) -> bytes: ...",
        "def faulty(req: int) -> str: ...",
        "def faulty(request: func.HttpRequest) -> str: ...",
        "def faulty(req: func.HttpRequest, other: str) -> str: ...",
    ],
)
def test_library_refuses_what_the_stand_in_refuses(tmp_path: Path, function: str) -> None:
    """One such function, and the app has none at all."""
    write_app(tmp_path, f"{SMALL_APP}\n@app.route()\n{function}\n")
    with ExitStack() as stack:
        ours, theirs = start_pair(stack, tmp_path, {}, {}).start_failures()
    assert "Function 'faulty'" in ours
    assert "FunctionLoadError: cannot load the faulty function" in theirs


def test_record_takes_one_way_in_both(tmp_path: Path) -> None:
    """A request's reach the host as the invocation's. Those of its tasks and threads are printed, and only that."""
    write_app(tmp_path, f"{SMALL_APP}{LOGGING_FUNCTION}")
    with ExitStack() as stack:
        app = start_pair(stack, tmp_path, {}, {})
        ours, theirs = app.answers("GET", "/logs", {})
        assert theirs == ours
        assert ours.status == 200
        app.answers("GET", "/wait", {})
    printed = ["a task", "a task after the request", "a thread", "to_thread"]
    for host, prefix in (
        (app.standin, r"\d\d:\d\d:\d\d WARNING signin\.example: "),
        (app.library, r"Invocation 1 of logs: WARNING signin\.example: "),
    ):
        records = sorted(line for line in host.log if "signin.example" in line)
        assert [line for line in records if line.startswith("WARNING ")] == [
            f"WARNING signin.example: {text}" for text in printed
        ]
        (of_request,) = (line for line in records if not line.startswith("WARNING "))
        assert re.fullmatch(f"{prefix}the request", of_request)
