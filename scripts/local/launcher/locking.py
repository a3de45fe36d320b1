"""Locks between processes, on files; the system frees them when their holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.local.launcher.errors import LauncherError


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock during the block.

    Raises:
        LauncherError: another process holds it.
    """
    with _opened(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LauncherError(
                "another `kit local` command is at work", next_step="wait for it, then try again"
            ) from error
        yield


@contextmanager
def in_turn(path: Path) -> Iterator[None]:
    """Hold the lock during the block; wait for whoever has it."""
    with _opened(path) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        yield lock.fileno()
