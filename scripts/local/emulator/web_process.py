"""The process of one web function: started, made ready, its output kept, its end seen to."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path

import h11

from scripts.local.emulator.archives import UnpackedArchives
from scripts.local.emulator.http_exchange import status_of
from scripts.local.emulator.web_function import WebFunction, WebHost

READY_WITHIN_S = 60.0  # AWS allows 10 s to start; a busy laptop is slower
READY_POLL_S = 0.02
STOP_WITHIN_S = 5.0
KEPT_LINES = 2000
PR_SET_PDEATHSIG = 1
SERVER_ERROR = 500


class StartFailedError(Exception):
    """The process did not become ready; the text says why, with its last output."""


def _load_prctl() -> Callable[[int, int], int] | None:
    if sys.platform != "linux":
        return None
    call: Callable[[int, int], int] = ctypes.CDLL(None).prctl
    return call


_prctl = _load_prctl()  # before any fork: a forked child of a threaded process may not import


def _die_with_parent() -> None:
    if _prctl is not None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class WebProcess:
    """A running web function; it serves many requests at once."""

    def __init__(
        self, function: WebFunction, port: int, process: asyncio.subprocess.Process
    ) -> None:
        self.function = function
        self.port = port
        self.in_flight = 0
        self._process = process
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._output = asyncio.create_task(self._keep_output())

    @classmethod
    async def start(
        cls, function: WebFunction, host: WebHost, archives: UnpackedArchives
    ) -> "WebProcess":
        """Start the handler's script and wait until it answers.

        Raises:
            StartFailedError: it cannot be started, ended, or did not answer in time.
        """
        task_root = await asyncio.to_thread(lambda: archives.folder([function.code()]))
        layer_root = await asyncio.to_thread(lambda: archives.folder(function.layers()))
        port = _free_port()
        environment = host.environment(
            function, port=port, task_root=task_root, layer_root=layer_root
        )
        process = await _spawn(task_root / function.handler, task_root, environment)
        web = cls(function, port, process)
        try:
            await web._become_ready()
        except BaseException:
            await web.stop()
            raise
        return web

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def take_lines(self) -> list[str]:
        """What the process has printed since the last call."""
        lines = list(self._lines)
        self._lines.clear()
        return lines

    async def stop(self) -> None:
        """End the process and all it has started; kill what does not end in time."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), STOP_WITHIN_S)
        self._signal(signal.SIGKILL)
        await self._process.wait()
        await self._output

    def kill(self) -> None:
        """End the process at once, without waiting."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    async def _become_ready(self) -> None:
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while not await self._answers():
                    if not self.alive:
                        await self._output
                        raise StartFailedError(self._words(f"ended with {self._exit_words()}"))
                    await asyncio.sleep(READY_POLL_S)
        except TimeoutError:
            path = self.function.readiness_path
            said = f"did not answer GET {path} within {READY_WITHIN_S:.0f} s"
            raise StartFailedError(self._words(said)) from None

    async def _answers(self) -> bool:
        try:
            return await status_of(self.port, self.function.readiness_path) < SERVER_ERROR
        except (OSError, h11.RemoteProtocolError):
            return False

    def _exit_words(self) -> str:
        code = self._process.returncode or 0
        return f"signal {-code}" if code < 0 else f"exit status {code}"

    def _words(self, what: str) -> str:
        return "\n".join([*self.take_lines(), f"{self.function.handler} {what}"])

    async def _keep_output(self) -> None:
        stream = self._process.stdout
        rest = b""
        while stream is not None and (data := await stream.read(65536)):
            *lines, rest = (rest + data).split(b"\n")
            self._lines.extend(line.decode(errors="replace") for line in lines)
        if rest:
            self._lines.append(rest.decode(errors="replace"))


async def _spawn(
    script: Path, folder: Path, environment: dict[str, str]
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            script,
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    except OSError as error:
        reason = f"{script.name} cannot be started: {error.strerror}"
        raise StartFailedError(reason) from error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
