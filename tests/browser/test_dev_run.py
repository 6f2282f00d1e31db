"""The one command of the README: everything on a laptop, here on free ports."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from local import REPOSITORY

from .site import Site
from .visitor import Visitors

ANY_PORTS = ("--port", "0", "--signalr-port", "0", "--blob-port", "0", "--queue-port", "0", "--table-port", "0")


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[Site]:
    """`python3 dev.py --workers 2`, less what that prepares before it starts anything."""
    command = [sys.executable, "-m", "local", *ANY_PORTS, "--workers", "2"]
    log = tmp_path / "stderr.txt"
    with log.open("w") as stderr:
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=stderr, text=True)
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    try:
        url = _url_when_ready(process, log)
        hub = urlsplit(requests.post(f"{url}/negotiate", timeout=30).json()["url"])
        yield Site(url, f"http://{hub.netloc}")
    finally:
        watchdog.cancel()
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0, log.read_text()


def _url_when_ready(process: subprocess.Popen[str], log: Path) -> str:
    assert process.stdout
    output = ""
    for line in process.stdout:
        output += line
        if ready := re.match(r"Ready: (http://\S+)/$", line):
            return ready[1]
    raise AssertionError(f"There is no Ready:\n{output}{log.read_text()}")


def test_one_command_brings_up_an_app_whose_pages_move_each_other(everything: Site, visitors: Visitors) -> None:
    both = [visitors.open(everything) for _ in range(2)]
    for visitor in both:
        visitor.expect_state("live")
    # The two processes of the app take turns, so each of them counts some of these and tells the pages.
    for _ in range(6):
        everything.visit()
    for visitor in both:
        visitor.expect_total(8)
