"""Check commands with the Azure CLI's own argument parser, without running them. The CLI's own Python runs this.

Reads a JSON list of commands from standard input, each a list of arguments without `az`, and writes a list with null
for each accepted command and the CLI's error message for each other one.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

from azure.cli.core import get_default_cli
from knack.events import EVENT_INVOKER_POST_PARSE_ARGS
from knack.util import CLIError


class Accepted(Exception):
    """The arguments are valid. Raised so that the command itself does not run."""


def accept(*_: object, **__: object) -> None:
    raise Accepted


def error_of(arguments: list[str]) -> str | None:
    cli = get_default_cli()
    cli.register_event(EVENT_INVOKER_POST_PARSE_ARGS, accept)
    invocation: Any = cli.invocation_cls(
        cli_ctx=cli, parser_cls=cli.parser_cls, commands_loader_cls=cli.commands_loader_cls, help_cls=cli.help_cls
    )
    cli.invocation = invocation
    message = io.StringIO()
    try:
        with contextlib.redirect_stderr(message), contextlib.redirect_stdout(message):
            invocation.execute(arguments)
    except Accepted:
        return None
    except SystemExit:
        pass
    except CLIError as error:  # a combination of arguments that is checked after the parser
        return str(error)
    return message.getvalue() or "no message"


if __name__ == "__main__":
    json.dump([error_of(arguments) for arguments in json.load(sys.stdin)], sys.stdout)
