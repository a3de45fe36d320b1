"""The objects that the API answers with: the builders return them, the OpenAPI document shows them.

`TypedDict` comes from typing_extensions because pydantic, which makes the schemas, asks for that
one below Python 3.12.
"""

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from lambdas.core.catalogue import Task
from lambdas.core.generation import FinishReason, Role
from lambdas.core.turns import TurnStatus


class CalledFunction(TypedDict):
    name: str
    arguments: str


class CallObject(TypedDict):
    id: str
    type: Literal["function"]
    function: CalledFunction


class MessageObject(TypedDict):
    role: Role
    content: str
    name: NotRequired[str]
    tool_calls: NotRequired[list[CallObject]]
    tool_call_id: NotRequired[str]


class ReplyMessage(MessageObject):
    refusal: None


class UsageObject(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Timings(TypedDict):
    """Milliseconds since the request reached the function."""

    accepted: int
    first_token: int | None
    total: int


class KitObject(TypedDict):
    session_id: str | None
    timings_ms: Timings


class Choice(TypedDict):
    index: int
    message: ReplyMessage
    finish_reason: FinishReason
    logprobs: None


class CompletionObject(TypedDict):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: NotRequired[UsageObject]
    kit: KitObject


class FragmentFunction(TypedDict):
    name: NotRequired[str]
    arguments: str


class CallFragment(TypedDict):
    """A piece of the tool call at `index`; id, type and name come once, with the first."""

    index: int
    id: NotRequired[str]
    type: NotRequired[Literal["function"]]
    function: FragmentFunction


class Delta(TypedDict, total=False):
    role: Literal["assistant"]
    content: str
    tool_calls: list[CallFragment]


class ChunkChoice(TypedDict):
    index: int
    delta: Delta
    finish_reason: FinishReason | None


class ChunkObject(TypedDict):
    """One server-sent event. `usage` and `kit` ride on the last ones; `choices` may be empty."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: NotRequired[UsageObject]
    kit: NotRequired[KitObject]


class StopKit(TypedDict):
    status: TurnStatus


class StopObject(TypedDict):
    """The shape is OpenAI's, whose clients have a method for the route; nothing is deleted."""

    id: str
    object: Literal["chat.completion.deleted"]
    deleted: Literal[False]
    kit: StopKit


class ModelKit(TypedDict):
    context_tokens: int
    tools: bool
    task: Task


class ModelObject(TypedDict):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    kit: ModelKit


class ModelList(TypedDict):
    object: Literal["list"]
    data: list[ModelObject]


class Page(TypedDict):
    """A page of a list: ask for the next with `after` = `last_id`."""

    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class TurnObject(TypedDict):
    id: str
    object: Literal["turn"]
    position: int
    status: TurnStatus
    model: str
    created_at: int
    system: str | None
    messages: list[MessageObject]
    reply: MessageObject
    finish_reason: FinishReason | None
    usage: UsageObject | None
    error: str | None


class TurnPage(Page):
    data: list[TurnObject]


class SessionObject(TypedDict):
    id: str
    object: Literal["session"]
    title: str
    created_at: int
    updated_at: int
    turn_count: int


class SessionPage(Page):
    data: list[SessionObject]


class SessionWithTurns(SessionObject):
    turns: TurnPage


class DeletedSession(TypedDict):
    id: str
    object: Literal["session.deleted"]
    deleted: Literal[True]


class ErrorFields(TypedDict):
    message: str
    type: str
    param: str | None
    code: str


class ErrorObject(TypedDict):
    error: ErrorFields


class HealthObject(TypedDict):
    status: Literal["ok"]
