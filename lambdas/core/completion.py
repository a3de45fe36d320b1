"""OpenAI's reply objects: one completion, or its chunks."""

from collections.abc import Iterable, Mapping
from typing import Any

from lambdas.core.draft import Draft
from lambdas.core.generation import (
    Finished,
    Message,
    Piece,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from lambdas.core.turns import Turn

KitFields = Mapping[str, Any]


class Chunks:
    """The chunks of one streamed reply: the same id, time and model in all of them."""

    def __init__(self, turn: Turn) -> None:
        self._same = {
            "id": turn.id,
            "object": "chat.completion.chunk",
            "created": turn.created_at,
            "model": turn.model,
        }

    def first(self) -> dict[str, Any]:
        """Says the role, once: clients join what they see again."""
        return self._chunk({"role": "assistant", "content": ""})

    def of(self, piece: TextDelta | ToolCallDelta) -> dict[str, Any]:
        if isinstance(piece, TextDelta):
            return self._chunk({"content": piece.text})
        return self._chunk({"tool_calls": [_call_fragment(piece)]})

    def last(self, finished: Finished, kit: KitFields | None) -> dict[str, Any]:
        return {**self._chunk({}, finished.reason), **({"kit": kit} if kit else {})}

    def usage(self, usage: Usage, kit: KitFields) -> dict[str, Any]:
        return {**self._same, "choices": [], "usage": usage_fields(usage), "kit": kit}

    def _chunk(self, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**self._same, "choices": [choice]}


def completion(turn: Turn, pieces: Iterable[Piece]) -> dict[str, Any]:
    """The whole reply of a turn, once its pieces are exhausted."""
    draft = Draft()
    for piece in pieces:
        draft.add(piece)
    reply = Message("assistant", draft.text, tool_calls=draft.tool_calls)
    message = {**message_fields(reply), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": draft.reason, "logprobs": None}
    return {
        "id": turn.id,
        "object": "chat.completion",
        "created": turn.created_at,
        "model": turn.model,
        "choices": [choice],
        **({"usage": usage_fields(draft.usage)} if draft.usage else {}),
    }


def message_fields(message: Message) -> dict[str, Any]:
    """A message in OpenAI's shape; the optional fields only where they hold something."""
    optional = {
        "name": message.name,
        "tool_calls": [_call(call) for call in message.tool_calls],
        "tool_call_id": message.tool_call_id,
    }
    given = {name: value for name, value in optional.items() if value}
    return {"role": message.role, "content": message.content, **given}


def usage_fields(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _call_fragment(piece: ToolCallDelta) -> dict[str, Any]:
    function: dict[str, str] = {"arguments": piece.arguments}
    if piece.name:
        function["name"] = piece.name
    opening = {"id": piece.id, "type": "function"} if piece.id else {}
    return {"index": piece.index, **opening, "function": function}
