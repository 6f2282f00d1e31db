"""The measurements: each returns its figures. Compared values are measured alternately."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import cycle
from statistics import median

import aiohttp

from benchmarks import loads
from benchmarks.bench import Bench
from benchmarks.figures import Figure, process_count, ratio
from benchmarks.process import Process
from benchmarks.proxy import forgetful_network
from local import REPOSITORY
from local.emulators.azurite import Account
from local.environment.services import functions_host
from local.processes.child import Child
from signin.counting.table import MAX_VISITS
from signin.settings import MAX_ROOMS
from signin.visits.user_agent import identify

_FORGOTTEN_AFTER = 150.0  # seconds; stricter than Azure, whose network forgets idle connections after 240
_SHORT_INTERVAL = 0.1  # seconds between broadcasts, for measurements with many quiet visits
_AT_ONCE = 1000  # concurrent visits, for the maximum throughput
_CONNECTIONS = 200  # over HTTP
_SETTLING_ROUNDS = 20
_SETTLING_VISITS = 50  # of each process, in a round
_DEPENDENCIES = "azure.functions, azure.data.tables, jwt, requests, user_agents"


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of each measurement."""

    interval: float = 1.0  # seconds between broadcasts
    rounds: int = 5  # of a comparison
    quiet_visits: int = 5
    burst: int = 1000  # visits at once
    many_earlier_visits: int = 20_000
    earlier_visits: Sequence[int] = (0, 1_000, 10_000)  # for the comparison with the C# sample's algorithm
    transactions: int = 50  # with 99 visits each, in a round
    processes: int = 4
    commits: int = 1000  # of all processes together
    warm_up: int = 1000  # visits over HTTP
    lone_visits: int = 40
    imports: int = 7
    peak_processes: int = 20
    idle_processes: int = 5
    pause: float = 300.0  # seconds without a visit
    viewers: int = 1000  # open pages
    broadcasts: int = 30  # each until all pages have received it
    visits_per_second: int = 200
    load_seconds: int = 20

    @property
    def quiet_seconds(self) -> float:
        """The pause between two quiet visits: longer than the broadcast interval."""
        return 1.2 * self.interval


QUICK = Plan(
    rounds=1,
    quiet_visits=2,
    many_earlier_visits=2_000,
    earlier_visits=(0, 1_000),
    transactions=10,
    commits=200,
    lone_visits=10,
    imports=2,
    pause=200.0,
    broadcasts=5,
    load_seconds=5,
)


def requests_of_a_visit(bench: Bench, plan: Plan) -> list[Figure]:
    """Storage requests per visit, of quiet visits and of a burst, with an empty table and with many earlier visits."""
    figures: list[Figure] = []
    for earlier in (0, plan.many_earlier_visits):
        account = bench.behind_proxy(bench.account())
        with bench.process(account, plan.interval) as app:
            app.run(loads.fill, account.connection_string, earlier)
            # A new process reads the other shards and shares the lease for its first four intervals.
            _visit_quietly(app, 4, plan.quiet_seconds)
            bench.proxy.take(account.name)
            _visit_quietly(app, plan.quiet_visits, plan.quiet_seconds)
            quiet = bench.proxy.take(account.name)
            app.run(loads.sign_in, plan.burst, plan.burst)
            time.sleep(plan.quiet_seconds)  # for its last broadcast
            burst = bench.proxy.take(account.name)
        measure = f"storage requests per visit, {earlier:,} earlier visits"
        figures += [
            Figure(f"{measure}: quiet", quiet.requests / plan.quiet_visits, at_most=2),
            Figure(f"{measure}: burst of {plan.burst:,}", burst.requests / plan.burst, at_most=0.03),
        ]
    return figures


def _visit_quietly(app: Process, count: int, pause: float) -> None:
    for _ in range(count):
        app.run(loads.sign_in, 1)
        time.sleep(pause)


def after_a_peak(bench: Bench, plan: Plan) -> list[Figure]:
    """Storage requests of a quiet visit of a process that is alone after many processes and a pause."""
    account = bench.behind_proxy(bench.account())
    with bench.processes(plan.peak_processes, account, plan.interval) as crowd:
        for _ in range(_SETTLING_ROUNDS):
            _in_all(crowd, plan.quiet_visits, 1)
    with bench.process(account, plan.interval) as app:
        time.sleep(plan.pause)
        _visit_quietly(app, 4, plan.quiet_seconds)  # the first ones close the shards and read them once more
        bench.proxy.take(account.name)
        _visit_quietly(app, plan.quiet_visits, plan.quiet_seconds)
        requests = bench.proxy.take(account.name).requests / plan.quiet_visits
        basis = f"{app.run(loads.shard_count)} shards"
    measure = f"storage requests per quiet visit, {plan.pause:.0f} s after {process_count(plan.peak_processes)}"
    return [Figure(measure, requests, basis=basis, at_most=1)]


