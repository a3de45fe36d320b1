"""Runs our background work between the emulator's start and its stop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Background = Callable[[], Awaitable[None]]

QUIET_PATHS = ("/_ministack/health", "/_ministack/ready")


class Snapshots(Protocol):
    """Copies state in one moment and writes it."""

    def capture(self) -> Any: ...
    def write(self, states: Any) -> bool: ...


class PeriodicSnapshot:
    """Writes a snapshot at most every `interval_s`, and only after something was asked."""

    def __init__(self, snapshots: Snapshots, interval_s: float) -> None:
        self._snapshots = snapshots
        self._interval_s = interval_s
        self._asked = asyncio.Event()

    def note(self, path: str) -> None:
        """Take a request as a possible change: a needless snapshot is cheap, a missed one not."""
        if path not in QUIET_PATHS:
            self._asked.set()

    async def run(self) -> None:
        while True:
            await self._asked.wait()
            await asyncio.sleep(self._interval_s)
            self._asked.clear()
            states = self._snapshots.capture()
            await asyncio.to_thread(self._snapshots.write, states)


class Lifecycle:
    """An ASGI application around the emulator's: starts and stops background work with it."""

    def __init__(
        self,
        inner: Application,
        *,
        note_request: Callable[[str], None],
        background: Sequence[Background],
        at_stop: Sequence[Background],
    ) -> None:
        self._inner = inner
        self._note_request = note_request
        self._background = background
        self._at_stop = at_stop
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._inner(scope, self._stopping_first(receive), self._starting_after(send))
            return
        self._note_request(scope["path"])
        await self._inner(scope, receive, send)

    def _starting_after(self, send: Send) -> Send:
        async def forward(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._tasks = [asyncio.create_task(_logged(work)) for work in self._background]
            await send(message)

        return forward

    def _stopping_first(self, receive: Receive) -> Receive:
        async def forward() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
                for stop in self._at_stop:
                    await stop()
            return message

        return forward


async def _logged(work: Background) -> None:
    """Run background work; when it fails say so, and start it again: the emulator goes on."""
    while True:
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("background work failed, it starts again")
            await asyncio.sleep(1)
