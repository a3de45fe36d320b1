import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.local.launcher import health
from scripts.local.launcher.errors import LauncherError
from scripts.local.launcher.processes import Service, command_line, group_members

READY = "import pathlib, sys, time; pathlib.Path(sys.argv[2]).touch(); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + READY
PARENT = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time;"
    " time.sleep(60)']);" + READY
)
only_where_proc_is = pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads /proc")


def a_service(folder: Path, code: str = READY, *, version: str = "1") -> Service:
    marker = f"marker-{folder.name}"
    return Service(
        name="thing",
        argv=[sys.executable, "-c", code, marker, str(folder / "ready")],
        marker=(marker,),
        env={**os.environ, "KIT_LOCAL_DIR": str(folder)},
        folder=folder,
        port=5499,
        health_path="/",
        version=version,
    )


@contextmanager
def started(service: Service) -> Iterator["subprocess.Popen[bytes]"]:
    process = service.start()
    try:
        ready = service.folder / "ready"
        health.wait(process, ready.exists, name="thing", log_file=service.log_file, deadline_s=30)
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_started_process_is_recognised_by_its_pid_file(tmp_path: Path) -> None:
    service = a_service(tmp_path)
    with started(service) as process:
        assert service.pid() == process.pid
        assert service.is_current()
    assert service.pid() is None


def test_a_pid_file_that_names_a_strangers_process_is_not_believed(tmp_path: Path) -> None:
    service = a_service(tmp_path)
    service.pid_file.write_text(f"{os.getpid()} 1\n")
    assert service.pid() is None
    assert service.stop() is False
    assert not service.pid_file.exists()


@pytest.mark.parametrize("noted", ["", "nonsense", "999999999 1\n"])
def test_a_pid_file_without_a_living_process_is_no_obstacle(tmp_path: Path, noted: str) -> None:
    service = a_service(tmp_path)
    service.pid_file.write_text(noted)
    assert service.stop() is False
    with started(service) as process:
        assert service.pid() == process.pid


def test_other_arguments_or_another_program_are_not_current(tmp_path: Path) -> None:
    service = a_service(tmp_path)
    with started(service):
        assert not replace(service, version="2").is_current()
        assert not replace(service, argv=[*service.argv, "--more"]).is_current()
        assert replace(service, version="2").pid() is not None


def test_stop_ends_the_process_and_removes_its_pid_file(tmp_path: Path) -> None:
    service = a_service(tmp_path)
    with started(service) as process:
        assert service.stop(grace_s=30)
        assert process.wait() == -signal.SIGTERM
    assert not service.pid_file.exists()


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    service = a_service(tmp_path, DEAF)
    with started(service) as process:
        assert service.stop(grace_s=0.2)
        assert process.wait() == -signal.SIGKILL


@only_where_proc_is
def test_children_of_a_killed_process_are_ended_by_the_next_stop(tmp_path: Path) -> None:
    service = a_service(tmp_path, PARENT)
    with started(service) as process:
        [child] = [pid for pid in group_members(process.pid) if pid != process.pid]
        process.kill()
        process.wait()
        assert command_line(child) is not None
        assert service.stop() is True
        assert gone(child)


def test_the_log_of_the_previous_run_is_kept_beside_the_present_one(tmp_path: Path) -> None:
    service = a_service(tmp_path, "print('first', flush=True);" + READY)
    with started(service):
        pass
    (tmp_path / "ready").unlink()
    with started(replace(service, argv=a_service(tmp_path).argv)):
        assert service.log_file.read_text() == ""
        assert service.log_file.with_suffix(".log.1").read_text() == "first\n"


def test_a_process_that_dies_at_its_start_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    service = a_service(tmp_path, "import sys; sys.exit('no such model')")
    with (
        pytest.raises(LauncherError, match=r"ended with code 1.*\nno such model\n"),
        started(service),
    ):
        pass


def gone(pid: int) -> bool:
    deadline = time.monotonic() + 30
    while command_line(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.01)
    return command_line(pid) is None
