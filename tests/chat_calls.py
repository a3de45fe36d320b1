"""A chat call as a client makes it: what it asked, what it heard, when, and how that ended."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

Phase = Literal["not sent", "no head", "no token", "streaming", "finishing", "over"]

# The function itself refused, before a reply began: it has kept nothing.
REFUSALS = {"model_failed", "model_unavailable", "model_busy", "model_waking"}
MODEL = "smollm2-135m-instruct"
OK = 200


@dataclass(frozen=True)
class Asked:
    """A turn to be made. `mark` is in its messages and in no other's, so it is found again."""

    mark: str
    command: str
    whole_text: str
    session_id: str | None = None
    client_turn_id: str | None = None
    stream: bool = True

    @property
    def body(self) -> dict[str, Any]:
        names = {"session_id": self.session_id, "client_turn_id": self.client_turn_id}
        return {
            "model": MODEL,
            "messages": [{"role": "user", "content": text} for text in (self.mark, self.command)],
            "max_tokens": 400,
            "stream": self.stream,
            "kit": {name: value for name, value in names.items() if value},
        }


@dataclass
class Heard:
    """What came back. Times are of the monotonic clock; None until it happened."""

    asked: Asked
    sent_at: float = field(default_factory=time.monotonic)
    head_at: float | None = None
    first_text_at: float | None = None
    all_text_at: float | None = None
    over_at: float | None = None
    status: int | None = None
    turn_id: str | None = None
    text: str = ""
    error: Mapping[str, Any] | None = None
    done: bool = False

    @property
    def acknowledged(self) -> bool:
        """Whether the API has promised the turn: the head of a stream, or a whole reply."""
        return self.status == OK

    @property
    def whole(self) -> bool:
        return self.acknowledged and self.done and self.error is None

    @property
    def refused(self) -> bool:
        """Whether nothing may be left of it. A buffered one may have failed after its start."""
        return self.asked.stream and not self.acknowledged and self.code in REFUSALS

    @property
    def code(self) -> str | None:
        return str(self.error["code"]) if self.error else None

    def phase_at(self, moment: float) -> Phase:
        """Where the call was at a moment, as its client could tell."""
        steps: tuple[tuple[Phase, float | None], ...] = (
            ("not sent", self.sent_at),
            ("no head", self.head_at),
            ("no token", self.first_text_at),
            ("streaming", self.all_text_at),
            ("finishing", self.over_at),
        )
        if self.over_at is not None and moment >= self.over_at:
            return "over"
        return next((name for name, end in steps if end is None or moment < end), "over")

    def hear_text(self, text: str) -> None:
        self.first_text_at = self.first_text_at or time.monotonic()
        self.text += text
        if self.text == self.asked.whole_text:
            self.all_text_at = time.monotonic()


def ask(client: httpx.Client, heard: Heard, headers: Mapping[str, str] | None = None) -> None:
    """Make the call and note what is heard until it ends, in whatever way."""
    try:
        with client.stream(
            "POST", "/v1/chat/completions", json=heard.asked.body, headers=dict(headers or {})
        ) as response:
            heard.status, heard.head_at = response.status_code, time.monotonic()
            if heard.status == OK and heard.asked.stream:
                _hear_events(response, heard)
            else:
                _hear_whole(response.read(), heard)
    except httpx.TransportError as error:
        heard.error = heard.error or {"code": f"cut: {type(error).__name__}"}
    finally:
        heard.over_at = time.monotonic()


def _hear_events(response: httpx.Response, heard: Heard) -> None:
    for line in response.iter_lines():
        data = line.removeprefix("data: ")
        if data == "[DONE]":
            heard.done = True
        elif line.startswith("data: "):
            _hear_chunk(json.loads(data), heard)


def _hear_chunk(chunk: dict[str, Any], heard: Heard) -> None:
    if "error" in chunk:
        heard.error = chunk["error"]
        return
    heard.turn_id = chunk["id"]
    for choice in chunk["choices"]:
        if text := choice["delta"].get("content"):
            heard.hear_text(text)


def _hear_whole(body: bytes, heard: Heard) -> None:
    reply = json.loads(body)
    if heard.status != OK:
        heard.error = reply["error"]
        return
    heard.turn_id = reply["id"]
    heard.hear_text(reply["choices"][0]["message"]["content"])
    heard.done = True