def after_a_pause(bench: Bench, plan: Plan) -> list[Figure]:
    """The first visit after a pause, through a network that has forgotten the connections, like Azure's after 240 s."""
    ordinary: list[float] = []
    first: list[float] = []
    with ExitStack() as stack:
        apps = []
        for _ in range(plan.idle_processes):
            account = bench.account()
            url = stack.enter_context(forgetful_network(account.table_url, _FORGOTTEN_AFTER))
            apps.append(stack.enter_context(bench.process(replace(account, table_url=url), _SHORT_INTERVAL)))
        for app in apps:
            for _ in range(plan.lone_visits):
                ordinary += app.run(loads.sign_in, 1).each
                time.sleep(1.5 * _SHORT_INTERVAL)
        time.sleep(plan.pause)
        for app in apps:
            first += app.run(loads.sign_in, 1).each
    measure = f"time of the first visit after {plan.pause:.0f} s / of a lone visit"
    return [ratio(measure, _ms(first), _ms(ordinary), "ms", at_most=1.2)]


def the_sample(bench: Bench, plan: Plan) -> list[Figure]:
    """A quiet visit compared with the C# sample's algorithm, as the tables grow."""
    figures: list[Figure] = []
    ours, sample = bench.behind_proxy(bench.account()), bench.behind_proxy(bench.account())
    with bench.processes(2, ours, plan.interval) as (app, other):
        held = 0
        for earlier in plan.earlier_visits:
            filled = other.start(loads.fill_sample, sample.connection_string, earlier - held)
            app.run(loads.fill, ours.connection_string, earlier - held)
            filled()
            our_seconds: list[float] = []
            sample_seconds: list[float] = []
            for number in range(-2, plan.quiet_visits):
                if number == 0:  # the previous ones opened connections and read all shards
                    for account in (ours, sample):
                        bench.proxy.take(account.name)
                    our_seconds, sample_seconds = [], []
                our_seconds += app.run(loads.sign_in, 1).each
                sample_seconds.append(other.run(loads.sign_in_to_sample, sample.connection_string))
                time.sleep(plan.quiet_seconds)
            held = earlier + 2 + plan.quiet_visits
            our_requests, sample_requests = (
                bench.proxy.take(account.name).requests / plan.quiet_visits for account in (ours, sample)
            )
            measure = f"C# sample's algorithm / ours, {earlier:,} earlier visits"
            figures += [
                ratio(f"{measure}: storage requests", sample_requests, our_requests),
                ratio(f"{measure}: time of a visit", _ms(sample_seconds), _ms(our_seconds), unit="ms"),
            ]
    return figures


def one_process(bench: Bench, plan: Plan) -> list[Figure]:
    """Visits per second of one process, compared with a bare loop of the same transactions; and its memory."""
    visits = plan.transactions * MAX_VISITS
    ours, bare = _one_year_old(bench), _one_year_old(bench)
    our_rates: list[float] = []
    bare_rates: list[float] = []
    with bench.process(ours) as app, bench.process(bare) as loop:
        app.run(loads.sign_in, MAX_VISITS, MAX_VISITS)
        loop.run(loads.transact, bare.connection_string, 1, MAX_VISITS)
        for _ in range(plan.rounds):
            our_rates.append(visits / app.run(loads.sign_in, visits, _AT_ONCE).seconds)
            timing = loop.run(loads.transact, bare.connection_string, plan.transactions, MAX_VISITS)
            bare_rates.append(visits / timing.seconds)
        memory = app.run(loads.peak_memory)
    return [
        ratio("visits/s, one process / bare transactions", median(our_rates), median(bare_rates), at_least=0.9),
        *(Figure(f"peak memory of a process, {_AT_ONCE:,} visits at once", peak, "MB") for peak in memory),
    ]


