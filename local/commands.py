"""The commands of dev.py, inside the project's virtual environment."""

from __future__ import annotations

import argparse
import dataclasses
import os
import queue
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

from azure.core.exceptions import AzureError

from local import lint
from local.browser import chromium
from local.browser.page_audit import audit_page
from local.environment.ports import FLAGS, Ports, check_ports
from local.environment.services import functions_host, services
from local.node import install_packages
from local.processes.child import Child
from local.progress import StepFailed, step
from local.publishing import azure, package
from local.publishing.publisher import Publisher

_WATCH_SECONDS = 1.0


def main() -> None:
    options = parse(sys.argv[1:])
    _take_signals()
    _bypass_proxy()
    try:
        if options.command == "test":
            sys.exit(test(options.for_pytest))
        if options.command == "lint":
            sys.exit(run_lint(options.checks))
        if options.command == "bench":
            bench(quick=options.quick)
            return
        if options.command == "audit-page":
            sys.exit(0 if audit_page() else 1)
        if options.command == "publish":
            publish(options.blob_url, options.site or "")
            return
        if options.command == "package":
            package.build(options.output)
            print(options.output)
            return
        ports = Ports(**{name: getattr(options, name) for name in FLAGS if name in options})
        if options.command == "run":
            run(ports, options.workers, fresh=options.fresh)
        else:
            run_services(ports, fresh=options.fresh)
        print("\nStopped.", flush=True)
    except StepFailed as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever read what we print has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for the interpreter's last flush
        sys.exit(1)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command and its options; exits with a message where there is something wrong with them."""
    if arguments[:1] == ["test"]:  # all else is for pytest, --help too
        return argparse.Namespace(command="test", for_pytest=arguments[1:])
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["run", *arguments]
    return _parser().parse_args(arguments)


def run(ports: Ports, workers: int, *, fresh: bool) -> None:
    """Everything: the services and the app, until stopped."""
    check_ports(dataclasses.asdict(ports))
    install_packages()
    ended: queue.SimpleQueue[Child] = queue.SimpleQueue()
    with ExitStack() as stack:
        running = stack.enter_context(services(ports, fresh=fresh, on_end=ended.put))
        with step("Functions app"):
            host = functions_host(running.settings, ports.app, workers, on_end=ended.put)
            stack.callback(host.stop)
            (url,) = host.wait_until_ready()
        print(f"Ready: {url}/", flush=True)
        _supervise(running.publisher, ended)


def run_services(ports: Ports, *, fresh: bool) -> None:
    """All but the app, for `func start`, until stopped."""
    check_ports({name: port for name, port in dataclasses.asdict(ports).items() if name != "app"})
    install_packages()
    ended: queue.SimpleQueue[Child] = queue.SimpleQueue()
    with services(ports, fresh=fresh, on_end=ended.put) as running:
        print("Ready for `func start` with a copy of local.settings.json.example and these values:")
        for name, value in running.settings.items():
            print(f"  {name}={value}")
        sys.stdout.flush()
        _supervise(running.publisher, ended)


def test(arguments: Sequence[str]) -> int:
    """All tests, some at the same time; or as the arguments for pytest say. pytest's exit code."""
    import pytest  # here, since the other commands need not wait for it

    install_packages()
    chromium.install()
    return pytest.main([*(arguments or ("--numprocesses=auto", "--maxprocesses=4", "--dist=loadfile"))])


def run_lint(checks: Sequence[str]) -> int:
    """The static checks with these names, all if there are none. The exit code, 1 if one of them fails."""
    install_packages()
    failed = lint.lint(checks)
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return 1 if failed else 0


def bench(*, quick: bool) -> None:
    """Measure, and print the figures; write them to benchmarks/results.md unless in a hurry."""
    from benchmarks import measures, suite  # here, since it imports the app

    install_packages()
    figures = suite.measure(measures.QUICK if quick else measures.Plan())
    print(f"\n{suite.summary(figures)}")
    if not quick:
        suite.RESULTS.write_text(suite.document(figures), encoding="utf-8")
        print(f"Written to {suite.RESULTS}")


