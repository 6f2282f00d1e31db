"""`python -m local.emulators.signalr [--port 8888] [--help]`: runs until it is stopped or its standard input ends."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from local.emulators.signalr.client import ANY_ORIGIN
from local.emulators.signalr.server import create_app, listening
from local.emulators.signalr.tokens import DEVELOPMENT_KEY
from local.processes.lifetime import until_stopped


def main() -> None:
    """Parse the command line and run the emulator."""
    parser = argparse.ArgumentParser(
        prog="python -m local.emulators.signalr", description="A local Azure SignalR Service."
    )
    parser.add_argument("--port", type=int, default=8888, help="port on 127.0.0.1; 0 takes a free one (default: 8888)")
    parser.add_argument("--access-key", type=_access_key, default=DEVELOPMENT_KEY, metavar="KEY")
    parser.add_argument(
        "--trust-identity-token",
        action="append",
        default=[],
        metavar="TOKEN",
        help="accept this bearer token on REST calls too, as Azure accepts a managed identity's; may be repeated",
    )
    parser.add_argument("--lan", default="", metavar="ADDRESS", help="listen at this address of the machine too")
    parser.add_argument(
        "--allowed-origin",
        action="append",
        dest="allowed_origins",
        metavar="ORIGIN",
        help="let pages of this origin negotiate, as the service's CORS settings do; may be repeated (default: all)",
    )
    options = parser.parse_args()
    _log_to_stderr()
    try:
        app = create_app(
            options.access_key, options.trust_identity_token, allowed_origins=options.allowed_origins or (ANY_ORIGIN,)
        )
        asyncio.run(run(app, options.port, options.lan))
    except BrokenPipeError:  # the parent process has ended
        sys.exit(1)
    except (OSError, OverflowError) as error:
        sys.exit(f"The SignalR emulator cannot listen at port {options.port}: {error}. Choose another with --port.")


async def run(app: web.Application, port: int, lan: str) -> None:
    """Serve until stopped; print the URL on standard output."""
    # Before the URL is printed: a parent that reads it may stop this process at once.
    stopped = asyncio.create_task(until_stopped())
    async with listening(app, port, lan) as url:
        print(f"SignalR emulator is listening at {url}", flush=True)
        await stopped


def _access_key(text: str) -> str:
    if len(text.encode()) < 32:
        raise argparse.ArgumentTypeError("HS256 needs a key of at least 32 bytes")
    return text


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("aiohttp.server").addFilter(_without_traceback_of_client_errors)


def _without_traceback_of_client_errors(record: logging.LogRecord) -> bool:
    """Log malformed requests and broken connections in one line: they are the client's errors, not the server's."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError | ConnectionError):
        record.msg, record.args = f"{record.getMessage()}: {' '.join(str(error).split())}", ()
        record.exc_info = None
    return True


if __name__ == "__main__":
    main()
