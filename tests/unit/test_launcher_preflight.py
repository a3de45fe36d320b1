import socket
from pathlib import Path

import pytest

from scripts.local.launcher import preflight
from scripts.local.launcher.errors import LauncherError


def test_too_little_memory_is_named_with_both_numbers() -> None:
    with pytest.raises(LauncherError, match="1500 MB of memory are free; 2048 MB are needed"):
        preflight.check_memory(1500)


def test_memory_that_the_system_does_not_tell_is_no_obstacle() -> None:
    preflight.check_memory(None)
    preflight.check_memory(2048)


def test_available_memory_is_read_from_meminfo(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  8000000 kB\nMemAvailable:    3145728 kB\n")
    assert preflight.available_memory_mb(meminfo) == 3072
    assert preflight.available_memory_mb(tmp_path / "none") is None


def test_too_little_disk_names_the_folder_and_the_variable(tmp_path: Path) -> None:
    with pytest.raises(LauncherError, match=f"100 MB of disk are free under {tmp_path}.*KIT_LOCAL"):
        preflight.check_disk(tmp_path, 100)


def test_free_disk_is_found_for_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    assert preflight.free_disk_mb(tmp_path / "a" / "b") == preflight.free_disk_mb(tmp_path)


def test_an_old_python_is_refused() -> None:
    with pytest.raises(LauncherError, match=r"Python is 3\.9; 3\.11 or newer is needed"):
        preflight.check_python((3, 9))


def test_a_taken_port_is_refused_with_the_variable_that_chooses_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LauncherError, match=f"port {port} is taken.*KIT_LOCAL_PORT="):
            preflight.check_port(port, "KIT_LOCAL_PORT")
    preflight.check_port(port, "KIT_LOCAL_PORT")
