"""What a machine must have before the laptop cloud starts; one message for what is missing."""

import os
import shutil
import socket
import sys
from pathlib import Path

from scripts.local.launcher.errors import LauncherError

OLDEST_PYTHON = (3, 11)
MEMORY_MB = 2048
DISK_MB = 2048
_UP = "kit local up"


def check_python(version: tuple[int, ...] = sys.version_info[:2]) -> None:
    if version < OLDEST_PYTHON:
        found, needed = (".".join(map(str, v)) for v in (version, OLDEST_PYTHON))
        raise LauncherError(f"Python is {found}; {needed} or newer is needed", next_step="make up")


def check_memory(available_mb: int | None) -> None:
    """Refuse below 2 GB: synthesis takes 1.1 GB at its peak, the running cloud about 1 GB."""
    if available_mb is not None and available_mb < MEMORY_MB:
        raise LauncherError(
            f"{available_mb} MB of memory are free; {MEMORY_MB} MB are needed",
            next_step=f"close other programs, then {_UP}",
        )


def check_disk(folder: Path, free_mb: int) -> None:
    if free_mb < DISK_MB:
        raise LauncherError(
            f"{free_mb} MB of disk are free under {folder}; {DISK_MB} MB are needed",
            next_step=f"free some space or set KIT_LOCAL_DIR, then {_UP}",
        )


def check_port(port: int, variable: str) -> None:
    """Refuse a port that another program holds."""
    if not is_free(port):
        raise LauncherError(
            f"port {port} is taken by another program; stop it or choose another port",
            next_step=f"{variable}={port + 100} {_UP}",
        )


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def available_memory_mb(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Memory that can be had without swapping; None where the system does not tell."""
    if not meminfo.exists():
        return None
    for line in meminfo.read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) // 1024
    return None


def free_disk_mb(folder: Path) -> int:
    """Free space where `folder` is or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free // 2**20


def check_machine(local_dir: Path) -> None:
    """Run the checks that do not depend on what is running already."""
    if os.name != "posix":
        raise LauncherError("the laptop cloud runs on Linux and macOS", next_step="use WSL")
    check_python()
    check_memory(available_memory_mb())
    check_disk(local_dir, free_disk_mb(local_dir))
