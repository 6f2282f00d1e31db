"""`--lan`: phones reach the page and the SignalR emulator by the address of this machine in its network.

The address is 127.0.0.2, so that no other machine does. By the name lan.test, the page is no secure context, as by
http at any address but loopback: browsers then send no Fetch Metadata, and lack the clipboard and other functions.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import jwt
import pytest
import requests
from playwright.sync_api import Browser, Playwright

from local.browser.headless import running_chromium
from local.emulators.signalr.tokens import DEVELOPMENT_KEY
from local.environment.ports import FLAGS
from signin.app import HUB
from tests.support import TEST_TIMEOUT
from tests.support.local_environment import Environment, copy_repository, port_flags
from tests.support.ports import free_ports

from .qr import scan
from .site import Site
from .visitor import Visitor, Visitors

ADDRESS = "127.0.0.2"
NAME = "lan.test"

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="macOS has only one loopback address")


@pytest.fixture(scope="module")
def ports() -> Mapping[str, int]:
    """The ports of the environment by the name of the server."""
    return dict(zip(FLAGS, free_ports(len(FLAGS)), strict=True))


@pytest.fixture(scope="module")
def environment(ports: Mapping[str, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """`python3 dev.py --lan 127.0.0.2` with a room, without the installations that it begins with."""
    repository = copy_repository(tmp_path_factory.mktemp("repository"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("Rooms", "keynote")
        started = Environment(repository, *port_flags(list(ports.values())), "--lan", ADDRESS)
    with started as environment:
        environment.wait_until_ready()
        yield environment


@pytest.fixture(scope="module")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium in which a name has the address of this machine."""
    with running_chromium(playwright, [f"--host-resolver-rules=MAP {NAME} {ADDRESS}"]) as browser:
        yield browser


def test_phones_are_counted_and_live(environment: Environment, ports: Mapping[str, int], visitors: Visitors) -> None:
    def open_at(host: str, folder: str = "") -> Visitor:
        site = Site(f"http://{host}:{ports['app']}{folder}", f"http://{ADDRESS}:{ports['signalr']}")
        return visitors.open(site)

    phone, machine, in_a_room = open_at(NAME), open_at("127.0.0.1"), open_at(NAME, "/keynote")
    for visitor, total in ((phone, 2), (machine, 2), (in_a_room, 1)):
        visitor.expect_state("live")
        visitor.expect_total(total)
    assert phone.page.evaluate("isSecureContext") is False
    (sign_in,) = (request for request in phone.requests if urlsplit(request.url).path == "/signin")
    assert [name for name in sign_in.all_headers() if name.startswith("sec-fetch-")] == []
    for visitor in (phone, in_a_room):
        assert scan(visitor.page.get_by_test_id("qr")) == visitor.url


def test_both_addresses_and_a_warning_are_printed(environment: Environment, ports: Mapping[str, int]) -> None:
    environment.wait_for_line("Warning: ")
    printed = environment.output[environment.output.index(f"Ready: http://{ADDRESS}:{ports['app']}/") :]
    assert printed[1].startswith(f"On this machine also http://127.0.0.1:{ports['app']}/")
    assert printed[2].startswith(f"Warning: all devices in the network of {ADDRESS} ")


@pytest.mark.usefixtures("environment")
def test_only_app_and_signalr_emulator_are_reached(ports: Mapping[str, int]) -> None:
    def is_reached(port: int) -> bool:
        with socket.socket() as client:
            return client.connect_ex((ADDRESS, port)) == 0

    assert {server for server, port in ports.items() if is_reached(port)} == {"app", "signalr"}


@pytest.mark.usefixtures("environment")
def test_public_key_sends_nothing_to_pages(ports: Mapping[str, int]) -> None:
    address = f"http://{ADDRESS}:{ports['signalr']}/api/v1/hubs/{HUB}"
    token = jwt.encode({"aud": address, "exp": time.time() + 60}, DEVELOPMENT_KEY)
    response = requests.post(
        address, json={"target": "x"}, headers={"Authorization": f"Bearer {token}"}, timeout=TEST_TIMEOUT
    )
    assert response.status_code == 401
