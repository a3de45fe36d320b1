"""The cloud assembly of the local stage: synthesised only when what it is made from has changed."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.local.launcher import cdk_cli, environment, fingerprint
from scripts.local.launcher.layout import STAGE, Layout, machine
from scripts.local.launcher.progress import Progress

_TIMEOUT_S = 600


@dataclass(frozen=True)
class Assembly:
    """What was synthesised: the hashes of its sources and of the functions' code."""

    infrastructure: str
    code: str


def ensure(layout: Layout, progress: Progress) -> Assembly:
    """Return the assembly in `layout.assembly`, synthesised anew if it is missing or old."""
    infrastructure = wanted(layout)
    found = read(layout)
    if found is not None and found.infrastructure == infrastructure:
        return found
    progress.step("synthesising the stacks (only when the infrastructure has changed)")
    _note(layout).unlink(missing_ok=True)
    made = Assembly(infrastructure, fingerprint.code(layout.root))
    synthesise(layout, progress)
    _note(layout).write_text(json.dumps(asdict(made)))
    return made


def wanted(layout: Layout) -> str:
    """The hash that an assembly of this checkout, on this machine, has."""
    return fingerprint.infrastructure(layout.root, machine(), STAGE)


def read(layout: Layout) -> Assembly | None:
    """What was synthesised last, if it was finished."""
    if not (layout.assembly / "manifest.json").exists() or not _note(layout).exists():
        return None
    return Assembly(**json.loads(_note(layout).read_text()))


def synthesise(layout: Layout, progress: Progress) -> None:
    cdk_cli.run(
        [str(layout.cdk), "synth", "-q", "-c", f"stage={STAGE}", "-o", str(layout.assembly)],
        noted=cdk_cli.noted(layout),
        cwd=layout.root,
        env=environment.of_cdk(os.environ, layout),
        log_file=layout.logs / "synth.log",
        timeout_s=_TIMEOUT_S,
        progress=progress,
    )


def _note(layout: Layout) -> Path:
    return layout.local_dir / "assembly.json"
