"""Run by the Azure CLI's own Python: let its argument parser judge commands, without running any.

Reads a JSON list of commands, each a list of arguments without `az`, from standard input, and writes a list with null
for each that is accepted, and with what the CLI says of each other.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

from azure.cli.core import get_default_cli
from knack.events import EVENT_INVOKER_POST_PARSE_ARGS


class Accepted(Exception):
    """The arguments are parsed; what would follow is the command itself."""


def accept(*_: object, **__: object) -> None:
    raise Accepted


def problem_of(arguments: list[str]) -> str | None:
    cli = get_default_cli()
    cli.register_event(EVENT_INVOKER_POST_PARSE_ARGS, accept)
    invocation: Any = cli.invocation_cls(
        cli_ctx=cli, parser_cls=cli.parser_cls, commands_loader_cls=cli.commands_loader_cls, help_cls=cli.help_cls
    )
    cli.invocation = invocation
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(complaint):
            invocation.execute(arguments)
    except Accepted:
        return None
    except SystemExit:
        pass
    return complaint.getvalue() or "it printed nothing"


if __name__ == "__main__":
    json.dump([problem_of(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
