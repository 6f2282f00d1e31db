"""Waiting until a deployed app is healthy: `python3 dev.py wait --site URL`.

Standard library only: deploy.sh, azd's hook and the pipeline run it, on machines that may have nothing else.
"""

from __future__ import annotations

import argparse
import json
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

HELP = "wait until a deployed app is healthy"

LIMIT_MINUTES = 30  # until a new role has taken effect: usually ten minutes, at most 30 (Azure/azure-signalr #1955)
_PAUSE_SECONDS = 10.0
_ANSWER_SECONDS = 30.0  # a cold start takes some seconds, and /health waits some more for services that do not answer
_BODY_BYTES = 64 * 1024
_LOGS = "docs/operations.md describes its logs; in the portal, Log stream shows them as they arrive."


@dataclass(frozen=True, slots=True)
class Problem:
    """Why the app is not healthy, in one line or several, and what to do about it if it stays."""

    reason: str
    advice: str


def main(arguments: Sequence[str]) -> str | None:
    """Run the command. Returns what `sys.exit` takes: None for success, else the final message."""
    return wait(parse(arguments).site)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of the command; exits with a message if they are invalid."""
    parser = argparse.ArgumentParser(
        prog="dev.py wait",
        description=f"Request /health of a deployed app until it is healthy, for up to {LIMIT_MINUTES} minutes, and "
        "print the reason whenever it changes. The exit code is 0 if the app is healthy, else 1.",
    )
    parser.add_argument(
        "--site", type=_site, required=True, metavar="URL", help="e.g. https://signin-abc.azurewebsites.net"
    )
    parser.set_defaults(command="wait")
    return parser.parse_args(arguments)


def _site(text: str) -> str:
    if not re.fullmatch(r"https?://[\w-]+(\.[\w-]+)*(:\d+)?/?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not like https://www.example.com")
    return text.rstrip("/")


def _print(line: str) -> None:
    print(line, flush=True)  # pipelines buffer it otherwise


def wait(
    site: str,
    show: Callable[[str], None] = _print,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Wait until the app is healthy. Returns None, or after 30 minutes a message: the last reason and what to do.

    `site` is the app's address without a trailing slash. `clock` returns seconds.
    """
    show(f"Waiting until {site}/health is healthy. New roles can take up to {LIMIT_MINUTES} minutes to take effect.")
    started = clock()
    shown = ""
    while problem := check(site):
        minutes = (clock() - started) / 60
        if problem.reason != shown:
            shown = problem.reason
            show(f"{minutes:5.1f} min  " + shown.replace("\n", "\n" + 11 * " "))
        if minutes >= LIMIT_MINUTES:
            return f"{site} is not healthy after {LIMIT_MINUTES} minutes. {problem.advice}"
        sleep(_PAUSE_SECONDS)
    show(f"{(clock() - started) / 60:5.1f} min  The app is healthy: {site}/")
    return None


