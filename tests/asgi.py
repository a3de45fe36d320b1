"""An ASGI application called in the test's own event loop: no server, no socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Heard:
    """What came back from one request, as far as it came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    over: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(self.parts)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        fields: dict[str, Any] = self.json["error"]
        return fields

    @property
    def events(self) -> list[bytes]:
        """The blocks of a stream that blank lines end; there must be nothing behind the last."""
        *events, rest = self.body.split(b"\n\n")
        assert rest == b"", f"the stream ends with {rest!r}"
        return events

    @property
    def chunks(self) -> list[Any]:
        """The JSON of each event, but for comments and the `[DONE]` at the end."""
        data = [event.removeprefix(b"data: ") for event in self.events if event[:1] != b":"]
        return [json.loads(text) for text in data if text != b"[DONE]"]


class Request:
    """One request on its way through `app`; its reply can be looked at while it comes."""

    def __init__(self, app: Callable[..., Any], scope: dict[str, Any], *parts: bytes) -> None:
        self._app = app
        self._scope = scope
        self._parts = list(parts) or [b""]
        self._changed = asyncio.Condition()
        self.heard = Heard()

    async def run(self) -> Heard:
        await self._app(self._scope, self._receive, self._send)
        return self.heard

    async def part(self, number: int) -> bytes:
        """Part `number` of the reply, as soon as it has come."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.heard.parts) > number)
            return self.heard.parts[number]

    async def _receive(self) -> dict[str, Any]:
        if not self._parts:
            return {"type": "http.disconnect"}
        body = self._parts.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._parts)}

    async def _send(self, message: dict[str, Any]) -> None:
        assert not self.heard.over, f"{message} came after the end"
        async with self._changed:
            if message["type"] == "http.response.start":
                assert self.heard.status == 0, "a second head"
                self.heard.status = message["status"]
                raw = [(name.decode(), value.decode()) for name, value in message["headers"]]
                self.heard.headers = dict(raw)
                assert len(raw) == len(self.heard.headers), "a header came twice"
            else:
                assert self.heard.status, "a body came before the head"
                self.heard.parts.append(message["body"])
                self.heard.over = not message.get("more_body", False)
            self._changed.notify_all()


def http_scope(
    method: str = "POST",
    path: str = "/v1/chat/completions",
    headers: list[tuple[bytes, bytes]] | None = None,
) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, "headers": headers or []}


async def lifespan(app: Callable[..., Any]) -> AsyncIterator[str]:
    """Start `app` and shut it down; yields what it says."""
    said: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup" if not said else "lifespan.shutdown"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    for message in said:
        yield message
