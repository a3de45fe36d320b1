"""A chat turn worked on in a thread, seen from the event loop.

The turn goes on to its end whether or not the client still listens: AWS does not tell a function
that its client hung up, and what was generated must be stored.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor

from lambdas.core.chat import ChatService, Reply
from lambdas.core.chat_request import ChatRequest
from lambdas.core.generation import Piece
from lambdas.core.identity import Owner

# In AWS a process has one request at a time; the laptop cloud sends all of them to one process.
_THREADS = ThreadPoolExecutor(256, "request")


class TurnWorker:
    def __init__(self, chat: ChatService, owner: Owner, request: ChatRequest) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Reply | Piece | Future[None]] = asyncio.Queue()
        work = _THREADS.submit(self._work, chat, owner, request)
        work.add_done_callback(self._put)

    async def reply(self) -> Reply:
        """The accepted turn.

        Raises:
            KitError: it was refused.
        """
        event = await self._events.get()
        if isinstance(event, Future):
            event.result()
        assert isinstance(event, Reply)  # noqa: S101 the worker puts the reply first, or its end
        return event

    async def pieces(self, *, silence_s: float) -> AsyncIterator[Piece | None]:
        """The turn's pieces, and None after each `silence_s` in which nothing came.

        Raises:
            KitError: the turn broke off.
        """
        while True:
            try:
                async with asyncio.timeout(silence_s):
                    event = await self._events.get()
            except TimeoutError:
                yield None
                continue
            if isinstance(event, Future):
                event.result()
                return
            if not isinstance(event, Reply):
                yield event

    def _work(self, chat: ChatService, owner: Owner, request: ChatRequest) -> None:
        reply = chat.reply(owner, request)
        self._put(reply)
        for piece in reply.pieces:
            self._put(piece)

    def _put(self, event: Reply | Piece | Future[None]) -> None:
        self._loop.call_soon_threadsafe(self._events.put_nowait, event)
