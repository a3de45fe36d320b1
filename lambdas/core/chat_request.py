"""The body of `POST /v1/chat/completions`: OpenAI's, with ours in the object `kit`.

Where OpenAI allows several types, a validator tells them apart and not pydantic's unions: those
put the type that they tried last into the path of the field at fault.
"""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from lambdas.core.generation import JsonConstraint, Message, Role, ToolCall
from lambdas.core.strict import Strict

ID_PATTERN = r"^[A-Za-z0-9_-]{1,64}$"


def is_id(text: str) -> bool:
    """Whether sessions and turns can have this id; the table's keys rely on what it cannot hold."""
    return re.fullmatch(ID_PATTERN, text) is not None


def _without_nan(value: dict[str, Any]) -> dict[str, Any]:
    """Python's JSON knows NaN and Infinity; containers that are not Python's do not."""
    json.dumps(value, allow_nan=False)
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_without_nan)]
StopText = Annotated[str, Field(min_length=1)]
ToolChoice = Literal["none", "auto", "required"] | JsonObject | None


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
    content: tuple[TextPart, ...] = ()
    name: str | None = None
    tool_calls: tuple[RequestToolCall, ...] | None = None
    tool_call_id: str | None = None

    @field_validator(
        "content", mode="before", json_schema_input_type=str | tuple[TextPart, ...] | None
    )
    @classmethod
    def _a_text_is_one_part(cls, content: object) -> object:
        if isinstance(content, str):
            return ({"type": "text", "text": content},)
        if content is None or isinstance(content, list | tuple):
            return content or ()
        raise ValueError("a text or a list of parts is expected")

    def to_message(self) -> Message:
        calls = self.tool_calls or ()
        return Message(
            role=self.role,
            content="".join(part.text for part in self.content),
            name=self.name,
            tool_calls=tuple(ToolCall(c.id, c.function.name, c.function.arguments) for c in calls),
            tool_call_id=self.tool_call_id,
        )


class JsonSchema(Lenient):
    name: str = "reply"
    json_schema: JsonObject = Field(alias="schema", default_factory=dict)


class ResponseFormat(Lenient):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None

    def to_constraint(self) -> JsonConstraint | None:
        if self.type == "text":
            return None
        if self.json_schema is None:
            return JsonConstraint(schema=None)
        return JsonConstraint(schema=self.json_schema.json_schema, name=self.json_schema.name)


def _some(messages: tuple[RequestMessage, ...]) -> tuple[RequestMessage, ...]:
    if not messages:
        raise ValueError("at least one message is expected")
    return messages


class StreamOptions(Lenient):
    include_usage: bool = False


class KitOptions(Strict):
    """What OpenAI's shape has no place for. Unlike there, an unknown key is an error."""

    session_id: Annotated[str | None, Field(pattern=ID_PATTERN)] = None
    client_turn_id: Annotated[str | None, Field(pattern=ID_PATTERN)] = None


class ChatRequest(Lenient):
    model: str
    # Of a list with a faulty item, pydantic's own check of the length says that it is empty.
    messages: Annotated[
        tuple[RequestMessage, ...],
        AfterValidator(_some),
        Field(json_schema_extra={"minItems": 1}),
    ]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int | None, Field(ge=0)] = None
    max_completion_tokens: Annotated[int | None, Field(ge=0)] = None
    temperature: Annotated[float | None, Field(ge=0, le=2)] = None
    top_p: Annotated[float | None, Field(gt=0, le=1)] = None
    frequency_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None
    presence_penalty: Annotated[float | None, Field(ge=-2, le=2)] = None
    seed: Annotated[int | None, Field(ge=-(2**63), lt=2**63)] = None
    stop: tuple[StopText, ...] | None = None
    n: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None
    tools: tuple[JsonObject, ...] | None = None
    tool_choice: ToolChoice = None
    store: bool | None = None
    kit: KitOptions = KitOptions()

    @field_validator(
        "stop", mode="before", json_schema_input_type=StopText | tuple[StopText, ...] | None
    )
    @classmethod
    def _one_stop_is_a_list_of_one(cls, stop: object) -> object:
        return (stop,) if isinstance(stop, str) else stop

    @field_validator("tool_choice", mode="plain", json_schema_input_type=ToolChoice)
    @classmethod
    def _a_choice_is_a_word_or_a_function(cls, choice: object) -> object:
        if isinstance(choice, dict):
            return _without_nan(choice)
        if choice in (None, "none", "auto", "required"):
            return choice
        raise ValueError("'none', 'auto', 'required' or a function is expected")
