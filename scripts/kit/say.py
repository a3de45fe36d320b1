"""What the command line tells people: on standard error, live in a terminal, else plain lines."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from rich.status import Status


class Progress(Protocol):
    def step(self, text: str) -> None: ...

    def detail(self, text: str) -> None: ...


class Lines:
    """One line for each step; details are for those who watch."""

    def step(self, text: str) -> None:
        say(text)

    def detail(self, text: str) -> None:
        pass


class Live:
    """The present step with a spinner and its latest detail; steps that are over stay as lines."""

    def __init__(self, status: "Status") -> None:
        self._status = status
        self._step = ""

    def step(self, text: str) -> None:
        if self._step:
            self._status.console.print(f"[dim]✓ {_plain(self._step)}[/]")
        self._step = text
        self._status.update(_plain(text))

    def detail(self, text: str) -> None:
        if text:
            self._status.update(f"{_plain(self._step)} [dim]{_plain(text)[:70]}[/]")


@contextmanager
def progress() -> Iterator[Progress]:
    """Show what goes on inside the block."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console

    with Console(stderr=True, highlight=False).status("") as status:
        yield Live(status)


def say(text: str = "") -> None:
    """Print one line of talk."""
    click.echo(text, err=True)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
