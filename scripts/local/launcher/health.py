"""Waits until a started process answers, and says why when it does not."""

import http.client
import subprocess
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

from scripts.local.launcher.errors import LauncherError

_TICK_S = 0.1
_LAST_LINES = 15


def answers(port: int, path: str, *, timeout_s: float = 2) -> bool:
    """Whether a GET on loopback is answered with 200 (no proxy is asked)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait(
    process: subprocess.Popen[bytes],
    is_healthy: Callable[[], bool],
    *,
    name: str,
    log_file: Path,
    deadline_s: float,
) -> None:
    """Return once `is_healthy`; fail at once when the process ends, at the latest by the deadline.

    Raises:
        LauncherError: with the last lines of the process's log.
    """
    deadline = time.monotonic() + deadline_s
    while not is_healthy():
        if _ended_within(process, _TICK_S):
            raise _failure(f"the {name} ended with code {process.returncode}", name, log_file)
        if time.monotonic() > deadline:
            raise _failure(f"the {name} did not answer in {deadline_s:.0f} s", name, log_file)


def last_lines(log_file: Path, count: int = _LAST_LINES) -> str:
    """The end of a log; empty when there is none."""
    if not log_file.exists():
        return ""
    return "\n".join(log_file.read_text(errors="replace").splitlines()[-count:])


def _ended_within(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _failure(message: str, name: str, log_file: Path) -> LauncherError:
    told = last_lines(log_file)
    shown = f"; its last lines:\n{told}\n" if told else ""
    return LauncherError(f"{message}{shown}", next_step=f"kit local logs {name}, then kit local up")
