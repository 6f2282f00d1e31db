"""SignalR clients of other authors, all driven in one way."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page
from pysignalr.client import SignalRClient
from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.types import HttpTransportType, HubProtocolEncoding

from local.browser.headless import running_browser
from local.node import NODE
from tests.support import TEST_TIMEOUT

SCRIPTS = Path(__file__).parent
TARGET = "updateSignInStats"


class Client(ABC):
    """A client that connects by itself, and reports its events."""

    @abstractmethod
    async def event(self) -> list[Any]:
        """The next `[name, detail]`.

        connected; failed with a message; updateSignInStats with the arguments; reconnecting; reconnected; closed,
        perhaps with a message.
        """

    @abstractmethod
    async def invoke(self) -> None:
        """Call a hub method."""


# --- @microsoft/signalr in Node


class NodeClient(Client):
    """A client in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def event(self) -> list[Any]:
        assert self._process.stdout
        async with asyncio.timeout(TEST_TIMEOUT):
            line = await self._process.stdout.readline()
        assert line, "the client ended; see the captured stderr"
        event: list[Any] = json.loads(line)
        return event

    async def invoke(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def javascript(url: str, token: str = "", transport: str = "", protocol: str = "json") -> AsyncIterator[Client]:
    """@microsoft/signalr; without a token the URL is an app's, without a transport it takes the first that works."""
    options = json.dumps({"url": url, "token": token, "transport": transport, "protocol": protocol})
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(NODE, SCRIPTS / "listener.mjs", options, stdin=pipe, stdout=pipe)
    try:
        yield NodeClient(process)
    finally:
        assert process.stdin
        process.stdin.close()
        await process.wait()


# --- @microsoft/signalr and @aspnet/signalr in a browser

CONNECT = """async (options) => {
    const events = [], waiting = [];
    globalThis.nextEvent = () => events.shift() ?? new Promise((resolve) => waiting.push(resolve));
    const report = (event) => waiting.length ? waiting.shift()(event) : events.push(event);
    const { connect } = await import("/scripts/connection.mjs");
    globalThis.connection = connect(signalR, options, report);
}"""


class BrowserThread:
    """A browser in a thread of its own: one thread cannot run the event loops of both Playwright and pytest."""

    def __init__(self, executor: ThreadPoolExecutor, browser: Browser) -> None:
        self._executor = executor
        self._browser = browser

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function in the thread."""
        async with asyncio.timeout(TEST_TIMEOUT):
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def open_page(self, url: str) -> Page:
        """A page in a new context."""
        page = self._browser.new_context().new_page()
        page.goto(url)
        return page


@contextmanager
def browser_thread() -> Iterator[BrowserThread]:
    """Chromium."""
    with ThreadPoolExecutor(1) as executor:
        stack = ExitStack()
        browser = executor.submit(stack.enter_context, running_browser()).result()
        try:
            yield BrowserThread(executor, browser)
        finally:
            executor.submit(stack.close).result()


class BrowserClient(Client):
    """A client in a page."""

    def __init__(self, thread: BrowserThread, page: Page) -> None:
        self._thread = thread
        self._page = page

    async def event(self) -> list[Any]:
        event: list[Any] = await self._thread.call(self._page.evaluate, "nextEvent()")
        return event

    async def invoke(self) -> None:
        await self._thread.call(self._page.evaluate, "connection.then((it) => { it.invoke('hello').catch(() => {}) })")


@asynccontextmanager
async def in_browser(
    thread: BrowserThread, page_url: str, url: str, token: str = "", transport: str = ""
) -> AsyncIterator[Client]:
    """The JavaScript client of a page; the parameters after the URL of the page are those of `javascript`."""
    page: Page = await thread.call(thread.open_page, page_url)
    try:
        await thread.call(page.evaluate, CONNECT, {"url": url, "token": token, "transport": transport})
        yield BrowserClient(thread, page)
    finally:
        await thread.call(page.context.close)


# --- Python


class PythonClient(Client):
    """One of the two Python clients, which report events to callbacks."""

    def __init__(self, invoke: Callable[[], Any]) -> None:
        self._events: asyncio.Queue[list[Any]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._invoke = invoke

    def report(self, name: str, detail: Any = None) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._events.put_nowait, [name, detail])

    async def event(self) -> list[Any]:
        async with asyncio.timeout(TEST_TIMEOUT):
            return await self._events.get()

    async def invoke(self) -> None:
        await self._invoke()


@asynccontextmanager
async def pysignalr(url: str, token: str = "") -> AsyncIterator[Client]:
    """pysignalr, which has WebSockets and JSON; without a token the URL is an app's."""
    connection = SignalRClient(url, headers=_authorization(token))
    client = PythonClient(lambda: connection.send("hello", []))
    opened = 0

    async def on_open() -> None:
        nonlocal opened
        opened += 1
        client.report("reconnected" if opened > 1 else "connected")

    async def on_close() -> None:
        client.report("reconnecting")

    async def on_statistics(arguments: list[Any]) -> None:
        client.report(TARGET, arguments)

    async def run() -> None:
        try:
            await connection.run()
        except Exception as error:
            client.report("closed" if opened else "failed", f"{type(error).__name__}: {error}")

    connection.on_open(on_open)
    connection.on_close(on_close)
    connection.on(TARGET, on_statistics)
    running = asyncio.create_task(run())
    try:
        yield client
    finally:
        others = asyncio.all_tasks() - {running}
        running.cancel()
        # It leaves tasks that close its WebSocket.
        await asyncio.wait({running})
        if closing := asyncio.all_tasks() - others:
            await asyncio.wait(closing, timeout=10)


@asynccontextmanager
async def signalrcore(url: str, token: str = "", transport: str = "", protocol: str = "json") -> AsyncIterator[Client]:
    """signalrcore, which runs in threads; arguments as in `javascript`."""
    options: dict[str, Any] = {"headers": _authorization(token)}
    if transport:
        options["transport"] = HttpTransportType(transport)
    encoding = HubProtocolEncoding.binary if protocol == "messagepack" else HubProtocolEncoding.text
    connection = HubConnectionBuilder().with_url(url, options).with_hub_protocol(encoding).build()
    client = PythonClient(lambda: asyncio.to_thread(connection.send, "hello", []))
    connection.on_open(lambda: client.report("connected"))
    connection.on_close(lambda: client.report("closed"))
    connection.on(TARGET, lambda arguments: client.report(TARGET, arguments))
    try:
        await asyncio.to_thread(connection.start)
    except Exception as error:
        client.report("failed", f"{type(error).__name__}: {error}")
    try:
        yield client
    finally:
        await asyncio.to_thread(connection.stop)
        if connection.transport:  # it leaves its socket open if the service has closed the connection
            connection.transport._client.sock.close()


def _authorization(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}
