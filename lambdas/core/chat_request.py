"""The body of `POST /v1/chat/completions`: OpenAI's, with ours in the object `kit`."""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from lambdas.core.generation import JsonConstraint, Message, Role, ToolCall
from lambdas.core.strict import Strict

ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"


def is_id(text: str) -> bool:
    """Whether a session can have this id; the keys of the table rely on what it cannot hold."""
    return re.fullmatch(ID_PATTERN, text) is not None


class Lenient(BaseModel):
    """OpenAI's clients send fields that we do not know: those are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TextPart(Lenient):
    type: Literal["text"]
    text: str


class FunctionCall(Lenient):
    name: str
    arguments: str


class RequestToolCall(Lenient):
    id: str
    type: Literal["function"] = "function"
    function: FunctionCall


class RequestMessage(Lenient):
    role: Role
    content: str | tuple[TextPart, ...] | None = None
    name: str | None = None
    tool_calls: tuple[RequestToolCall, ...] | None = None
    tool_call_id: str | None = None

    def to_message(self) -> Message:
        parts = self.content if isinstance(self.content, tuple) else ()
        calls = self.tool_calls or ()
        return Message(
            role=self.role,
            content=self.content
            if isinstance(self.content, str)
            else "".join(p.text for p in parts),
            name=self.name,
            tool_calls=tuple(ToolCall(c.id, c.function.name, c.function.arguments) for c in calls),
            tool_call_id=self.tool_call_id,
        )


class JsonSchema(Lenient):
    name: str = "reply"
    json_schema: dict[str, Any] = Field(alias="schema", default_factory=dict)


class ResponseFormat(Lenient):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def to_constraint(self) -> JsonConstraint | None:
        if self.type == "text":
            return None
        if self.json_schema is None:
            return JsonConstraint(schema=None)
        return JsonConstraint(schema=self.json_schema.json_schema, name=self.json_schema.name)


class StreamOptions(Lenient):
    include_usage: bool = False


class KitOptions(Strict):
    """What OpenAI's shape has no place for. Unlike there, an unknown key is an error."""

    session_id: Annotated[str | None, Field(pattern=ID_PATTERN)] = None
    client_turn_id: Annotated[str | None, Field(pattern=ID_PATTERN)] = None


class ChatRequest(Lenient):
    model: str
    messages: Annotated[tuple[RequestMessage, ...], Field(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int | None, Field(ge=0)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=0)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    frequency_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None
    presence_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    stop: tuple[str, ...] | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None
    tools: tuple[dict[str, Any], ...] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    store: bool | None = None
    kit: KitOptions = KitOptions()

    @field_validator("stop", mode="before", json_schema_input_type=str | tuple[str, ...] | None)
    @classmethod
    def _one_stop_is_a_list_of_one(cls, stop: object) -> object:
        return (stop,) if isinstance(stop, str) else stop