def check(site: str, seconds: float = _ANSWER_SECONDS) -> Problem | None:
    """Request /health once. Returns None if the app is healthy.

    The time limit is for the whole of it, hence the thread: the resolution of a name has no timeout, and the timeout
    of a socket begins anew with each byte.
    """
    answers: queue.SimpleQueue[Problem | None] = queue.SimpleQueue()
    threading.Thread(target=lambda: answers.put(_request(site, seconds)), daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return _no_answer(seconds)


def _request(site: str, seconds: float) -> Problem | None:
    request = Request(f"{site}/health", headers={"Accept": "application/json"})  # noqa: S310
    try:
        try:
            response = urlopen(request, timeout=seconds)  # noqa: S310
        except HTTPError as error:  # it is a response, too
            response = error
        with response:
            return _problem_of(response.status, response.read(_BODY_BYTES).decode(errors="replace"))
    except (OSError, HTTPException, ValueError) as error:  # ValueError: an invalid host name, also of a redirect
        return _failure(site, error.reason if isinstance(error, URLError) else error, seconds)


def _failure(site: str, error: object, seconds: float) -> Problem:
    """A request without a response."""
    host = urlsplit(site).hostname
    match error:
        case TimeoutError():
            return _no_answer(seconds)
        case socket.gaierror():
            return Problem(
                f"The name {host} cannot be resolved.",
                "Is the address right? `az functionapp list --query [].defaultHostName` lists those of your apps.",
            )
        case ssl.SSLError():
            reason = getattr(error, "verify_message", "") or error.reason or error
            return Problem(
                f"The TLS connection to {host} fails: {reason}.",
                "A domain of your own needs a certificate (docs/deploy.md). If this machine lacks that of the issuing "
                "authority, as behind some proxies, set SSL_CERT_FILE to a file that has it. Python from python.org on "
                "macOS needs its Install Certificates.command first.",
            )
        case _:
            return Problem(
                f"The connection to {host} fails: {' '.join(str(error).split()) or type(error).__name__}.",
                "Is the address right, and does this machine reach the internet?",
            )


def _no_answer(seconds: float) -> Problem:
    return Problem(f"The app does not answer within {seconds:g} seconds.", f"Restart the app. {_LOGS}")


def _problem_of(status: int, body: str) -> Problem | None:
    """Evaluate a response to /health."""
    parts = _parts(body)
    if parts:
        failed = {name: part.get("error", "not ok") for name, part in parts.items() if part.get("ok") is not True}
        if failed:
            return Problem(
                "\n".join(f"{name}: {error}" for name, error in failed.items()),
                "Compare the roles of its identity with docs/security.md and its settings with docs/settings.md. "
                + _LOGS,
            )
        if status == 200:
            return None
    if error := _error_of_the_app(body):
        return Problem(error, f"Compare its settings with docs/settings.md. {_LOGS}")
    start = _first_text(body)
    answer = f"{status}: {start}" if start else str(status)
    match status:
        case 404 if "Web Site not found" in body:  # the front end's page for names that no app has
            return Problem(
                "Azure knows no app of this name (404).",
                "Is the address right, and has the infrastructure been deployed?",
            )
        case 404:
            return Problem(
                "The Functions host runs, and has no /health (404): it has loaded 0 functions so far.\n"
                "If this stays for more than five minutes, deploy the app again with a remote build.",
                "0 functions are loaded: the package was not deployed, or it was deployed without its requirements. "
                "Deploy it again with a remote build, by `azd deploy` or infra/deploy.sh. If that does not help, the "
                f"app cannot be imported: its logs contain the error. {_LOGS}",
            )
        case 503:
            return Problem(
                f"The Functions host does not run ({answer}).",
                "The host needs its roles on its storage account (docs/security.md). Restart the app. If that does not "
                "help and deployments get 503, too, the app was not set up: delete it, and provision and deploy again.",
            )
        case _:
            return Problem(
                f"The answer is not that of the app's /health ({answer}).",
                "Is this the address of the app? If the app requires a sign-in, exempt /health from it.",
            )


def _parts(body: str) -> dict[str, dict[str, Any]] | None:
    """The lines of /health by the name of the service: `{"ok": true}`, or `{"ok": false, "error": "…"}`."""
    parts = _json(body)
    return parts if isinstance(parts, dict) and all(isinstance(part, dict) for part in parts.values()) else None


def _error_of_the_app(body: str) -> str | None:
    """The error that every route of an app with a missing or malformed setting returns."""
    content = _json(body)
    error = content.get("error") if isinstance(content, dict) and "recorded" in content else None
    return error if isinstance(error, str) else None


def _json(body: str) -> Any:
    try:
        return json.loads(body)
    except (RecursionError, ValueError):
        return None


def _first_text(body: str) -> str:
    """The first text of a page or message, at most 100 characters."""
    text = re.sub(r"(?s)<(head|style|script)\b.*?</\1>|<[^>]*>", " ", body)
    return " ".join(text.split())[:100]
