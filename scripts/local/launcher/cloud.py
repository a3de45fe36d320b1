"""The laptop cloud as a whole: up, down, reset; one of them at a time."""

import shutil
from dataclasses import dataclass

from scripts.local.launcher import (
    assembly,
    demo_user,
    deployment,
    fingerprint,
    outputs,
    preflight,
    services,
    toolchain,
)
from scripts.local.launcher.assembly import Assembly
from scripts.local.launcher.layout import Layout
from scripts.local.launcher.locking import alone
from scripts.local.launcher.progress import Progress


@dataclass(frozen=True)
class Access:
    """What a client needs: where the API is, and a token of the demo user."""

    base_url: str
    token: str
    model: str


def up(layout: Layout, progress: Progress, *, enforce_iam: bool = False) -> Access:
    """Bring everything up: tools, stacks, processes, code, first user. Repeating it mends.

    While the emulator enforces policies, the stock CDK command line is refused its own asset
    bucket: so with `enforce_iam` it deploys first, and is started again enforcing.
    """
    with alone(layout.local_dir / "lock"):
        preflight.check_machine(layout.local_dir)
        services.check_ports(layout)
        toolchain.ensure(layout, progress)
        made = assembly.ensure(layout, progress)
        _start_for(layout, made, progress, enforce_iam=enforce_iam)
        deployment.ensure(layout, made, fingerprint.code(layout.root), progress)
        found = outputs.write(layout)
        token = demo_user.ensure(layout, found)
        if enforce_iam:
            services.ensure_running(layout, progress, enforce_iam=True)
    return Access(found["base_url"], token, found["model"])


def _start_for(layout: Layout, made: Assembly, progress: Progress, *, enforce_iam: bool) -> None:
    """Start the processes; enforcing only if they do so already and nothing is to be deployed."""
    enforcing = enforce_iam and services.emulator(layout, enforce_iam=True).is_current()
    services.ensure_running(layout, progress, enforce_iam=enforcing)
    if enforcing and not deployment.is_current(layout, made):
        services.ensure_running(layout, progress)


def access(layout: Layout) -> Access:
    """Sign the demo user in to a laptop cloud that is up."""
    found = outputs.read(layout)
    return Access(found["base_url"], demo_user.token(layout, found), found["model"])


def down(layout: Layout, progress: Progress) -> bool:
    """Stop the processes and keep the state. True if anything was running."""
    with alone(layout.local_dir / "lock"):
        return services.stop(layout, progress)


def reset(layout: Layout, progress: Progress) -> None:
    """Stop the processes and remove all state; the synthesised stacks are kept."""
    with alone(layout.local_dir / "lock"):
        services.stop(layout, progress)
        shutil.rmtree(layout.state, ignore_errors=True)
        for path in (layout.outputs, layout.demo_password):
            path.unlink(missing_ok=True)