def publish(blob_url: str | None, site: str) -> None:
    """Publish the content into a storage account in Azure, and name what has changed."""
    install_packages()
    with step("Content") as note:
        changed = azure.publish(blob_url, site, note)
    for name in changed:
        print(f"Published {name}")


def _supervise(publisher: Publisher, ended: queue.SimpleQueue[Child]) -> None:
    """Publish what changes in `content/`, until stopped; what cannot be published is shown and waits for a better one.

    Raises StepFailed when one of the servers ends.
    """
    with suppress(KeyboardInterrupt):
        while True:
            try:
                child = ended.get(timeout=_WATCH_SECONDS)
                raise StepFailed(f"{child.name} has ended, so everything is stopped. Its last words are above.")
            except queue.Empty:
                pass
            try:
                changed = publisher.publish()
            except (AzureError, OSError):  # a file half saved, Azurite about to end: the next round tells
                continue
            except StepFailed as error:
                print(error, flush=True)
                continue
            for name in changed:
                print(f"Published {name}", flush=True)


def _take_signals() -> None:
    """Make every way to ask for the end a KeyboardInterrupt, but leave a SIGHUP to nohup."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # SIGHUP: the terminal is closed; there is none on Windows
        number = getattr(signal, name, None)
        if number and (name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN):
            signal.signal(number, _interrupt)


def _interrupt(*_: int | FrameType | None) -> None:
    raise KeyboardInterrupt


def _bypass_proxy() -> None:
    """Talk to our servers directly where the environment names a proxy: it cannot reach them."""
    bypassed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = f"{bypassed},127.0.0.1" if bypassed else "127.0.0.1"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py", description="Run, test and measure the app.")
    commands = parser.add_subparsers(dest="command", required=True)
    everything = commands.add_parser("run", help="run everything (the default)")
    but_the_app = commands.add_parser("services", help="run all but the Functions host, for `func start`")
    commands.add_parser("test", help="run all tests; further arguments go to pytest", add_help=False)
    linting = commands.add_parser("lint", help="check the source: style, types and the page's scripts")
    linting.add_argument(
        "checks", nargs="*", type=_check, metavar="CHECK", help=f"{', '.join(lint.CHECKS)}; default: all"
    )
    commands.add_parser("audit-page", help="score the homepage with Lighthouse; exit code 1 below what it has to reach")
    benchmark = commands.add_parser("bench", help="measure, and write benchmarks/results.md")
    benchmark.add_argument("--quick", action="store_true", help="measure a little of each, and write nothing")

    publishing = commands.add_parser("publish", help="publish the content into a storage account in Azure")
    publishing.add_argument(
        "--blob-url",
        type=_https_url,
        metavar="URL",
        help="e.g. https://myaccount.blob.core.windows.net, as whoever is signed in to azd or az; "
        f"default: the connection string in {azure.CONNECTION_STRING}",
    )
    publishing.add_argument(
        "--site",
        type=_https_url,
        metavar="URL",
        help="address of the app, under which social networks look for the page's picture",
    )
    packaging = commands.add_parser("package", help="build the zip archive that is deployed")
    packaging.add_argument(
        "--output", type=Path, default=Path(".local/app.zip"), metavar="FILE", help="default: %(default)s"
    )

    everything.add_argument(
        "--workers", type=int, choices=range(1, 11), default=1, metavar="1-10", help="app processes behind the one port"
    )
    for command, names in ((everything, FLAGS.keys()), (but_the_app, FLAGS.keys() - {"app"})):
        for name in sorted(names):
            default = getattr(Ports(), name)
            command.add_argument(
                FLAGS[name],
                dest=name,
                type=_port,
                default=default,
                metavar="PORT",
                help=f"{name} port; 0 takes a free one (default: {default})",
            )
        command.add_argument("--fresh", action="store_true", help="start without the data of earlier runs")
    return parser


def _check(text: str) -> str:
    if text not in lint.CHECKS:  # `choices` would be asked about the empty list, too
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(lint.CHECKS)}")
    return text


def _https_url(text: str) -> str:
    if not re.fullmatch(r"https://[\w.-]+(:\d+)?(/\w+)?/?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not like https://www.example.com")
    return text.rstrip("/")


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")
    return int(text)
