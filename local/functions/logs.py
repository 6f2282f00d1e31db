"""Log lines of the host and its workers: one format, on standard error."""

from __future__ import annotations

import logging


def configure_logging() -> None:
    """Log at INFO as `HH:MM:SS LEVEL name: message`; the Azure SDK and urllib3, which log every request, at WARNING."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S"
    )
    for chatty in ("azure", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
