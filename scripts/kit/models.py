"""`kit models`: the catalogue in `model_configs/`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.kit.options import json_option
from scripts.kit.say import say

if TYPE_CHECKING:
    from lambdas.core.catalogue import ModelEntry

_COLUMNS = ("ID", "TASK", "LICENCE", "CONTEXT", "INSTANCE", "LOCAL")


@click.group()
def models() -> None:
    """Look at the model catalogue, and check it."""


@models.command("ls")
@json_option
def list_models(as_json: bool) -> None:
    """List the models of the catalogue."""
    from lambdas.core.catalogue import load_catalogue

    entries = list(load_catalogue().values())
    if as_json:
        click.echo(json.dumps([described(entry) for entry in entries], indent=2))
        return
    click.echo(table([_COLUMNS, *(row(entry) for entry in entries)]))
    say("Next: kit models show ID")


@models.command("show")
@click.argument("model_id", metavar="ID")
@json_option
def show_model(model_id: str, as_json: bool) -> None:
    """Print everything the catalogue knows of one model."""
    import yaml

    from lambdas.core.catalogue import load_catalogue, pick

    fields = described(pick(load_catalogue(), model_id))
    if as_json:
        click.echo(json.dumps(fields, indent=2))
    else:
        click.echo(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True), nl=False)


@models.command("check")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def check_models(files: tuple[Path, ...], as_json: bool) -> None:
    """Validate FILES, or every file of the catalogue; one line each."""
    from lambdas.core.catalogue import MODEL_CONFIGS

    checked = {path: fault_of(path) for path in files or sorted(MODEL_CONFIGS.glob("*.yaml"))}
    if as_json:
        results = [{"file": path.name, "fault": fault} for path, fault in checked.items()]
        click.echo(json.dumps(results, indent=2))
    else:
        for path, fault in checked.items():
            click.echo(f"bad  {fault}" if fault else f"ok   {path.name}")
    if any(checked.values()):
        say("Next: mend the files marked bad, then kit models check")
        raise SystemExit(1)


def fault_of(path: Path) -> str | None:
    """What is wrong with a catalogue file, in one line; None when it is good."""
    from lambdas.core.catalogue import load_entry
    from lambdas.core.errors import ConfigurationError

    try:
        load_entry(path)
    except ConfigurationError as error:
        return str(error)
    return None


def described(entry: "ModelEntry") -> dict[str, object]:
    """The entry as its file says it, and whether it runs on a laptop."""
    return {**entry.model_dump(mode="json"), "runs_locally": entry.local is not None}


def row(entry: "ModelEntry") -> tuple[str, ...]:
    return (
        entry.id,
        entry.task,
        entry.licence.name,
        str(entry.context_tokens),
        entry.instances[0].type,
        "yes" if entry.local else "no",
    )


def table(rows: list[tuple[str, ...]]) -> str:
    """Align columns by their longest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, cells, widths)).rstrip() for cells in rows)
    return "\n".join(lines)
