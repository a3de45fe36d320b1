"""Processes with pid files: recognised by a later command, and stopped with their children."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
# The shell notes its own pid and then becomes the program: no moment in which it runs unnoted.
_NOTE_PID = 'echo "$$ $1" > "$0" && shift && exec "$@"'


@dataclass(frozen=True)
class Noted:
    """A process whose pid is noted in a file; `marker` are words that only its command line has."""

    name: str
    marker: tuple[str, ...]
    folder: Path

    @property
    def pid_file(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def noting(self, argv: Sequence[str], version: str = "0") -> list[str]:
        """The words that start `argv` and note its pid."""
        return ["/bin/sh", "-c", _NOTE_PID, str(self.pid_file), version, *argv]

    def pid(self) -> int | None:
        """The pid of the running process, if the pid file names one and it is really ours."""
        noted = _noted(self.pid_file)
        if noted is None:
            return None
        words = command_line(noted[0])
        return noted[0] if words and all(word in words for word in self.marker) else None

    def stop(self, *, grace_s: float = 15) -> bool:
        """End the process and its children; True if anything was running."""
        pid = self.pid()
        if pid is None:
            found = self._end_orphans()
        else:
            found = True
            end_group(pid, grace_s=grace_s)
        self.pid_file.unlink(missing_ok=True)
        return found

    def _end_orphans(self) -> bool:
        """Kill what a killed process left behind in its group, if its variables name our folder."""
        noted = _noted(self.pid_file)
        if noted is None or command_line(noted[0]) is not None:
            return False
        mark = str(self.folder).encode()
        orphans = [pid for pid in group_members(noted[0]) if mark in _variables(pid)]
        for pid in orphans:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(orphans)


@dataclass(frozen=True)
class Service(Noted):
    """One long-lived, detached process of the laptop cloud, listening on `port` of loopback.

    `version` changes with its program: another one must be started again.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    port: int
    health_path: str
    version: str = "0"

    @property
    def log_file(self) -> Path:
        return self.folder / "logs" / f"{self.name}.log"

    def is_current(self) -> bool:
        """Whether it runs with these very arguments and this very program."""
        pid = self.pid()
        noted = _noted(self.pid_file)
        if pid is None or noted is None or noted[1] != self.version:
            return False
        return " ".join(command_line(pid) or []) == " ".join(self.argv)

    def start(self) -> subprocess.Popen[bytes]:
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        if self.log_file.exists():
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        with self.log_file.open("wb") as log:
            return subprocess.Popen(
                self.noting(self.argv, self.version),
                env=dict(self.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def end_group(leader: int, *, grace_s: float) -> None:
    """Ask a process group to end, and kill what is left of it after a grace time."""
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while command_line(leader) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    with suppress(ProcessLookupError, PermissionError):  # macOS: EPERM when only zombies are left
        os.killpg(leader, signal.SIGKILL)


def command_line(pid: int) -> list[str] | None:
    """The words of a living process; None when there is no such process or it is a zombie."""
    if not _PROC.is_dir():
        return _command_line_by_ps(pid)
    try:
        state = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
        words = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return None
    if state in "ZX" or len(words) == 1:  # a process that is ending has no words any more
        return None
    return [word.decode(errors="replace") for word in words[:-1]]


def _command_line_by_ps(pid: int) -> list[str] | None:
    """The same where there is no /proc; words with blanks come apart, so markers have none."""
    found = subprocess.run(
        ["/bin/ps", "-ww", "-o", "stat=,command=", "-p", str(pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    state, _, command = found.stdout.strip().partition(" ")
    return command.split() if command and not state.startswith("Z") else None


def group_members(leader: int) -> list[int]:
    """The living processes of a group (where there is a /proc)."""
    found = []
    for folder in _PROC.glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == leader and fields[0] not in "ZX":
                found.append(int(folder.name))
    return found


def _variables(pid: int) -> bytes:
    try:
        return (_PROC / str(pid) / "environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""


def _noted(pid_file: Path) -> tuple[int, str] | None:
    try:
        pid, _, version = pid_file.read_text().strip().partition(" ")
    except FileNotFoundError:
        return None
    return (int(pid), version) if pid.isdigit() else None
