"""The chat application over a store in memory and a model that plays scripts."""

import asyncio
import json
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from lambdas.core.chat import ChatService
from lambdas.core.generation import Finished, TextDelta, Usage
from lambdas.core.pace import Pace
from lambdas.core.turns import Limits, Turn
from lambdas.functions.chat import ChatApp
from tests.asgi import Heard, Request, http_scope
from tests.builders import (
    ANA,
    SMALL,
    TOOLS,
    WIDE,
    a_chat_body,
    a_request_context,
    an_entry,
)
from tests.fakes import MemoryStore
from tests.scripted_client import Script, ScriptedClient

ROOT = Path(__file__).parents[1]
CONTEXT = b"x-amzn-request-context"
QUICK = Pace(look_every_s=0.005, save_every_s=0.005)
HI: Script = [TextDelta("Zürich "), TextDelta("🙂"), Finished("stop"), Usage(9, 2)]
DONE = b"data: [DONE]"


class App:
    """The application over a store in memory and a model that plays scripts."""

    def __init__(self, *scripts: Script, heartbeat_s: float = 30, limits: Limits = WIDE) -> None:
        self.store = MemoryStore()
        self.model = ScriptedClient(*(scripts or [HI]))
        models = {SMALL: an_entry(SMALL), TOOLS: an_entry(TOOLS)}
        service = ChatService(
            models, self.model, self.store, limits, completion_ttl_days=30, pace=QUICK
        )
        self.asgi = ChatApp(lambda: service, heartbeat_s=heartbeat_s)

    def request(self, body: Any = None, context: Any = "Ana's", **changes: Any) -> Request:
        """A request of Ana; `context` replaces what the adapter says of the caller."""
        data = body if isinstance(body, bytes) else json.dumps(body or a_chat_body()).encode()
        told = a_request_context() if context == "Ana's" else context
        header = told if isinstance(told, bytes) else json.dumps(told).encode()
        headers = [] if context is None else [(CONTEXT, header)]
        return Request(self.asgi, http_scope(**{"headers": headers, **changes}), data)

    def post(self, body: Any = None, context: Any = "Ana's", **changes: Any) -> Heard:
        return asyncio.run(self.request(body, context, **changes).run())

    def turn(self, completion_id: str) -> Turn:
        found = self.store.find(ANA, completion_id)
        assert found is not None
        return found


def stream(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return a_chat_body(text, stream=True, **fields)


def within(work: Coroutine[Any, Any, Any], limit_s: float = 20) -> Any:
    """Run, and fail rather than hang."""

    async def limited() -> Any:
        async with asyncio.timeout(limit_s):
            return await work

    return asyncio.run(limited())


def is_openai_error(heard: Heard) -> bool:
    fields = heard.error
    return set(fields) == {"message", "type", "param", "code"} and bool(fields["message"])
