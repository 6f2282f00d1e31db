"""The commands of dev.py, in the project's virtual environment.

`publish` and `package` run with the packages of requirements-publish.txt, `run` and `services` with those of
requirements-run.txt. A module that needs more is imported by the command that uses it.
"""

from __future__ import annotations

import argparse
import dataclasses
import ipaddress
import logging
import os
import queue
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NoReturn
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError

from local import REPOSITORY, compatibility, health, lint
from local.environment.ports import FLAGS, LOOPBACK, Ports, check_ports
from local.node import install_packages, install_publishing_packages
from local.processes.child import Child
from local.processes.program import main_program
from local.progress import StepFailed, step
from local.publishing import azure, dependencies, package
from local.publishing.content import read_folder
from local.publishing.publisher import assets
from signin.website.blobs import MB
from signin.website.representation import DEFAULT_MAX_FILE_MB

if TYPE_CHECKING:  # what a deployment lacks
    from local.environment.services import Services

_WATCH_SECONDS = 1.0
_MOST_TEST_PROCESSES = 4
# A file in one process, in the order of the folders: xdist would begin with the files that have most tests. Those are
# the quick ones, so one process would end long after the others.
_DISTRIBUTION = ("--dist=loadfile", "--no-loadscope-reorder")


def main() -> None:
    options = parse(sys.argv[1:])
    _bypass_proxy()
    logging.getLogger("azure").addHandler(logging.NullHandler())  # errors are raised; the SDK also logs each attempt
    with main_program():
        match options.command:
            case "test":
                test(options.pytest_arguments)
            case "lint":
                sys.exit(run_lint(options.checks))
            case "bench":
                bench(quick=options.quick)
            case "audit-page":
                from local.browser.page_audit import audit_page

                sys.exit(0 if audit_page() else 1)
            case "publish" if options.prepare:
                prepare_to_publish()
            case "publish":
                publish(options.blob_url, options.site or "")
            case "wait":
                sys.exit(health.wait(options.site))
            case "package":
                build_package(options.output, options.python)
            case "run":
                run(_ports(options), options.workers, fresh=options.fresh, lan=options.lan)
            case "services":
                run_services(_ports(options), fresh=options.fresh, lan=options.lan)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command and its options; exits with a message if they are invalid."""
    if arguments[:1] == ["test"]:  # all further arguments are for pytest, also --help
        return argparse.Namespace(command="test", pytest_arguments=arguments[1:])
    if arguments[:1] == ["wait"]:  # dev.py parses them too, without this module
        return health.parse(arguments[1:])
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        arguments = ["run", *arguments]
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "package":
        if options.python and not options.with_dependencies:
            parser.error("--python is only for --with-dependencies")
        if options.with_dependencies:
            options.python = options.python or dependencies.DEFAULT_PYTHON
    return options


def run(ports: Ports, workers: int, *, fresh: bool, lan: str | Literal[True] | None) -> None:
    """Run the services and the app until stopped. With `lan`, phones in the network reach them."""
    from local.emulators import azurite
    from local.environment.services import functions_host, services

    address = _lan_address(lan)
    check_ports(dataclasses.asdict(ports), address)
    install_publishing_packages()
    azurite.install()
    ended: queue.SimpleQueue[Child] = queue.SimpleQueue()
    with ExitStack() as stack:
        running = stack.enter_context(services(ports, fresh=fresh, lan=address, on_end=ended.put))
        with step("Functions app"):
            host = functions_host(running.settings, ports.app, workers, on_end=ended.put, lan=address)
            stack.callback(host.stop)
            (url,) = host.wait_until_ready()
        with suppress(KeyboardInterrupt):
            if address:
                print(f"Ready: http://{address}:{urlsplit(url).port}/")
                print(f"On this machine also {url}/, whose QR code is of no use to phones.")
                _warn_of_network(address)
            else:
                print(f"Ready: {url}/", flush=True)
            _report_hidden_folders()
            _supervise(running, ended)
    print("\nStopped.", flush=True)


def run_services(ports: Ports, *, fresh: bool, lan: str | Literal[True] | None) -> None:
    """Run everything but the app, for `func start`, until stopped."""
    from local.emulators import azurite
    from local.environment.services import services

    address = _lan_address(lan)
    check_ports({name: port for name, port in dataclasses.asdict(ports).items() if name != "app"}, address)
    install_publishing_packages()
    azurite.install()
    ended: queue.SimpleQueue[Child] = queue.SimpleQueue()
    with services(ports, fresh=fresh, lan=address, on_end=ended.put) as running, suppress(KeyboardInterrupt):
        print("Ready for `func start` with a copy of local.settings.json.example and these values:")
        for name, value in running.settings.items():
            print(f"  {name}={value}")
        if address:
            _warn_of_network(address)
        sys.stdout.flush()
        _supervise(running, ended)
    print("\nStopped.", flush=True)


def test(arguments: Sequence[str]) -> NoReturn:
    """Continue as pytest: with all tests, in up to four processes, or with other arguments.

    Tests wait a third of their time, so there is a process more than there are processors. In this process `--cov`
    would miss what is imported already.
    """
    from local.browser import chromium, firefox
    from local.emulators import azurite

    install_packages()
    azurite.install()
    compatibility.install()
    chromium.install()
    firefox.install()
    processes = min((os.cpu_count() or 1) + 1, _MOST_TEST_PROCESSES)
    _continue_as("pytest", *(arguments or (f"--numprocesses={processes}", *_DISTRIBUTION)))


def run_lint(checks: Sequence[str]) -> int:
    """Run the static checks with these names, or all. Returns the exit code: 1 if a check fails."""
    install_packages()
    compatibility.install()
    failed = lint.lint(checks)
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return 1 if failed else 0


def bench(*, quick: bool) -> NoReturn:
    """Continue as `python -m benchmarks`, which imports this package and the app."""
    from local.emulators import azurite

    install_packages()
    azurite.install()
    _continue_as("benchmarks", *(["--quick"] if quick else []))


def prepare_to_publish() -> None:
    """Install what `publish` needs and bundle the content, so that both fail before Azure has been changed."""
    install_publishing_packages()
    with step("Bundles"):
        assets()


def publish(blob_url: str | None, site: str) -> None:
    """Publish the content into a storage account in Azure, and print the names of the changed blobs."""
    install_publishing_packages()
    with step("Content") as note:
        changed = azure.publish(blob_url, site, note if sys.stdout.isatty() else print)
    _report(changed)
    for line in read_folder(REPOSITORY / "content").refused:
        print(line)


def build_package(output: Path, python: str | None) -> None:
    """Build the zip archive that is deployed and print its path; with dependencies for a Python version if given."""
    if python is None:
        package.build(output)
    else:
        with tempfile.TemporaryDirectory() as folder:
            packages = Path(folder) / "packages"
            with step(f"Dependencies for {python}") as note:
                dependencies.install(python, packages, note)
            package.build(output, packages)
    print(output)


def _continue_as(module: str, *arguments: str) -> NoReturn:
    """Replace this program by `python -m module`."""
    command = [sys.executable, "-m", module, *arguments]
    if os.name == "nt":  # exec would return the console to the shell while the program still runs
        sys.exit(subprocess.call(command))
    os.execv(sys.executable, command)


def _ports(options: argparse.Namespace) -> Ports:
    return Ports(**{name: getattr(options, name) for name in FLAGS if name in options})


def _lan_address(option: str | Literal[True] | None) -> str:
    """The address for phones: "" without the option --lan, else the given one or that of the default route."""
    from local.environment.lan import lan_address

    return lan_address() if option is True else option or ""


def _warn_of_network(address: str) -> None:
    print(
        f"Warning: all devices in the network of {address} can open the page, and their visits count. If a phone "
        "cannot, allow Python in the firewall of this machine; some guest networks keep devices apart.",
        flush=True,
    )


def _supervise(running: Services, ended: queue.SimpleQueue[Child]) -> None:
    """Publish changes of `content/` until KeyboardInterrupt. A change that cannot be bundled is reported and skipped.

    Reports each file that cannot be published, and once if Azurite cannot save its data. Raises StepFailed when one of
    the servers ends.
    """
    reported: str | None = None
    refused: Sequence[str] = ()
    while True:
        try:
            child = ended.get(timeout=_WATCH_SECONDS)
            raise StepFailed(f"{child.name} has ended, so everything is stopped. Its last output is above.")
        except queue.Empty:
            pass
        refused, before = running.publisher.refused, refused
        for line in refused:
            if line not in before:
                print(line, flush=True)
        if (save_error := running.data.save_error()) != reported:
            reported = save_error
            print(save_error or "The latest visits are saved again.", flush=True)
        try:
            changed = running.publisher.publish()
        except (AzureError, OSError):  # a half-saved file, or Azurite is ending: try again in the next round
            continue
        except StepFailed as error:
            print(error, flush=True)
            continue
        _report(changed)


def _report(changed: Sequence[str]) -> None:
    """Print the names of the changed blobs, and which of them the app serves in parts only."""
    for name in changed:
        print(f"Published {name}", flush=True)
        path = REPOSITORY / "content" / name
        if path.is_file() and path.stat().st_size > DEFAULT_MAX_FILE_MB * MB:
            print(f"  It is served in parts only, unless the app's setting MaxFileMB is above {DEFAULT_MAX_FILE_MB}.")


def _report_hidden_folders() -> None:
    """Print the folders of `content/` that a room of the app hides."""
    from signin.settings import SettingsError, rooms_from

    with suppress(SettingsError):  # the app has logged it
        for room in rooms_from(os.environ):
            if room and (REPOSITORY / "content" / room).is_dir():
                print(f"content/{room}/ cannot be reached: the setting Rooms has a room of this name.", flush=True)


def _bypass_proxy() -> None:
    """Connect to the local servers directly: a proxy that the environment names cannot reach them."""
    bypassed = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = f"{bypassed},127.0.0.1" if bypassed else "127.0.0.1"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dev.py", description="Run, test and measure the app.")
    commands = parser.add_subparsers(dest="command", required=True)
    everything = commands.add_parser("run", help="run everything (the default)")
    services_only = commands.add_parser("services", help="run everything but the app, for `func start`")
    commands.add_parser("test", help="run all tests; further arguments go to pytest", add_help=False)
    linting = commands.add_parser("lint", help="check the source: style, types and the page's scripts")
    linting.add_argument(
        "checks", nargs="*", type=_check, metavar="CHECK", help=f"{', '.join(lint.CHECKS)}; default: all"
    )
    commands.add_parser("audit-page", help="score the homepage with Lighthouse; exit code 1 if a score is too low")
    benchmark = commands.add_parser("bench", help="measure, and write benchmarks/results.md")
    benchmark.add_argument("--quick", action="store_true", help="measure a little of each, and write nothing")

    publishing = commands.add_parser("publish", help="publish the content into a storage account in Azure")
    publishing.add_argument(
        "--blob-url",
        type=_https_url,
        metavar="URL",
        help="e.g. https://myaccount.blob.core.windows.net, with the identity that is signed in to azd or az; "
        f"default: the connection string in {azure.CONNECTION_STRING}",
    )
    publishing.add_argument(
        "--site",
        type=_https_url,
        metavar="URL",
        help="public address of the app, which social networks need for the page's picture",
    )
    publishing.add_argument(
        "--prepare", action="store_true", help="install what publishing needs and bundle the content; publish nothing"
    )
    commands.add_parser("wait", help=health.HELP, add_help=False)
    packaging = commands.add_parser("package", help="build the zip archive that is deployed")
    packaging.add_argument(
        "--with-dependencies",
        action="store_true",
        help="include the packages of requirements.txt, for a deployment without a remote build",
    )
    packaging.add_argument(
        "--python",
        choices=dependencies.PYTHONS,
        metavar="VERSION",
        help="the app's Python in Azure, for --with-dependencies: "
        f"{', '.join(dependencies.PYTHONS)}; default: {dependencies.DEFAULT_PYTHON}",
    )
    packaging.add_argument(
        "--output", type=Path, default=Path(".local/app.zip"), metavar="FILE", help="default: %(default)s"
    )

    everything.add_argument(
        "--workers", type=int, choices=range(1, 11), default=1, metavar="1-10", help="app processes behind the one port"
    )
    for command, names in ((everything, FLAGS.keys()), (services_only, FLAGS.keys() - {"app"})):
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
        command.add_argument(
            "--lan",
            nargs="?",
            const=True,
            type=_ipv4_address,
            metavar="ADDRESS",
            help="let phones in the same network reach the page; ADDRESS is that of this machine in the network, "
            "by default that of the default route",
        )
        command.add_argument("--fresh", action="store_true", help="start without the data of earlier runs")
    return parser


def _check(text: str) -> str:
    if text not in lint.CHECKS:  # argparse would check the empty list against `choices` too
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(lint.CHECKS)}")
    return text


def _https_url(text: str) -> str:
    if not re.fullmatch(r"https://[\w.-]+(:\d+)?(/\w+)?/?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not like https://www.example.com")
    return text.rstrip("/")


def _ipv4_address(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        address = ipaddress.IPv4Address(0)
    if address.is_unspecified or str(address) == LOOPBACK:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address in a network, such as 192.168.1.5")
    return str(address)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 65535")
    return int(text)
