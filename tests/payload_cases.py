"""The golden files of payload adapters: requests, replies and refusals of container families."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lambdas.core import errors
from lambdas.core.errors import KitError
from lambdas.core.generation import (
    Finished,
    GenerationRequest,
    JsonConstraint,
    Message,
    Piece,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Case:
    """One entry of a golden file; `source` names where its shape was read, or that it was not."""

    family: str
    name: str
    source: str
    fields: dict[str, Any]

    def __str__(self) -> str:
        return self.name

    @property
    def generation(self) -> GenerationRequest:
        fields = dict(self.fields["generation"])
        fields["messages"] = tuple(_message(message) for message in fields["messages"])
        for name in ("stop", "tools"):
            fields[name] = tuple(fields.get(name, ()))
        if "constraint" in fields:
            fields["constraint"] = JsonConstraint(**fields["constraint"])
        return GenerationRequest(**fields)

    @property
    def reply(self) -> bytes:
        text: str = self.fields["reply"]
        return text.encode()

    @property
    def pieces(self) -> list[Piece]:
        return [_piece(kind, value) for p in self.fields["pieces"] for kind, value in p.items()]

    @property
    def fails(self) -> bool:
        return "error" in self.fields

    def check(self, error: KitError) -> None:
        expected = self.fields["error"]
        kind = getattr(errors, expected["kind"])
        assert (type(error), error.code) == (kind, expected["code"])
        assert error.param == expected.get("param")
        assert str(expected["says"]) in str(error)


def cases(family: str, part: str) -> list[Case]:
    """Read one part of a family's golden file: `requests`, `replies` or `refusals`."""
    entries = yaml.safe_load((GOLDEN / f"{family}.yaml").read_text())[part]
    return [Case(family, entry["name"], entry["source"], entry) for entry in entries]


def _message(fields: dict[str, Any]) -> Message:
    calls = tuple(ToolCall(**call) for call in fields.get("tool_calls", ()))
    return Message(**{**fields, "tool_calls": calls})


def _piece(kind: str, value: Any) -> Piece:
    if kind == "text":
        return TextDelta(value)
    if kind == "finished":
        return Finished(value)
    if kind == "usage":
        return Usage(*value)
    index, arguments, call_id, name = value
    return ToolCallDelta(index, arguments, id=call_id, name=name)
