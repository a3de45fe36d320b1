import resource
import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner, Result

from lambdas.core.errors import NotFoundError
from scripts.kit.main import KitGroup, cli

HELP_CPU_S = 0.5


def run(command: Callable[[], None]) -> Result:
    """Run a command of a group that is made like ours."""
    group = KitGroup("kit", commands={"it": click.command("it")(command)})
    return CliRunner().invoke(group, ["it"])


def test_an_error_of_ours_is_one_line_and_code_1() -> None:
    def fail() -> None:
        raise NotFoundError("no model 'x'. Next: kit models ls")

    result = run(fail)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: no model 'x'. Next: kit models ls\n"


def test_notes_of_an_error_are_shown_below_it() -> None:
    def fail() -> None:
        error = NotFoundError("no")
        error.add_note("ERROR from the emulator")
        raise error

    assert run(fail).stderr == "error: no\nERROR from the emulator\n"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, click.Abort])
def test_an_interruption_is_code_130(interruption: type[BaseException]) -> None:
    def fail() -> None:
        raise interruption

    assert run(fail).exit_code == 130


def test_an_unknown_error_keeps_its_trace() -> None:
    def fail() -> None:
        raise ZeroDivisionError("a bug")

    assert isinstance(run(fail).exception, ZeroDivisionError)


@pytest.mark.parametrize("words", [["nix"], ["models", "ls", "--nix"], ["models", "show"]])
def test_a_usage_error_is_code_2(words: list[str]) -> None:
    assert CliRunner().invoke(cli, words).exit_code == 2


def test_every_command_has_help() -> None:
    for words in every_command(cli, []):
        result = CliRunner().invoke(cli, [*words, "--help"])
        assert result.exit_code == 0, words
        assert len(result.stdout.splitlines()) > 4, words


def test_help_imports_click_and_nothing_else_from_outside() -> None:
    code = (
        "import sys; before = set(sys.modules); from scripts.kit.main import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - set(sys.stdlib_module_names)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "['click', 'lambdas', 'scripts']\n"


def test_help_takes_less_than_half_a_second_of_the_processor() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "scripts.kit.main", "--help"], check=True, capture_output=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used < HELP_CPU_S


def every_command(group: click.Group, words: list[str]) -> list[list[str]]:
    found = [words]
    for name, command in group.commands.items():
        path = [*words, name]
        found += every_command(command, path) if isinstance(command, click.Group) else [path]
    return found
