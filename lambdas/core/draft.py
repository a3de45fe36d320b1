"""A reply in the making, joined out of its pieces."""

from dataclasses import replace

from lambdas.core.generation import (
    Finished,
    FinishReason,
    Piece,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)


class Draft:
    """What a model has made so far. One thread adds, others read."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._calls: dict[int, ToolCall] = {}
        self.reason: FinishReason | None = None
        self.usage: Usage | None = None

    def add(self, piece: Piece) -> None:
        match piece:
            case TextDelta(text):
                self._texts.append(text)
            case ToolCallDelta():
                self._add_call(piece)
            case Finished(reason):
                self.reason = reason
            case Usage():
                self.usage = piece

    def _add_call(self, delta: ToolCallDelta) -> None:
        call = self._calls.get(delta.index) or ToolCall(delta.id or "", delta.name or "", "")
        self._calls[delta.index] = replace(call, arguments=call.arguments + delta.arguments)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(call for _, call in sorted(self._calls.items()))
