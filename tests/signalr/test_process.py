"""The emulator as a process: its start, its output and its end."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from local import REPOSITORY

from .conftest import Service

ANNOUNCEMENT = re.compile(r"SignalR emulator is listening at (http://127\.0\.0\.1:\d+)\n")


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[Process]:
    """`python -m local.emulators.signalr` with the arguments; killed at the end if it still runs."""
    command = [sys.executable, "-W", "error", "-m", "local.emulators.signalr", *arguments]
    emulator = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        yield emulator
    finally:
        if emulator.returncode is None:
            emulator.kill()
        await emulator.communicate()


async def announced_url(emulator: Process) -> str:
    assert emulator.stdout
    async with asyncio.timeout(5):
        line = (await emulator.stdout.readline()).decode()
    announcement = ANNOUNCEMENT.fullmatch(line)
    assert announcement, f"this announces no URL: {line!r}"
    return announcement[1]


async def ended(emulator: Process) -> tuple[int | None, str, list[str]]:
    """Close standard input, and return the exit code, the rest of standard output and the lines of standard error."""
    assert emulator.stdin
    emulator.stdin.close()
    async with asyncio.timeout(5):
        output, errors = await emulator.communicate()
    return emulator.returncode, output.decode(), errors.decode().splitlines()


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


async def test_emulator_ends_with_its_standard_input() -> None:
    async with process("--port", "0") as emulator, aiohttp.ClientSession() as http:
        url = await announced_url(emulator)
        async with http.get(f"{url}/api/health") as response:
            assert response.status == 200
        assert await ended(emulator) == (0, "", [])
    with socket.create_server(("127.0.0.1", port_of(url))):
        pass  # the port is free again


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to catch")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_signal_asks_for_reconnect_and_ends_emulator(number: signal.Signals) -> None:
    async with process("--port", "0") as emulator, aiohttp.ClientSession() as http:
        service = Service(await announced_url(emulator), http)
        async with service.client() as client:
            emulator.send_signal(number)
            assert await client.receive() == {"type": 7, "allowReconnect": True}
            assert await client.ended()
            code, _, lines = await ended(emulator)
    assert code == 0
    assert [line.rpartition(": ")[2] for line in lines] == ["connected", "disconnected"]


async def test_emulator_ends_despite_missing_handshake() -> None:
    async with process("--port", "0") as emulator, aiohttp.ClientSession() as http:
        service = Service(await announced_url(emulator), http)
        async with service.websocket():
            code, _, lines = await ended(emulator)
    assert code == 0
    assert [line.rpartition(": ")[2] for line in lines] == ["'The connection ended before the handshake.'"]


async def test_access_key_option_replaces_key() -> None:
    key = "a key of one's own, of 32 bytes or more"
    async with process("--port", "0", "--access-key", key) as emulator, aiohttp.ClientSession() as http:
        service = Service(await announced_url(emulator), http)
        path = "/api/v1/hubs/chat"
        for token, status in ((service.token(path, key=key), 202), (service.token(path), 401)):
            headers = {"Authorization": f"Bearer {token}"}
            async with http.post(service.url + path, headers=headers, json={"target": "x"}) as response:
                assert response.status == status


async def test_identity_option_trusts_given_tokens() -> None:
    arguments = ("--trust-identity-token", "one", "--trust-identity-token", "two")
    async with process("--port", "0", *arguments) as emulator, aiohttp.ClientSession() as http:
        url = await announced_url(emulator)
        for token, status in (("one", 202), ("two", 202), ("three", 401)):
            headers = {"Authorization": f"Bearer {token}"}
            async with http.post(f"{url}/api/v1/hubs/chat", headers=headers, json={"target": "x"}) as response:
                assert response.status == status


async def test_port_in_use_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with process("--port", str(port)) as emulator:
            code, output, lines = await ended(emulator)
    assert (code, output, len(lines)) == (1, "", 1)
    assert lines[0].startswith(f"The SignalR emulator cannot listen at port {port}: ")
    assert lines[0].endswith("Choose another with --port.")


@pytest.mark.parametrize("arguments", [("--port", "x"), ("--access-key", "short")])
async def test_bad_argument_is_usage_error(arguments: tuple[str, str]) -> None:
    async with process(*arguments) as emulator:
        code, output, lines = await ended(emulator)
    assert (code, output) == (2, "")
    assert arguments[0] in lines[-1]


async def test_garbage_gets_400_and_one_log_line() -> None:
    garbage = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"\x00\xff\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nna\x00me: x\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /client/negotiate HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ]
    async with process("--port", "0") as emulator:
        port = port_of(await announced_url(emulator))
        for request in garbage:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            answer = await asyncio.wait_for(reader.readline(), 10)
            assert b" 400 " in answer, request[:40]
            writer.close()
            await writer.wait_closed()
        code, _, lines = await ended(emulator)
    assert code == 0
    assert len(lines) <= len(garbage), lines


async def test_broken_request_logs_no_traceback() -> None:
    async with process("--port", "0") as emulator, aiohttp.ClientSession() as http:
        service = Service(await announced_url(emulator), http)
        path = "/api/v1/hubs/chat"
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(service.url))
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
        authorization = f"Authorization: {service.authorization(path)['Authorization']}\r\n"
        writer.write((head + authorization + "\r\n" + json.dumps({"target": "x"})).encode())
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with http.get(f"{service.url}/api/health") as response:
            assert response.status == 200
        code, _, lines = await ended(emulator)
    assert code == 0
    assert len(lines) <= 1
