"""`kit synth`, `kit deploy`, `kit destroy`: the CDK app, run as a process."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.kit.options import LOCAL, confirm, stage_option, yes_option
from scripts.kit.say import progress, say

if TYPE_CHECKING:
    from scripts.local.launcher.layout import Layout

_BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
_DEPLOYED_STAGE = "dev"


@click.command()
@stage_option(_DEPLOYED_STAGE)
@click.option("-o", "--output", default="cdk.out", show_default=True, help="Folder to write to.")
def synth(stage: str, output: str) -> None:
    """Synthesise the stacks of a stage. Needs no account and no network."""
    _require_stage(stage)
    layout = _with_tools(stage)
    run_cdk(layout, ["synth", "-q", "-c", f"stage={stage}", "-o", output])
    click.echo(Path(layout.root, output))
    say(f"Next: kit deploy --stage {stage}")


@click.command()
@stage_option(_DEPLOYED_STAGE)
@yes_option
def deploy(stage: str, yes: bool) -> None:
    """Deploy every stack of a stage to the AWS account you are signed in to."""
    from scripts.kit import account

    _require_aws_stage(stage, instead="kit local up")
    who = account.identity()
    say(f"deploying stage {stage} to account {who['Account']}")
    _require_bootstrap(who["Account"])
    layout = _with_tools(stage)
    approval = "never" if yes else "broadening"
    run_cdk(layout, ["deploy", "--all", "-c", f"stage={stage}", "--require-approval", approval])
    say(f"deployed. Next: kit users add EMAIL --stage {stage}, then kit login --stage {stage}")


@click.command()
@stage_option(_DEPLOYED_STAGE)
@yes_option
def destroy(stage: str, yes: bool) -> None:
    """Delete the API and the models of a stage; data and users are kept."""
    from scripts.kit import account
    from scripts.local.launcher.layout import APP

    _require_aws_stage(stage, instead="kit local reset")
    who = account.identity()
    say(
        f"This deletes the stacks Api and Model-* of stage {stage} in account {who['Account']}."
        " Kept, and still billed by what they hold: Data (table, bucket) and Identity (users)."
    )
    if not confirm("Delete the stacks?", yes=yes, command=f"kit destroy --stage {stage}"):
        say("nothing was deleted")
        return
    # Data and Identity stay as stacks: their tables and users could not be deployed a second time.
    stacks = [f"{APP}-{stage}-Api", f"{APP}-{stage}-Model-*"]
    run_cdk(_with_tools(stage), ["destroy", *stacks, "--force", "-c", f"stage={stage}"])
    say(f"deleted. Next: kit deploy --stage {stage} brings it back")


def _require_aws_stage(stage: str, *, instead: str) -> None:
    from scripts.kit.errors import CommandError

    if stage == LOCAL:
        raise CommandError("the local stage lives in the laptop cloud", next_step=instead)
    _require_stage(stage)


def _require_stage(stage: str) -> None:
    """Refuse a stage without a file in `cdk/stages/`."""
    from scripts.kit.errors import CommandError
    from scripts.local.launcher.layout import ROOT

    known = sorted(path.stem for path in (ROOT / "cdk" / "stages").glob("*.yaml"))
    if stage not in known:
        raise CommandError(
            f"no stage {stage!r}; there are: {', '.join(known)}", next_step="choose one of them"
        )


def _require_bootstrap(account_id: str) -> None:
    """Say what to run when the CDK has never been used in this account and region."""
    from scripts.kit import account
    from scripts.kit.errors import CommandError

    ssm = account.client("ssm")
    try:
        ssm.get_parameter(Name=_BOOTSTRAP_VERSION)
    except ssm.exceptions.ParameterNotFound as error:
        where = f"aws://{account_id}/{ssm.meta.region_name}"
        raise CommandError(
            "this account and region are not prepared for the CDK",
            next_step=f"node_modules/.bin/cdk bootstrap {where}",
        ) from error


def _with_tools(stage: str) -> "Layout":
    from scripts.local.launcher import toolchain
    from scripts.local.launcher.layout import Layout

    layout = Layout.from_env(os.environ)
    with progress() as told:
        toolchain.ensure(layout, told, stage=stage)
    return layout


def run_cdk(layout: "Layout", words: list[str]) -> None:
    """Run the CDK command line with its own output and questions."""
    path = f"{layout.venv_bin}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        [str(layout.cdk), *words],
        cwd=layout.root,
        env={**os.environ, "PATH": path, "CDK_DISABLE_CLI_TELEMETRY": "true"},
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode != 0:
        say(f"error: cdk {words[0]} ended with code {done.returncode}. Next: read the lines above")
        raise SystemExit(1)
