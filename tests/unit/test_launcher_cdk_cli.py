import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.local.launcher import cdk_cli, deployment
from scripts.local.launcher.cdk_cli import CdkFailedError
from scripts.local.launcher.processes import Noted, command_line


class Recorded:
    def __init__(self) -> None:
        self.details: list[str] = []

    def step(self, text: str) -> None:
        raise AssertionError(text)

    def detail(self, text: str) -> None:
        self.details.append(text)


def noted(tmp_path: Path) -> Noted:
    return Noted("cdk", (f"--of={tmp_path}",), tmp_path)


def run(tmp_path: Path, code: str, *, timeout_s: float = 60) -> list[str]:
    progress = Recorded()
    cdk_cli.run(
        [sys.executable, "-c", code],
        noted=noted(tmp_path),
        cwd=tmp_path,
        env=os.environ,
        log_file=tmp_path / "logs" / "cdk.log",
        timeout_s=timeout_s,
        progress=progress,
    )
    return progress.details


def test_its_lines_are_told_and_kept(tmp_path: Path) -> None:
    assert run(tmp_path, "print('one'); print('two')") == ["one", "two"]
    assert (tmp_path / "logs" / "cdk.log").read_text() == "one\ntwo\n"


def test_a_failure_ends_with_its_last_lines_and_the_log(tmp_path: Path) -> None:
    with pytest.raises(CdkFailedError, match=r"code 3:\nno bucket\n") as failed:
        run(tmp_path, "import sys; print('no bucket'); sys.exit(3)")
    assert str(tmp_path / "logs" / "cdk.log") in str(failed.value)


def test_when_time_is_over_it_and_its_children_are_ended(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)"
    )
    with pytest.raises(CdkFailedError, match="took longer than 2 s"):
        run(tmp_path, code, timeout_s=2)
    child = int((tmp_path / "logs" / "cdk.log").read_text())
    assert command_line(child) is None


def test_a_run_that_outlived_its_launcher_is_ended_by_the_next(tmp_path: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)", f"--of={tmp_path}"]
    with subprocess.Popen(noted(tmp_path).noting(sleeper), start_new_session=True) as earlier:
        while noted(tmp_path).pid() is None:  # the shell notes the pid and becomes the program
            assert earlier.poll() is None
            time.sleep(0.01)
        run(tmp_path, "print('next')")
        assert earlier.wait() == -signal.SIGTERM


def test_the_emulators_errors_are_picked_from_its_log(tmp_path: Path) -> None:
    log = tmp_path / "emulator.log"
    log.write_text("INFO fine\nERROR no stub\nINFO fine\n")
    assert deployment.error_lines(log) == ["ERROR no stub"]
    assert deployment.error_lines(tmp_path / "none.log") == []
