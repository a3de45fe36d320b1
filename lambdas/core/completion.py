"""OpenAI's reply objects: one completion, or its chunks."""

from collections.abc import Iterable

from lambdas.core.api_objects import (
    CalledFunction,
    CallFragment,
    CallObject,
    ChunkObject,
    CompletionObject,
    Delta,
    KitObject,
    MessageObject,
    UsageObject,
)
from lambdas.core.draft import Draft
from lambdas.core.generation import (
    Finished,
    FinishReason,
    Message,
    Piece,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from lambdas.core.turns import Turn


class Chunks:
    """The chunks of one streamed reply: the same id, time and model in all of them."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn

    def first(self) -> ChunkObject:
        """Says the role, once: clients join what they see again."""
        return self._chunk({"role": "assistant", "content": ""})

    def of(self, piece: TextDelta | ToolCallDelta) -> ChunkObject:
        if isinstance(piece, TextDelta):
            return self._chunk({"content": piece.text})
        return self._chunk({"tool_calls": [_call_fragment(piece)]})

    def last(self, finished: Finished, kit: KitObject | None) -> ChunkObject:
        chunk = self._chunk({}, finished.reason)
        return {**chunk, "kit": kit} if kit else chunk

    def usage(self, usage: Usage, kit: KitObject) -> ChunkObject:
        return {**self._chunk({}), "choices": [], "usage": usage_fields(usage), "kit": kit}

    def _chunk(self, delta: Delta, reason: FinishReason | None = None) -> ChunkObject:
        return {
            "id": self._turn.id,
            "object": "chat.completion.chunk",
            "created": self._turn.created_at,
            "model": self._turn.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        }


def completion(turn: Turn, pieces: Iterable[Piece], kit: KitObject) -> CompletionObject:
    """The whole reply of a turn, once its pieces are exhausted."""
    draft = Draft()
    for piece in pieces:
        draft.add(piece)
    reply = Message("assistant", draft.text, tool_calls=draft.tool_calls)
    made: CompletionObject = {
        "id": turn.id,
        "object": "chat.completion",
        "created": turn.created_at,
        "model": turn.model,
        "choices": [
            {
                "index": 0,
                "message": {**message_fields(reply), "refusal": None},
                "finish_reason": draft.reason or "stop",
                "logprobs": None,
            }
        ],
        "kit": kit,
    }
    return {**made, "usage": usage_fields(draft.usage)} if draft.usage else made


def message_fields(message: Message) -> MessageObject:
    """A message in OpenAI's shape; the optional fields only where they hold something."""
    fields: MessageObject = {"role": message.role, "content": message.content}
    if message.name:
        fields["name"] = message.name
    if message.tool_calls:
        fields["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        fields["tool_call_id"] = message.tool_call_id
    return fields


def usage_fields(usage: Usage) -> UsageObject:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def _call(call: ToolCall) -> CallObject:
    function: CalledFunction = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _call_fragment(piece: ToolCallDelta) -> CallFragment:
    fragment: CallFragment = {"index": piece.index, "function": {"arguments": piece.arguments}}
    if piece.name:
        fragment["function"]["name"] = piece.name
    if piece.id:
        fragment |= {"id": piece.id, "type": "function"}
    return fragment
