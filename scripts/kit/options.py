"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

LOCAL = "local"

Command = Callable[..., Any]


def stage_option(default: str = LOCAL) -> Callable[[Command], Command]:
    return click.option(
        "--stage", default=default, show_default=True, help="local, dev or prod: what to talk to."
    )


def json_option(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")(
        command
    )


def yes_option(command: Command) -> Command:
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


def confirm(question: str, *, yes: bool, command: str) -> bool:
    """Ask unless `yes`; where nobody can answer, refuse.

    Raises:
        CommandError: standard input is not a terminal.
    """
    import sys

    from scripts.kit.errors import CommandError

    if yes:
        return True
    if not sys.stdin.isatty():
        raise CommandError("this asks first, and nobody is there", next_step=f"{command} --yes")
    return click.confirm(question, err=True)
