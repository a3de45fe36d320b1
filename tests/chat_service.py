"""A chat service on a store in memory and a model that plays scripts, and what Ana says to it."""

import threading
from collections.abc import Sequence
from typing import Any

from lambdas.core.chat import ChatService, Reply
from lambdas.core.chat_request import ChatRequest
from lambdas.core.errors import (
    InvalidRequestError,
)
from lambdas.core.generation import (
    Finished,
    Message,
    Piece,
    TextDelta,
    Usage,
)
from lambdas.core.pace import Pace
from lambdas.core.turns import Limits, Turn
from tests.builders import (
    ANA,
    SMALL,
    TOOLS,
    WIDE,
    an_entry,
)
from tests.fakes import MemoryStore
from tests.scripted_client import Script, ScriptedClient

QUICK = Pace(look_every_s=0.005, save_every_s=0.005, renew_every_s=0.02, replay_every_s=0.005)
HI: Script = [TextDelta("hi"), Finished("stop"), Usage(9, 1)]
TOO_LONG = InvalidRequestError("too long", code="context_length_exceeded", param="messages")


def hi_with(usage: Usage) -> Script:
    return [TextDelta("hi"), Finished("stop"), usage]


class Chat:
    """A chat service, the store and the model behind it, and what Ana says to it."""

    def __init__(
        self,
        *scripts: Script,
        limits: Limits = WIDE,
        context_tokens: int = 8192,
        store: MemoryStore | None = None,
    ) -> None:
        self.store = store or MemoryStore()
        self.model = ScriptedClient(*(scripts or [HI]))
        small = an_entry(SMALL, context_tokens=context_tokens)
        models = {SMALL: small, TOOLS: an_entry(TOOLS)}
        self.service = ChatService(
            models, self.model, self.store, limits, completion_ttl_days=30, pace=QUICK
        )

    def reply(self, request: ChatRequest) -> Reply:
        return self.service.reply(ANA, request)

    def say(self, request: ChatRequest) -> list[Piece]:
        return list(self.reply(request).pieces)

    def stored(self, turn: Turn) -> Turn:
        found = self.store.find(ANA, turn.id)
        assert found is not None
        return found

    def session(self) -> list[Turn]:
        return list(self.store.newest_turns(ANA, "s"))[::-1]

    def prompt(self, call: int = -1) -> Sequence[Message]:
        return self.model.requests[call].messages

    def texts_of_prompt(self, call: int = -1) -> list[str]:
        return [message.content for message in self.prompt(call)]


def background(pieces: Any) -> tuple[threading.Thread, list[Piece]]:
    """Exhaust a reply in a thread, as the HTTP edge does."""
    heard: list[Piece] = []
    thread = threading.Thread(target=lambda: heard.extend(pieces))
    thread.start()
    return thread, heard


def ends(thread: threading.Thread) -> None:
    thread.join(timeout=20)
    assert not thread.is_alive()


def assistant(text: str) -> Message:
    return Message("assistant", text)


def text_part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}
