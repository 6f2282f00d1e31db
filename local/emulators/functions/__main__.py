"""`python -m local.emulators.functions --port 7071 --workers 2`, in the folder of function_app.py and host.json."""

from __future__ import annotations

import argparse
import asyncio
import sys

from local.emulators.functions.host import serve
from local.emulators.functions.logs import configure_logging
from local.emulators.functions.pool import StartError


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m local.emulators.functions", description="Run the Functions app in this folder."
    )
    parser.add_argument("--port", type=int, choices=range(65536), default=7071, metavar="PORT", help="0 for a free one")
    parser.add_argument(
        "--workers", type=int, choices=range(1, 11), default=1, metavar="1-10", help="processes that run the app"
    )
    parser.add_argument("--lan", default="", metavar="ADDRESS", help="listen at this address of the machine too")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    options = parser.parse_args()

    configure_logging()
    try:
        asyncio.run(serve(options.port, options.workers, options.lan, verbose=options.verbose))
    except StartError as error:
        sys.exit(str(error))
    except BrokenPipeError:  # the parent process has ended
        sys.exit(1)


if __name__ == "__main__":
    main()