def rooms(bench: Bench, plan: Plan) -> list[Figure]:
    """Storage requests per visit and visits per second with 1 and 5 rooms, and what 20 busy ones cost."""
    figures: list[Figure] = []
    visits = plan.transactions * MAX_VISITS
    one_rate = 0.0
    for count in (1, 5, MAX_ROOMS):
        account = bench.behind_proxy(bench.account())
        with bench.process(account, plan.interval) as app:
            before = app.run(loads.thread_count)
            for _ in range(4):  # the first four intervals of each counter
                app.run(loads.sign_in, count, count, count)
                time.sleep(plan.quiet_seconds)
            bench.proxy.take(account.name)
            for _ in range(plan.quiet_visits):
                app.run(loads.sign_in, count, count, count)
                time.sleep(plan.quiet_seconds)
            quiet = bench.proxy.take(account.name).requests / (plan.quiet_visits * count)
            rates = [visits / app.run(loads.sign_in, visits, _AT_ONCE, count).seconds for _ in range(plan.rounds)]
            time.sleep(plan.quiet_seconds)
            busy = bench.proxy.take(account.name).requests / (plan.rounds * visits)
            threads, memory = app.run(loads.thread_count) - before, app.run(loads.peak_memory)
        one_rate = one_rate or median(rates)
        measure = f"{count} rooms" if count > 1 else "1 room"
        figures += [
            Figure(f"storage requests per visit, {measure}: quiet", quiet, at_most=2),
            Figure(f"storage requests per visit, {measure}: {_AT_ONCE:,} at once", busy),
            ratio(f"visits/s, {measure} / 1 room", median(rates), one_rate),
            Figure(f"threads of a process that start with the visits, {measure}", threads),
            *(Figure(f"peak memory of a process, {measure}", peak, "MB") for peak in memory),
        ]
    return figures


