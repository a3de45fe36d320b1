"""Processes of one laptop cloud that tests kill -9, and that come back."""

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

from scripts.local.launcher.processes import Service, command_line
from tests.e2e.cloud import ROOT
from tests.emulated import free_port

BACK_WITHIN_S = 60
TICK_S = 0.005
CHAT_APP = "lambdas.functions.chat:app"


def wait_until(
    is_so: Callable[[], object],
    what: str,
    limit_s: float = BACK_WITHIN_S,
    *,
    tick_s: float = TICK_S,
) -> None:
    deadline = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_s} s: {what}")
        time.sleep(tick_s)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 loopback
            return bool(reply.status == 200)
    except (URLError, OSError):
        return False


def noted_pid(folder: Path, name: str) -> int:
    """The pid that the launcher has noted for a process of the cloud in `folder`."""
    return int((folder / f"{name}.pid").read_text().split()[0])


def chat_function_pid(emulator_pid: int) -> int | None:
    """The chat function of this cloud: a child of its emulator, if it runs."""
    for child in children(emulator_pid):
        if CHAT_APP in (command_line(child) or ()):
            return child
    return None


def kill_chat_function(emulator_pid: int) -> None:
    """Kill it; when it does not run, as soon as a request has started it."""
    wait_until(lambda: chat_function_pid(emulator_pid), "the chat function is there")
    pid = chat_function_pid(emulator_pid)
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread has just ended
            found += map(int, (task / "children").read_text().split())
    return found


class Respawned:
    """A child process that is started again as soon as it has ended, until it is let go."""

    def __init__(self, start: Callable[[], "subprocess.Popen[bytes]"], ready_url: str) -> None:
        self._start = start
        self._ready_url = ready_url
        self._changing = threading.Lock()
        self._let_go = False
        self._process = start()
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    @property
    def is_ready(self) -> bool:
        return self._process.poll() is None and answers(self._ready_url)

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> None:
        with self._changing:
            self._let_go = True
            self._process.kill()
        self._watcher.join()

    def _watch(self) -> None:
        while True:
            self._process.wait()
            with self._changing:
                if self._let_go:
                    return
                self._process = self._start()


def scripted_model() -> tuple[Respawned, str]:
    """A model server that can be killed, and its address."""
    port = free_port()
    command = [sys.executable, "tests/scripted_model.py", "--port", str(port)]
    start = lambda: subprocess.Popen(command, cwd=ROOT)  # noqa: E731
    url = f"http://127.0.0.1:{port}"
    return Respawned(start, f"{url}/health"), f"{url}/v1"


def sagemaker_runtime(folder: Path, model_url: str) -> Respawned:
    """The local SageMaker of a cloud, taken over from the launcher, with another model behind."""
    pid = noted_pid(folder, "sagemaker")
    variables = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
    env = dict(pair.split("=", 1) for pair in variables)
    argv = command_line(pid) or []
    port = int(argv[argv.index("--port") + 1])
    service = Service(
        name="sagemaker",
        argv=argv,
        marker=(),
        env={**env, "KIT_LOCAL_MODEL_URL": model_url},
        folder=folder,
        port=port,
        health_path="/ping",
    )
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: command_line(pid) is None, "the runtime of the launcher is gone")
    return Respawned(service.start, f"http://127.0.0.1:{port}/ping")
