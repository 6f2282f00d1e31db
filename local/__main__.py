"""The commands of dev.py, inside the project's virtual environment."""

from __future__ import annotations

import argparse
import dataclasses
import queue
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType

from azure.core.exceptions import AzureError

from local import chromium
from local.child import Child
from local.node import REPOSITORY, install_packages
from local.progress import StepFailed, step
from local.publish import Publisher
from local.services import FLAGS, Ports, check_ports, functions_host, services

_WATCH_SECONDS = 1.0


def main() -> None:
    options = parse(sys.argv[1:])
    for name in ("SIGTERM", "SIGHUP"):  # SIGHUP: the terminal is closed; there is none on Windows
        if number := getattr(signal, name, None):
            signal.signal(number, _interrupt)
    try:
        if options.command == "test":
            sys.exit(test(options.for_pytest))
        ports = Ports(**{name: getattr(options, name) for name in FLAGS if name in options})
        if options.command == "run":
            run(ports, options.workers, fresh=options.fresh)
        else:
            run_services(ports, fresh=options.fresh)
    except StepFailed as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\nStopped.")


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
    """All tests, or those that the arguments for pytest choose; pytest's exit code."""
    install_packages()
    chromium.install()
    return subprocess.call([sys.executable, "-m", "pytest", *arguments], cwd=REPOSITORY)


def _supervise(publisher: Publisher, ended: queue.SimpleQueue[Child]) -> None:
    """Publish what changes in `content/`, until stopped. Raises StepFailed when one of the servers ends."""
    while True:
        try:
            child = ended.get(timeout=_WATCH_SECONDS)
        except queue.Empty:
            try:
                changed = publisher.publish()
            except (AzureError, OSError):  # a file half saved, Azurite about to end: the next round tells
                continue
            for name in changed:
                print(f"Published {name}", flush=True)
        else:
            raise StepFailed(f"{child.name} has ended by itself, so everything is stopped. Its last words are above.")


def _interrupt(*_: int | FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py", description="Run, test and develop the app.")
    commands = parser.add_subparsers(dest="command", required=True)
    everything = commands.add_parser("run", help="run everything (the default)")
    but_the_app = commands.add_parser("services", help="run all but the Functions host, for `func start`")
    commands.add_parser("test", help="run all tests; further arguments go to pytest", add_help=False)

    everything.add_argument(
        "--workers", type=int, choices=range(1, 11), default=1, metavar="1-10", help="app processes behind the one port"
    )
    for command, names in ((everything, FLAGS.keys()), (but_the_app, FLAGS.keys() - {"app"})):
        for name in sorted(names):
            default = getattr(Ports(), name)
            command.add_argument(
                FLAGS[name],
                dest=name,
                type=int,
                choices=range(65536),
                default=default,
                metavar="PORT",
                help=f"{name} port; 0 takes a free one (default: {default})",
            )
        command.add_argument("--fresh", action="store_true", help="start without the data of earlier runs")
    return parser


if __name__ == "__main__":
    main()