def several_processes(bench: Bench, plan: Plan) -> list[Figure]:
    """Visits per second of several processes compared with one, and their conflicts after they have settled."""
    visits = plan.transactions * MAX_VISITS
    share = visits // plan.processes
    together, alone = (bench.behind_proxy(_one_year_old(bench)) for _ in range(2))
    several_rates: list[float] = []
    one_rate: list[float] = []
    with bench.processes(plan.processes, together) as several, bench.process(alone) as one:
        one.run(loads.sign_in, MAX_VISITS, MAX_VISITS)
        for _ in range(_SETTLING_ROUNDS):
            bench.proxy.take(together.name)
            _in_all(several, _SETTLING_VISITS, 1)
            if not bench.proxy.take(together.name).conflicts:
                break
        for _ in range(plan.rounds):
            one_rate.append(visits / one.run(loads.sign_in, visits, _AT_ONCE).seconds)
            several_rates.append(visits / _in_all(several, share, _AT_ONCE // plan.processes))
        _in_all(several, plan.commits // plan.processes, 1)
        tally = bench.proxy.take(together.name)
    return [
        Figure(
            f"conflicts per 1,000 commits, {plan.processes} processes that have settled",
            1000 * tally.conflicts / tally.commits,
            basis=f"{tally.conflicts} in {tally.commits:,}",
            at_most=0,
        ),
        ratio(
            f"visits/s, {plan.processes} processes / one process", median(several_rates), median(one_rate), at_least=1
        ),
    ]


def _in_all(processes: Sequence[Process], count: int, at_once: int) -> float:
    """Send `count` visits to each process at the same time. Returns the seconds of the slowest process."""
    results = [process.start(loads.sign_in, count, at_once) for process in processes]
    return max(result().seconds for result in results)


def http_host(bench: Bench, plan: Plan) -> list[Figure]:
    """Visits per second through the local Functions host."""
    visits = plan.transactions * MAX_VISITS
    rates: dict[int, list[float]] = {1: [], plan.processes: []}
    urls: dict[int, str] = {}
    with ExitStack() as stack:
        for workers in rates:
            host = functions_host(bench.settings(_one_year_old(bench)), workers=workers)
            stack.callback(host.stop)
            (urls[workers],) = host.wait_until_ready()
            asyncio.run(_request(f"{urls[workers]}/signin", plan.warm_up))
        for _ in range(plan.rounds):
            for workers, rate in rates.items():
                rate.append(visits / asyncio.run(_request(f"{urls[workers]}/signin", visits)))
    return [
        Figure(f"visits/s through the local HTTP host, {process_count(workers)}", median(rate))
        for workers, rate in rates.items()
    ]


def static_content(bench: Bench, plan: Plan) -> list[Figure]:
    """The homepage through the local Functions host, compared with a function that only returns its bytes."""
    account = bench.account()
    account.publish().close()
    requests = plan.transactions * MAX_VISITS
    our_rates: list[float] = []
    constant_rates: list[float] = []
    with ExitStack() as stack:
        app, constant = functions_host(bench.settings(account)), _constant_host()
        for host in (app, constant):
            stack.callback(host.stop)
            (url,) = host.wait_until_ready()
            asyncio.run(_request(url, plan.warm_up))
        for _ in range(plan.rounds):
            our_rates.append(requests / asyncio.run(_request(app.addresses[0], requests)))
            constant_rates.append(requests / asyncio.run(_request(constant.addresses[0], requests)))
    measure = "homepages/s / responses/s of a function that returns the same bytes"
    return [ratio(measure, median(our_rates), median(constant_rates), at_least=0.7)]


def _constant_host() -> Child:
    """The local Functions host with the app in constant/."""
    command = [sys.executable, "-m", "local.emulators.functions", "--port", "0"]
    folder = REPOSITORY / "benchmarks" / "constant"
    return Child("The constant app", command, {**os.environ, "PYTHONPATH": str(REPOSITORY)}, folder=folder)


async def _request(url: str, count: int) -> float:
    """Send `count` requests over several HTTP connections. Returns the seconds that they took."""
    visits = iter(range(count))
    user_agents = cycle(loads.USER_AGENTS)

    async def visitor() -> None:
        for _ in visits:
            headers = {"User-Agent": next(user_agents), "Accept-Encoding": "identity"}
            async with http.get(url, headers=headers) as response:
                response.raise_for_status()
                await response.read()

    connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as http:
        began = time.perf_counter()
        await asyncio.gather(*(visitor() for _ in range(_CONNECTIONS)))
        return time.perf_counter() - began


def latency(bench: Bench, plan: Plan) -> list[Figure]:
    """The time of a single visit, compared with a bare transaction of the same two rows."""
    ours, bare = _one_year_old(bench), _one_year_old(bench)
    our_seconds: list[float] = []
    bare_seconds: list[float] = []
    with bench.process(ours, _SHORT_INTERVAL) as app, bench.process(bare) as loop:
        for _ in range(plan.lone_visits):
            our_seconds += app.run(loads.sign_in, 1).each
            time.sleep(1.5 * _SHORT_INTERVAL)
            bare_seconds += loop.run(loads.transact, bare.connection_string, 1, 1).each
            time.sleep(1.5 * _SHORT_INTERVAL)
    return [
        ratio("time of a lone visit / of a bare transaction", _ms(our_seconds), _ms(bare_seconds), "ms", at_most=1.3)
    ]


def user_agents(_: Bench, plan: Plan) -> list[Figure]:
    """The time to parse a User-Agent that is in the cache."""
    calls = 1000
    seconds = min(timeit.repeat(lambda: identify(loads.USER_AGENTS[0]), number=calls, repeat=plan.rounds))
    return [Figure("parsing a User-Agent, repeated", seconds / calls * 1e6, "µs", at_most=20)]


def imports(_: Bench, plan: Plan) -> list[Figure]:
    """The time to import the app, compared with its dependencies alone; each in a new interpreter."""
    app: list[float] = []
    dependencies: list[float] = []
    for _round in range(plan.imports):
        app.append(_import("function_app"))
        dependencies.append(_import(_DEPENDENCIES))
    return [ratio("import of the app / of its dependencies", _ms(app), _ms(dependencies), "ms", at_most=1.15)]


def _import(modules: str) -> float:
    program = f"import time; began = time.perf_counter(); import {modules}; print(time.perf_counter() - began)"
    return float(subprocess.check_output([sys.executable, "-c", program], cwd=REPOSITORY))  # noqa: S603


def cold_start(bench: Bench, plan: Plan) -> list[Figure]:
    """From the start of a process to its first response to a visit, compared with the import of its dependencies."""
    environment = os.environ | bench.settings(_one_year_old(bench))
    first_visit = "import asyncio, function_app; from azure.functions import HttpRequest; "
    first_visit += "asyncio.run(function_app.signin(HttpRequest('GET', '/signin', headers={}, body=b'')))"
    visits: list[float] = []
    dependencies: list[float] = []
    for _round in range(plan.imports):
        visits.append(_seconds_until_done(first_visit, environment))
        dependencies.append(_seconds_until_done(f"import {_DEPENDENCIES}", environment))
    measure = "process start to first visit / to import of the dependencies"
    return [ratio(measure, _ms(visits), _ms(dependencies), "ms")]


def _seconds_until_done(program: str, environment: Mapping[str, str]) -> float:
    """The time from the start of a new interpreter until it has run the program; without its exit."""
    command = [sys.executable, "-c", f"{program}; import os; os._exit(0)"]
    began = time.perf_counter()
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True)  # noqa: S603
    return time.perf_counter() - began


def _one_year_old(bench: Bench) -> Account:
    """A storage account with a full history."""
    account = bench.account()
    loads.fill(account.connection_string, loads.ONE_YEAR)
    return account


def _ms(seconds: Sequence[float]) -> float:
    return 1000 * median(seconds)


MEASURES: Mapping[str, Callable[[Bench, Plan], list[Figure]]] = {
    "Storage requests": requests_of_a_visit,
    "After a peak": after_a_peak,
    "After a pause": after_a_pause,
    "The C# sample's algorithm": the_sample,
    "One process": one_process,
    "Several processes": several_processes,
    "Local HTTP host": http_host,
    "Static content": static_content,
    "A lone visit": latency,
    "User-Agents": user_agents,
    "Rooms": rooms,
    "Imports": imports,
    "A cold start": cold_start,
}
