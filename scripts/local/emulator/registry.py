"""Which process serves which web function: at most one current process per function."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Protocol

from scripts.local.emulator.web_function import WebFunction

log = logging.getLogger(__name__)

SUPERVISE_EVERY_S = 2.0


class Process(Protocol):
    """What the registry needs of a process."""

    function: WebFunction
    port: int
    in_flight: int

    @property
    def alive(self) -> bool: ...
    def take_lines(self) -> list[str]: ...
    async def stop(self) -> None: ...
    def kill(self) -> None: ...


class Registry:
    """Starts processes on demand and ends those whose function changed, went or died.

    A process that is to end first finishes the requests it has.
    """

    def __init__(
        self,
        start: Callable[[WebFunction], Awaitable[Process]],
        wanted_fingerprint: Callable[[str], str | None],
        write_last_lines: Callable[[WebFunction, list[str]], None],
    ) -> None:
        self._start = start
        self._write_last_lines = write_last_lines
        self._wanted_fingerprint = wanted_fingerprint
        self._current: dict[str, Process] = {}
        self._retired: set[Process] = set()
        self._starting: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._stopping: set[asyncio.Task[None]] = set()

    async def lease(self, function: WebFunction) -> Process:
        """The function's process, started if need be; give it back with `release`.

        Raises:
            StartFailedError: from the starter.
        """
        async with self._starting[function.arn]:
            process = self._current.get(function.arn)
            if process is not None and not self._serves(process, function.fingerprint):
                self.retire(process)
                process = None
            if process is None:
                process = self._current[function.arn] = await self._start(function)
            process.in_flight += 1
            return process

    def release(self, process: Process) -> None:
        process.in_flight -= 1
        if process in self._retired:
            self._stop_when_free(process)

    def retire(self, process: Process) -> None:
        """Send no further request there, and end it when it has none left."""
        if self._current.get(process.function.arn) is process:
            del self._current[process.function.arn]
        if process not in self._retired:
            self._retired.add(process)
            self._stop_when_free(process)

    async def supervise(self) -> None:
        """Retire processes of functions that are deleted, changed or dead, again and again."""
        while True:
            await asyncio.sleep(SUPERVISE_EVERY_S)
            self.retire_stale()

    def retire_stale(self) -> None:
        for arn, process in list(self._current.items()):
            if not self._serves(process, self._wanted_fingerprint(arn)):
                self.retire(process)

    async def stop_all(self) -> None:
        for process in [*self._current.values(), *self._retired]:
            process.kill()
            self._begin_stop(process)
        self._current.clear()
        await asyncio.gather(*self._stopping)

    def _serves(self, process: Process, fingerprint: str | None) -> bool:
        return process.alive and process.function.fingerprint == fingerprint

    def _stop_when_free(self, process: Process) -> None:
        if process.in_flight == 0:
            self._begin_stop(process)

    def _begin_stop(self, process: Process) -> None:
        self._retired.discard(process)
        task = asyncio.create_task(self._stop(process))
        self._stopping.add(task)
        task.add_done_callback(self._stopping.discard)

    async def _stop(self, process: Process) -> None:
        await process.stop()
        if lines := process.take_lines():
            self._write_last_lines(process.function, lines)
