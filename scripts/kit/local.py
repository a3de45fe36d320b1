"""`kit local`: the laptop cloud."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from scripts.kit.options import confirm, json_option, yes_option
from scripts.kit.say import progress, say

if TYPE_CHECKING:
    from scripts.local.launcher.cloud import Access
    from scripts.local.launcher.layout import Layout
    from scripts.local.launcher.services import ServiceStatus


@click.group()
def local() -> None:
    """Run the whole application on this machine, without an AWS account."""


@local.command()
@click.option("--enforce-iam", is_flag=True, help="Refuse functions what their roles do not allow.")
@click.option("--watch", is_flag=True, help="Stay, and ship changed code to the functions.")
@click.option("--quiet", is_flag=True, help="Do not print what to paste.")
@json_option
def up(enforce_iam: bool, watch: bool, quiet: bool, as_json: bool) -> None:
    """Start it, deploy to it, and print what to paste. Repeating this mends what is broken."""
    from scripts.kit import paste
    from scripts.local.launcher import cloud, watcher

    layout = _layout()
    with progress() as told:
        access = cloud.up(layout, told, enforce_iam=enforce_iam)
    if as_json:
        click.echo(json.dumps(_fields(access)))
    elif not quiet:
        say(paste.text(access))
    if watch:
        say("watching lambdas/ and model_configs/; Ctrl-C ends the watching, not the cloud")
        watcher.watch(layout, say)


@local.command()
def down() -> None:
    """Stop it; the state is kept."""
    from scripts.local.launcher import cloud

    with progress() as told:
        stopped = cloud.down(_layout(), told)
    say("stopped; the state is kept. Next: kit local up" if stopped else "nothing was running")


@local.command()
@click.option(
    "-o", "--output", type=click.Choice(["env", "json", "paste"]), help="What else to print."
)
def status(output: str | None) -> None:
    """Show what runs; with -o env, print variables for any OpenAI client.

    Use it as: eval "$(kit local status -o env)"
    """
    from scripts.kit import paste
    from scripts.kit.errors import CommandError
    from scripts.local.launcher import cloud, services

    found = services.status(_layout())
    access = cloud.access(_layout()) if all(service.healthy for service in found) else None
    if output == "json":
        click.echo(json.dumps({"services": [asdict(s) for s in found], **_fields(access)}))
    elif output == "env" and access:
        click.echo(f"export OPENAI_BASE_URL={access.base_url} OPENAI_API_KEY={access.token}")
    elif output == "paste" and access:
        click.echo(paste.text(access))
    elif output in {"env", "paste"}:
        raise CommandError("the laptop cloud is not running", next_step="kit local up")
    else:
        for service in found:
            click.echo(described(service))
        say('Next: eval "$(kit local status -o env)"' if access else "Next: kit local up")


@local.command()
@click.argument(
    "name", type=click.Choice(["emulator", "sagemaker", "model", "functions"]), default="emulator"
)
@click.option("-f", "--follow", is_flag=True, help="Keep printing what is added.")
def logs(name: str, follow: bool) -> None:
    """Print a log: of a process, of the model server, or of the functions."""
    from scripts.local.launcher import logs as launcher_logs

    for line in launcher_logs.lines(_layout(), name, follow=follow):
        click.echo(line)


@local.command()
@yes_option
def reset(yes: bool) -> None:
    """Stop it and remove everything that is stored in it."""
    from scripts.local.launcher import cloud

    question = "Remove every session, user and file of the laptop cloud?"
    if not confirm(question, yes=yes, command="kit local reset"):
        say("nothing was removed")
        return
    with progress() as told:
        cloud.reset(_layout(), told)
    say("removed. Next: kit local up")


def described(service: "ServiceStatus") -> str:
    if service.pid is None:
        return f"{service.name:<10} stopped"
    state = "running" if service.healthy else "does not answer"
    return f"{service.name:<10} {state:<16} pid {service.pid:<8} log {service.log_file}"


def _layout() -> "Layout":
    import os

    from scripts.local.launcher.layout import Layout

    return Layout.from_env(os.environ)


def _fields(access: "Access | None") -> dict[str, str]:
    if access is None:
        return {}
    return {"base_url": access.base_url, "api_key": access.token, "model": access.model}
