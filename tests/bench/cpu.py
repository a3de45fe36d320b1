"""CPU time of other processes."""

import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path


def of_process_ms(pid: int) -> float:
    """What a running process has used so far, all its threads together (Linux).

    The kernel makes a clock of every process: see clock_getcpuclockid(3).
    """
    return time.clock_gettime(~pid << 3 | 2) * 1000


def of_command_ms(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, folder: Path | None = None
) -> float:
    """Run a command to its end: what it and all its children used.

    Raises:
        CalledProcessError: it failed; its output is on the exception.
    """
    before = _children_ms()
    subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, check=True)
    return _children_ms() - before


def _children_ms() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (used.ru_utime + used.ru_stime) * 1000
