"""The run: all measurements in sequence."""

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
    """Run all measurements, with progress on standard output. Raises StepFailed."""
    figures: list[Figure] = []
    with running_bench(LOG) as bench:
        for title, measurement in MEASURES.items():
            with step(title):
                figures += measurement(bench, plan)
    return figures


def summary(figures: Sequence[Figure]) -> str:
    """The table, and the number of missed targets."""
    targets = [figure for figure in figures if figure.has_target]
    missed = sum(figure.is_missed for figure in targets)
    return f"{table(figures)}\n{missed or 'None'} of {len(targets)} targets missed.\n"


def document(figures: Sequence[Figure]) -> str:
    """The text of results.md."""
    made = f"{datetime.now(UTC):%Y-%m-%d}, Python {platform.python_version()}, {os.cpu_count()} cores"
    return f"""# Benchmark

{made}; made by `python3 dev.py bench`.

The app, the storage emulator Azurite and all load share one machine. Figures are medians. Compared values were measured
alternately, and storage requests were counted on the wire.

{summary(figures)}
- *Quiet* visits come one after the other, further apart than the broadcast interval. A *burst* comes at once.
- The *C# sample's algorithm* inserts a row, then reads the whole table and aggregates it: here in Python, with the same
  SDK, and without the broadcast that the sample then sends.
- *Bare transactions* are those of the app: the rows of 99 visits (or of a single one) and the stats row, submitted one
  after the other by the SDK alone.
- After the *pause* the network between the process and the storage emulator has forgotten the connections, as that of
  Azure does. The conditions are otherwise those of a lone visit.
- *Process start* includes the start of the interpreter, the imports, and the first read and commit.
- The visits of several *rooms* go to each in turn. Each room has batches and broadcasts of its own.
- *Pages* are WebSockets in a process of their own. A visit has arrived when the last of them has received a total that
  includes it. A *bare broadcast* is the request to SignalR alone. The emulator counted broadcasts and messages; Azure
  bills a message for each page and each 2 KB.
- *SignalR a day* is the price of that many messages: a unit of the Standard tier costs $1.61 a day and has 1,000
  connections and 1 million messages; each further million costs $1 (secondary sources, 2025 and 2026). With that many
  visits there is a broadcast in every interval of 1 s; a longer `BroadcastIntervalSeconds` costs less.
- Unless a measure names the local HTTP host, a process is measured without an HTTP server: its function is called like
  the Functions worker calls it. The local HTTP host replaces that of Azure; nothing here was measured in Azure.
"""
