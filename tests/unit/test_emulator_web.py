"""Web functions: their archives, environment and processes."""

import asyncio
import os
import sys
import zipfile
from pathlib import Path

import pytest

from scripts.local.emulator.archives import UnpackedArchives
from scripts.local.emulator.web_function import WebHost, fingerprint, is_web_function
from scripts.local.emulator.web_process import StartFailedError, WebProcess
from tests.emulated import zipped
from tests.fake_web import CONFIG, a_function

SERVER = """
import os, socket
listener = socket.create_server(("127.0.0.1", int(os.environ["AWS_LWA_PORT"])))
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 %s x\\r\\ncontent-length: 0\\r\\n\\r\\n" % STATUS)
    connection.close()
"""
RUN = "#!/bin/sh\nexec python server.py\n"


def server_code(status: int = 200, run: str = RUN) -> bytes:
    files = {"run.sh": run, "server.py": f"STATUS = b'{status}'\n{SERVER}"}
    return zipped(files, executable={"run.sh"})


def host() -> WebHost:
    return WebHost(Path(sys.executable), {"HOME": "/nowhere"})


# Archives


def test_files_keep_the_mode_bits_of_the_zip(tmp_path: Path) -> None:
    data = zipped({"bin/run.sh": RUN, "data.txt": "x"}, executable={"bin/run.sh"})
    folder = UnpackedArchives(tmp_path).folder([data])
    assert os.access(folder / "bin" / "run.sh", os.X_OK)
    assert (folder / "data.txt").stat().st_mode & 0o777 == 0o644


def test_layers_lie_over_one_another_and_are_unpacked_once(tmp_path: Path) -> None:
    archives = UnpackedArchives(tmp_path)
    layers = [zipped({"a": "1", "b": "1"}), zipped({"b": "2"})]
    folder = archives.folder(layers)
    assert ((folder / "a").read_text(), (folder / "b").read_text()) == ("1", "2")
    assert archives.folder(layers) == folder
    assert archives.folder(layers[:1]) != folder


def test_a_zip_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    UnpackedArchives(tmp_path / "in").folder([zipped({"../../out.txt": "x"})])
    assert not list(tmp_path.parent.glob("out.txt"))
    assert not list(tmp_path.glob("out.txt"))


def test_a_broken_zip_leaves_nothing_that_counts(tmp_path: Path) -> None:
    archives = UnpackedArchives(tmp_path)
    with pytest.raises(zipfile.BadZipFile):
        archives.folder([b"no zip"])
    with pytest.raises(zipfile.BadZipFile):
        archives.folder([b"no zip"])


# The function and its environment


def test_a_web_function_is_told_by_its_exec_wrapper() -> None:
    assert is_web_function(CONFIG)
    assert not is_web_function({**CONFIG, "Environment": {}})
    assert not is_web_function({**CONFIG, "Environment": None})


@pytest.mark.parametrize("part", ["CodeSha256", "Handler", "Layers", "Role", "Timeout"])
def test_what_a_process_was_started_with_is_in_its_fingerprint(part: str) -> None:
    assert fingerprint(CONFIG) != fingerprint({**CONFIG, part: "changed"})


def test_a_change_that_needs_no_new_process_is_not_in_the_fingerprint() -> None:
    assert fingerprint(CONFIG) == fingerprint({**CONFIG, "RevisionId": "2", "Description": "d"})


def test_the_process_gets_its_own_port_and_layer_root_and_no_exec_wrapper() -> None:
    environment = host().environment(
        a_function(), port=4711, task_root=Path("/task"), layer_root=Path("/layers")
    )
    assert (environment["AWS_LWA_PORT"], environment["PORT"]) == ("4711", "4711")
    assert environment["KIT_LAYER_ROOT"] == "/layers"
    assert environment["LAMBDA_TASK_ROOT"] == "/task"
    assert environment["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert environment["MINE"] == "x"
    assert "AWS_LAMBDA_EXEC_WRAPPER" not in environment
    assert "PYTHONPATH" not in environment


# The process


def test_a_process_is_ready_when_it_answers_below_500_and_ends_when_stopped(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        function = a_function(server_code(404))
        process = await WebProcess.start(function, host(), UnpackedArchives(tmp_path))
        assert process.alive
        assert process.take_lines() == ["listening"]
        await process.stop()
        assert not process.alive

    asyncio.run(run())


def test_children_of_the_process_end_with_it(tmp_path: Path) -> None:
    async def run() -> None:
        script = f"#!/bin/sh\ntrap '' TERM\nsleep 600 &\necho $! > {tmp_path}/child\n{RUN[10:]}"
        function = a_function(server_code(run=script))
        process = await WebProcess.start(function, host(), UnpackedArchives(tmp_path / "u"))
        child = int((tmp_path / "child").read_text())
        os.kill(child, 0)
        process.kill()
        await process.stop()
        for _ in range(1000):
            state = Path(f"/proc/{child}/stat")
            if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the child lives on")

    asyncio.run(run())


@pytest.mark.parametrize(
    ("files", "executable", "said"),
    [
        ({"run.sh": "#!/bin/sh\necho why\nexit 3\n"}, {"run.sh"}, "why\nrun.sh ended with exit st"),
        ({"run.sh": RUN}, set(), "run.sh cannot be started: Permission denied"),
        ({"other": ""}, set(), "run.sh cannot be started: No such file or directory"),
        ({"run.sh": "#!/bin/sh\nkill -9 $$\n"}, {"run.sh"}, "run.sh ended with signal 9"),
    ],
)
def test_a_process_that_does_not_come_up_says_why(
    tmp_path: Path, files: dict[str, str], executable: set[str], said: str
) -> None:
    function = a_function(zipped(files, executable=executable))
    with pytest.raises(StartFailedError) as failed:
        asyncio.run(WebProcess.start(function, host(), UnpackedArchives(tmp_path)))
    assert said in str(failed.value)
