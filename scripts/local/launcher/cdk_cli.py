"""Runs the stock CDK command line, with a time limit that ends it and everything it started."""

import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.local.launcher.errors import LauncherError
from scripts.local.launcher.layout import Layout
from scripts.local.launcher.processes import Noted, end_group
from scripts.local.launcher.progress import Progress

_KEPT_LINES = 25
_GRACE_S = 5


def noted(layout: Layout) -> Noted:
    """Where a run of the CLI of this checkout notes its pid."""
    return Noted("cdk", (str(layout.cdk),), layout.local_dir)


class CdkFailedError(LauncherError):
    """It ended with an error, or not in time."""


def run(
    argv: Sequence[str],
    *,
    noted: Noted,
    cwd: Path,
    env: Mapping[str, str],
    log_file: Path,
    timeout_s: float,
    progress: Progress,
) -> None:
    """Run the CLI; its lines are kept in `log_file` and told as details.

    An earlier run that outlived its launcher is ended first.

    Raises:
        CdkFailedError: with the last lines, if it fails or takes too long.
    """
    noted.stop(grace_s=_GRACE_S)
    started = subprocess.Popen(
        noted.noting(argv),
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with started as process, _Limit(process.pid, timeout_s) as limit:
        told = _relay(process, log_file, progress)
        code = process.wait()
    noted.pid_file.unlink(missing_ok=True)
    if code != 0:
        why = f"took longer than {timeout_s:.0f} s" if limit.exceeded else f"ended with code {code}"
        raise CdkFailedError(
            f"`cdk {argv[1]}` {why}:\n{told}\n", next_step=f"read {log_file}, then kit local up"
        )


class _Limit:
    """Ends a process group when the time is over, or when the block is left by an error."""

    def __init__(self, leader: int, timeout_s: float) -> None:
        self._leader = leader
        self._timer = threading.Timer(timeout_s, self._end)
        self._timer.daemon = True
        self.exceeded = False

    def __enter__(self) -> "_Limit":
        self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if kind is not None:
            end_group(self._leader, grace_s=_GRACE_S)

    def _end(self) -> None:
        self.exceeded = True
        end_group(self._leader, grace_s=_GRACE_S)


def _relay(process: "subprocess.Popen[str]", log_file: Path, progress: Progress) -> str:
    """Pass the lines on until the output ends; the last ones are returned."""
    last: deque[str] = deque(maxlen=_KEPT_LINES)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("w") as log:
        for line in process.stdout or ():
            log.write(line)
            last.append(line.rstrip())
            progress.detail(line.strip())
    return "\n".join(line for line in last if line)
