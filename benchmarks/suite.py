"""The run: every measurement, one after the other."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import delivery, measures
from benchmarks.bench import running_bench
from benchmarks.figures import Figure, table
from benchmarks.measures import Plan
from local import REPOSITORY
from local.progress import step

LOG = REPOSITORY / ".local" / "bench.log"
MEASURES = {**measures.MEASURES, **delivery.MEASURES}
RESULTS = Path(__file__).with_name("results.md")


def measure(plan: Plan) -> list[Figure]:
    """All figures, with progress on standard output. Raises StepFailed."""
    figures: list[Figure] = []
    with running_bench(LOG) as bench:
        for title, measurement in MEASURES.items():
            with step(title):
                figures += measurement(bench, plan)
    return figures


def summary(figures: Sequence[Figure]) -> str:
    """The table, and how many of the figures do not reach what they must."""
    targets = [figure for figure in figures if figure.has_target]
    missed = sum(figure.is_missed for figure in targets)
    return f"{table(figures)}\n{missed or 'None'} of {len(targets)} targets missed.\n"


def document(figures: Sequence[Figure]) -> str:
    """The text of results.md."""
    made = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} cores"
    return f"""# Benchmark

{made}; made by `python3 dev.py bench`.

The app, the storage emulator Azurite and all load share one machine. Figures are medians, what is compared was measured
in lease, and storage requests were counted on the wire.

{summary(figures)}
- *Quiet* visits come one after the other, further apart than the broadcast interval; a *burst* comes at once.
- The *C# sample's algorithm* inserts a row, then reads the whole table and aggregates: here in Python, with the same
  SDK, and without the broadcast that the sample then sends.
- *Bare transactions* are those of the app, the rows of 99 visits (or of a lone one) and the statistics, submitted one
  after the other by nothing but the SDK.
- *Pages* are WebSockets in a process of their own, and a visit has arrived when the last of them has been sent a total
  that counts it in. A *bare broadcast* is the request to SignalR alone. Broadcasts and messages are those that the
  emulator counted; a message is what Azure bills, 2 KB to one page.
- *SignalR a day* is the price of so many messages: a unit of the Standard tier for $1.61 a day has 1,000 connections
  and 1 million messages, each further million is $1 (secondary sources, 2025 and 2026). With so many visits there is a
  broadcast in every interval of 1 s; `BroadcastIntervalSeconds` makes it cheaper.
- A process is measured without an HTTP server, its function called as the Functions worker calls it, except where it
  says otherwise. The local HTTP host stands in for that of Azure, where none of this runs.
"""
