"""The servers that answer for models: children of this process, or one that is there."""

import asyncio
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from lambdas.core.catalogue import ModelEntry

MODEL_PROCESS = Path(__file__).with_name("model_process.py")
CACHE_TOKENS = 16384


class ModelStartError(Exception):
    """The model's process did not come up."""


@dataclass(frozen=True)
class ModelServer:
    """An OpenAI-compatible server. What is None is not known of it, or not to be sent to it."""

    base_url: str
    key: str | None = None
    model: str | None = None
    context_tokens: int | None = None


class ModelServers(Protocol):
    async def server_for(self, entry: ModelEntry) -> ModelServer:
        """Name the server that answers for `entry`, started if need be.

        Raises:
            WeightsError: there is nothing to start it from.
            ModelStartError: it does not start.
        """

    def stop(self) -> None:
        """End what was started."""


@dataclass(frozen=True)
class ModelSettings:
    """What the child is told; see `model_process.py`."""

    path: str
    name: str
    key: str
    cache_tokens: int
    slots: int
    threads: int


class ModelProcess:
    """One model in a child process, started when it is first needed and again after its death."""

    def __init__(self, settings: ModelSettings, log: Path, *, start_limit_s: float = 300) -> None:
        self._settings = settings
        self._log = log
        self._start_limit_s = start_limit_s
        self._starting = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._address = ""

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def address(self) -> str:
        async with self._starting:
            if self._process is None or self._process.poll() is not None:
                await self._start()
            return self._address

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    async def _start(self) -> None:
        self.stop()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(MODEL_PROCESS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
            )
        try:
            async with asyncio.timeout(self._start_limit_s):
                self._address = await asyncio.to_thread(self._greet, self._process)
        except (TimeoutError, OSError) as error:
            self.stop()
            raise ModelStartError(f"the model did not start; see {self._log}") from error

    def _greet(self, process: subprocess.Popen[bytes]) -> str:
        """Hand the settings over and wait for the address, which comes when the model is loaded."""
        if process.stdin is None or process.stdout is None:
            raise BrokenPipeError("no pipes to the model's process")
        process.stdin.write(json.dumps(asdict(self._settings)).encode() + b"\n")
        process.stdin.flush()
        if address := process.stdout.readline().decode().strip():
            return address
        raise BrokenPipeError("the model's process ended before it was ready")


class LocalModels:
    """Models in child processes, one for each weights file and context length."""

    def __init__(
        self, weights: Callable[[ModelEntry], Path], *, log: Path, threads: int = 1, slots: int = 4
    ) -> None:
        self._weights = weights
        self._log = log
        self._threads = threads
        self._slots = slots
        self._key = secrets.token_hex()
        self._processes: dict[tuple[Path, int], ModelProcess] = {}

    async def server_for(self, entry: ModelEntry) -> ModelServer:
        path = await asyncio.to_thread(self._weights, entry)
        key = (path, entry.context_tokens)
        if key not in self._processes:
            self._processes[key] = ModelProcess(self._settings(entry, path), self._log)
        address = await self._processes[key].address()
        return ModelServer(
            f"{address}/v1", key=self._key, model=entry.id, context_tokens=entry.context_tokens
        )

    def pids(self) -> list[int]:
        return [process.pid for process in self._processes.values() if process.pid]

    def stop(self) -> None:
        for process in self._processes.values():
            process.stop()

    def _settings(self, entry: ModelEntry, path: Path) -> ModelSettings:
        return ModelSettings(
            path=str(path),
            name=entry.id,
            key=self._key,
            cache_tokens=max(entry.context_tokens, CACHE_TOKENS),
            slots=self._slots,
            threads=self._threads,
        )


class ForeignServer:
    """A server that somebody else runs: it answers for every chat model."""

    def __init__(self, base_url: str, model: str | None = None) -> None:
        self._server = ModelServer(base_url.rstrip("/"), model=model)

    async def server_for(self, entry: ModelEntry) -> ModelServer:
        return self._server

    def stop(self) -> None:
        """Nothing of ours runs."""
