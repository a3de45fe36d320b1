"""Brings the emulator's account to the assembly: bootstrap, deploy, then new code of functions.

What was deployed is noted in the emulator itself. So when it comes back from an older
snapshot the note is as old as the rest, and the stacks are deployed again.
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.local.launcher import aws, cdk_cli, environment, function_code
from scripts.local.launcher.assembly import Assembly
from scripts.local.launcher.cdk_cli import CdkFailedError
from scripts.local.launcher.layout import ACCOUNT, APP, REGION, STAGE, Layout
from scripts.local.launcher.progress import Progress

NOTE = f"/{APP}/{STAGE}/deployed"
_BOOTSTRAP_VERSION = "/cdk-bootstrap/hnb659fds/version"
_TIMEOUT_S = 600
_SHOWN_ERRORS = 10


def ensure(layout: Layout, assembly: Assembly, code: str, progress: Progress) -> None:
    """Deploy what is not deployed yet; nothing when the emulator has it all."""
    ssm = aws.client(layout.endpoint_url, "ssm")
    deployed = read(ssm)
    if deployed is None or deployed.infrastructure != assembly.infrastructure:
        _deploy(layout, ssm, progress)
        deployed = assembly
        _write(ssm, deployed)
    if deployed.code != code:
        progress.step("updating the code of the functions")
        function_code.update(layout)
        _write(ssm, Assembly(deployed.infrastructure, code))


def is_current(layout: Layout, assembly: Assembly) -> bool:
    """Whether the stacks of this assembly are deployed; the functions' code may be older."""
    deployed = read(aws.client(layout.endpoint_url, "ssm"))
    return deployed is not None and deployed.infrastructure == assembly.infrastructure


def read(ssm: Any) -> Assembly | None:
    text = parameter(ssm, NOTE)
    return None if text is None else Assembly(**json.loads(text))


def parameter(ssm: Any, name: str) -> str | None:
    try:
        value = ssm.get_parameter(Name=name)["Parameter"]["Value"]
    except ssm.exceptions.ParameterNotFound:
        return None
    return str(value)


def _write(ssm: Any, deployed: Assembly) -> None:
    ssm.put_parameter(Name=NOTE, Value=json.dumps(asdict(deployed)), Type="String", Overwrite=True)


def _deploy(layout: Layout, ssm: Any, progress: Progress) -> None:
    app = ["--app", str(layout.assembly), "--no-notices"]
    if parameter(ssm, _BOOTSTRAP_VERSION) is None:
        progress.step("bootstrapping the emulator's account")
        _cdk(layout, ["bootstrap", f"aws://{ACCOUNT}/{REGION}", *app], progress)
    progress.step("deploying the stacks")
    options = ["--all", "--require-approval", "never", "--concurrency", "4", "--progress", "events"]
    _cdk(layout, ["deploy", *options, *app, "--outputs-file", str(outputs_file(layout))], progress)


def outputs_file(layout: Layout) -> Path:
    return layout.local_dir / "stack-outputs.json"


def _cdk(layout: Layout, words: list[str], progress: Progress) -> None:
    try:
        cdk_cli.run(
            [str(layout.cdk), *words],
            noted=cdk_cli.noted(layout),
            cwd=layout.local_dir,
            env=environment.of_cdk(os.environ, layout),
            log_file=layout.logs / f"{words[0]}.log",
            timeout_s=_TIMEOUT_S,
            progress=progress,
        )
    except CdkFailedError as error:
        for line in error_lines(layout.logs / "emulator.log"):
            error.add_note(line)
        raise


def error_lines(log_file: Path) -> list[str]:
    """The last lines that a log marks as errors."""
    if not log_file.exists():
        return []
    lines = log_file.read_text(errors="replace").splitlines()
    return [line for line in lines if "ERROR" in line][-_SHOWN_ERRORS:]
