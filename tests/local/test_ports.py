"""The ports of an environment: checked before it starts, and free to choose."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

import pytest

from local.commands import parse
from local.environment.lan import lan_address
from local.environment.ports import FLAGS, check_ports
from local.progress import StepFailed
from tests.support.local_environment import ANY_PORTS, get, port_flags, visit
from tests.support.ports import free_ports

from .conftest import Start


def test_each_port_in_use_is_reported_with_flag(start: Start) -> None:
    with ExitStack() as sockets:
        servers = [sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in FLAGS]
        ports = [server.getsockname()[1] for server in servers]
        environment = start(*port_flags(ports))
        assert environment.end() == 1
    flags = ["--port", "--signalr-port", "--blob-port", "--queue-port", "--table-port"]
    assert environment.output == []
    assert environment.errors == [
        f"Port {port} cannot be used (Address already in use): free it or choose another with {flag}."
        for port, flag in zip(ports, flags, strict=True)
    ]


def test_duplicate_port_is_reported_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.environment.ports._RELEASE_SECONDS", 0.0)
    app, blob = free_ports(2)
    with pytest.raises(StepFailed) as failed:
        check_ports({"app": app, "signalr": app, "blob": blob, "queue": 0, "table": 0})
    (line,) = str(failed.value).splitlines()
    assert line.startswith(f"Port {app} cannot be used")
    assert line.endswith("--signalr-port.")


def test_check_waits_for_port_to_be_released() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    closing = threading.Timer(0.2, server.close)
    closing.start()
    check_ports({"app": port})
    closing.join()


def test_port_in_use_in_network_is_reported_for_app_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.environment.ports._RELEASE_SECONDS", 0.0)
    with socket.create_server(("127.0.0.2", 0)) as server:
        port = server.getsockname()[1]
        check_ports({"app": port})
        check_ports({"table": port}, lan="127.0.0.2")
        with pytest.raises(StepFailed, match=rf"^Port {port} cannot be used \(.*\): .* --port\.$"):
            check_ports({"app": port}, lan="127.0.0.2")


def test_address_of_another_machine_is_reported() -> None:
    with pytest.raises(StepFailed, match=r"^203\.0\.113\.1 cannot be used \(.*\): give an address of this machine"):
        check_ports({"app": 0}, lan="203.0.113.1")


@pytest.mark.parametrize(("options", "lan"), [([], None), (["--lan"], True), (["--lan", "192.168.1.5"], "192.168.1.5")])
@pytest.mark.parametrize("command", ["run", "services"])
def test_address_of_network_is_optional(command: str, options: Sequence[str], lan: object) -> None:
    assert parse([command, *options]).lan == lan


@pytest.mark.parametrize("text", ["laptop", "0.0.0.0", "127.0.0.1", "::1", "192.168.1", "192.168.1.5:7071"])
def test_invalid_address_is_reported_in_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["run", f"--lan={text}"])
    assert "is not an IPv4 address in a network" in capsys.readouterr().err.splitlines()[-1]


class Interface(socket.socket):
    """A UDP socket that has an address when it is connected, or cannot be connected."""

    address: ClassVar[str | None]

    def connect(self, _: object) -> None:
        if self.address is None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

    def getsockname(self) -> tuple[str | None, int]:
        return self.address, 40_000


def test_address_of_network_is_that_of_default_route(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Interface, "address", "192.168.1.5", raising=False)
    monkeypatch.setattr(socket, "socket", Interface)
    assert lan_address() == "192.168.1.5"


@pytest.mark.parametrize("address", [None, "127.0.0.1"])
def test_machine_without_network_is_one_line(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    monkeypatch.setattr(Interface, "address", address, raising=False)
    monkeypatch.setattr(socket, "socket", Interface)
    with pytest.raises(StepFailed, match=r"^The address of this machine .* unknown.* --lan 192\.168\.1\.5$"):
        lan_address()


@pytest.mark.parametrize("text", ["-1", "65536", "http", "", "\u0667\u0660"])
def test_invalid_port_is_reported_in_one_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["run", f"--port={text}"])
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"--port: {text!r} is not a number from 0 to 65535")


def test_two_environments_run_side_by_side(start: Start, repository: Path) -> None:
    first, second = start(*ANY_PORTS, "--workers", "2"), start(*port_flags(free_ports(5)))
    first_url, second_url = first.wait_until_ready(), second.wait_until_ready()
    assert [visit(first_url), visit(first_url), visit(first_url)] == [1, 2, 3]
    assert visit(second_url) == 1

    (repository / "content" / "news.txt").write_text("It changed.")
    for environment, url in ((first, first_url), (second, second_url)):
        environment.wait_for_line("Published news.txt")
        assert get(f"{url}/news.txt") == b"It changed."
