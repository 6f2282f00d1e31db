"""The measurements of delivery: from the response to a visit until the last open page shows it, and the price."""

from __future__ import annotations

import json
import math
import time
import urllib.request
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from statistics import median, quantiles

from benchmarks import loads, viewers
from benchmarks.bench import Bench
from benchmarks.figures import Figure, process_count, ratio
from benchmarks.measures import Plan
from benchmarks.process import Process

_FAR = 10**9  # bare broadcasts have totals from here on, which the app never reaches
_SETTLING_VISITS = 50  # of each process
_SECONDS_A_DAY = 86_400
_VISITS_A_DAY = 1_000_000

# Azure SignalR Service, Standard, in US dollars; secondary sources of 2025 and 2026.
_UNIT_DAY = 1.61
_CONNECTIONS_OF_UNIT = 1_000
_MESSAGES_OF_UNIT = 1_000_000  # a day
_FURTHER_MILLION = 1.00


@dataclass(frozen=True, slots=True)
class _Load:
    """Results of a load: the seconds until all pages showed each visit, and the counters of the service."""

    delays: Sequence[float]
    broadcasts: int
    broadcasts_per_interval: float
    messages: int

    @property
    def visits(self) -> int:
        return len(self.delays)


def lone_visits(bench: Bench, plan: Plan) -> list[Figure]:
    """Single visits, alternately with bare broadcasts, which have no visit before them."""
    figures: list[Figure] = []
    for count in (1, plan.processes):
        delays: list[float] = []
        bare_delays: list[float] = []
        with _environment(bench, plan, count) as (processes, pages, bare):
            for number in range(plan.broadcasts):
                visit = processes[number % count].run(loads.visit)
                delays.append(max(0.0, pages.run(viewers.wait_for_total, visit.total) - visit.acknowledged_at))
                time.sleep(plan.quiet_seconds / 2)
                began = bare.run(loads.broadcast, _FAR + number)
                bare_delays.append(pages.run(viewers.wait_for_total, _FAR + number) - began)
                time.sleep(plan.quiet_seconds / 2)
        measure = f"a lone visit, {process_count(count)}: response to the last of {plan.viewers:,} pages"
        figures += [
            ratio(f"{measure} / bare broadcast", 1000 * median(delays), 1000 * median(bare_delays), "ms", at_most=2),
            *_percentiles(measure, delays),
        ]
    return figures


def under_load(bench: Bench, plan: Plan) -> list[Figure]:
    """Many visits per second, and the messages billed for them; compared with a broadcast on every visit."""
    figures: list[Figure] = []
    for count in (1, plan.processes):
        with _environment(bench, plan, count) as (processes, pages, bare):
            load = _load(bench, plan, processes, pages)
            messages_of_broadcast = _messages_of_broadcast(bench, plan, bare, pages)
        measure = f"{plan.visits_per_second} visits/s, {process_count(count)}"
        basis = f"{load.broadcasts} for {load.visits:,} visits"
        figures += [
            Figure(f"{measure}: broadcasts per interval", load.broadcasts_per_interval, basis=basis, at_most=1.1),
            *_percentiles(
                f"{measure}: response to the last of {plan.viewers:,} pages",
                load.delays,
                p95_at_most=plan.interval + 0.3,
            ),
            ratio(
                f"{measure}: messages per 1,000 visits, a broadcast on every visit / ours",
                1000 * messages_of_broadcast,
                1000 * load.messages / load.visits,
            ),
        ]
    messages_of_page = messages_of_broadcast / plan.viewers
    broadcasts_a_day = min(_VISITS_A_DAY, load.broadcasts_per_interval * _SECONDS_A_DAY / plan.interval)
    return figures + [
        ratio(
            f"SignalR a day, {_VISITS_A_DAY:,} visits, {pages_open:,} pages open: a broadcast on every visit / ours",
            _price(pages_open, _VISITS_A_DAY * pages_open * messages_of_page),
            _price(pages_open, broadcasts_a_day * pages_open * messages_of_page),
            "$",
        )
        for pages_open in (10, 100, 1_000)
    ]


@contextmanager
def _environment(bench: Bench, plan: Plan, count: int) -> Iterator[tuple[Sequence[Process], Process, Process]]:
    """Run `count` processes of the app that share the counting, one with all pages, and one for bare broadcasts."""
    account = bench.account()
    with (
        bench.process(account) as pages,
        bench.process(account) as bare,
        bench.processes(count, account, plan.interval) as processes,
    ):
        pages.run(viewers.connect, bench.signalr_url, plan.viewers)
        bare.run(loads.broadcast, 0)  # to open a connection
        for result in [process.start(loads.sign_in, _SETTLING_VISITS) for process in processes]:
            result()
        time.sleep(3 * plan.quiet_seconds)
        yield processes, pages, bare


def _load(bench: Bench, plan: Plan, processes: Sequence[Process], pages: Process) -> _Load:
    before, received_before = _counters(bench), len(pages.run(viewers.totals_received))
    total_before = processes[0].run(loads.total)
    share = plan.visits_per_second / len(processes)
    results = [process.start(loads.visit_steadily, share, plan.load_seconds) for process in processes]
    acknowledged = sorted(visit.acknowledged_at for result in results for visit in result())
    pages.run(viewers.wait_for_total, total_before + len(acknowledged))
    after, received = _counters(bench), pages.run(viewers.totals_received)[received_before:]
    totals = list(accumulate((total for _, total in received), max))
    delays = [
        max(0.0, received[bisect_left(totals, total_before + number)][0] - moment)
        for number, moment in enumerate(acknowledged, start=1)
    ]
    intervals = (received[-1][0] - received[0][0]) / plan.interval
    broadcasts = after["broadcasts"] - before["broadcasts"]
    return _Load(delays, broadcasts, (broadcasts - 1) / intervals, after["messages"] - before["messages"])


def _messages_of_broadcast(bench: Bench, plan: Plan, bare: Process, pages: Process) -> float:
    """The number of messages billed for one broadcast. The C# sample sends one on every visit."""
    before = _counters(bench)["messages"]
    for number in range(plan.broadcasts):
        bare.run(loads.broadcast, _FAR + number)
        pages.run(viewers.wait_for_total, _FAR + number)
    return (_counters(bench)["messages"] - before) / plan.broadcasts


def _counters(bench: Bench) -> Mapping[str, int]:
    """The counters of the SignalR emulator since its start."""
    with urllib.request.urlopen(f"{bench.signalr_url}/emulator/counters") as response:  # noqa: S310
        counters: dict[str, int] = json.load(response)
    return counters


def _price(pages: int, messages: float) -> float:
    """The price of a day in dollars."""
    units = math.ceil(pages / _CONNECTIONS_OF_UNIT)
    further = max(0.0, messages - units * _MESSAGES_OF_UNIT)
    return units * _UNIT_DAY + further / 1_000_000 * _FURTHER_MILLION


def _percentiles(measure: str, seconds: Sequence[float], p95_at_most: float | None = None) -> list[Figure]:
    parts = quantiles([*seconds, *seconds], n=100, method="inclusive")  # also of a single value
    limits = {50: None, 95: p95_at_most, 99: None}
    return [Figure(f"{measure}: p{part}", parts[part - 1], "s", at_most=limit) for part, limit in limits.items()]


MEASURES: Mapping[str, Callable[[Bench, Plan], list[Figure]]] = {
    "A lone visit on all pages": lone_visits,
    "Many visits on all pages": under_load,
}
