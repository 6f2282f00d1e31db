"""The one command of the README: everything on a laptop, here on free ports."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from tests.support import TEST_TIMEOUT
from tests.support.local_environment import ANY_PORTS, Environment, copy_repository

from .site import Site
from .visitor import Visitors


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[Site]:
    """`python3 dev.py --workers 2`, without the installations that it begins with."""
    repository = tmp_path / "repository"
    repository.mkdir()
    with Environment(copy_repository(repository), *ANY_PORTS, "--workers", "2") as environment:
        url = environment.wait_until_ready()
        hub = urlsplit(requests.post(f"{url}/negotiate", timeout=TEST_TIMEOUT).json()["url"])
        yield Site(url, f"http://{hub.netloc}")
        environment.process.terminate()
        assert environment.end() == 0, environment.transcript


def test_one_command_starts_an_app_with_live_pages(everything: Site, visitors: Visitors) -> None:
    both = [visitors.open(everything) for _ in range(2)]
    for visitor in both:
        visitor.expect_state("live")
    # The two processes of the app get requests in turn, so each of them counts some of these and broadcasts.
    for _ in range(6):
        everything.visit()
    for visitor in both:
        visitor.expect_total(8)
