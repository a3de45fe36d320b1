"""Bytes on their way from a function to its caller."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

MOST_WAITING = 64


class Channel:
    """A short queue with two ends: the writer waits for a slow reader, never for one that left."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._most_waiting = most_waiting
        self._parts: deque[bytes] = deque()
        self._changed = asyncio.Condition()
        self._ended = False
        self._left = False
        self.complete = False
        self.sent_bytes = 0

    async def put(self, part: bytes) -> None:
        async with self._changed:
            await self._changed.wait_for(self._has_room)
            if not self._left:
                self._parts.append(part)
                self.sent_bytes += len(part)
                self._changed.notify_all()

    async def end(self, *, complete: bool) -> None:
        """Say that nothing more comes, and whether what came is the whole."""
        async with self._changed:
            self._ended, self.complete = True, complete
            self._changed.notify_all()

    async def leave(self) -> None:
        """The reader's end is gone: what is still written goes nowhere."""
        async with self._changed:
            self._left = True
            self._parts.clear()
            self._changed.notify_all()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            async with self._changed:
                await self._changed.wait_for(self._has_news)
                if not self._parts:
                    return
                part = self._parts.popleft()
                self._changed.notify_all()
            yield part

    def _has_room(self) -> bool:
        return self._left or len(self._parts) < self._most_waiting

    def _has_news(self) -> bool:
        return bool(self._parts) or self._ended or self._left
