"""What the kit asks of a model and what comes back, whatever container serves it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from lambdas.core.catalogue import ModelEntry

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the model wants called; `arguments` is JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


@dataclass(frozen=True, slots=True)
class JsonConstraint:
    """The reply must be JSON; of this schema, unless it is None."""

    schema: Mapping[str, Any] | None
    name: str = "reply"


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One call of a model. None means the container's own default."""

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    constraint: JsonConstraint | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A fragment of the tool call at `index`; id and name come with its first fragment only."""

    index: int
    arguments: str
    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    reason: FinishReason


@dataclass(frozen=True, slots=True)
class Usage:
    """Counted by the model's own tokenizer."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


Piece = TextDelta | ToolCallDelta | Finished | Usage


class ModelClient(Protocol):
    """Calls a deployed model."""

    def open(self, entry: ModelEntry, request: GenerationRequest) -> Iterator[Piece]:
        """Start a generation; the iterator gives pieces as the model makes them.

        A complete reply has exactly one `Finished`; `Usage` comes after it, where the container
        counts. Closing the iterator early ends the connection to the model.

        Raises (here, or from the iterator where the container answers late):
            InvalidRequestError: the model refuses the request; code `context_length_exceeded`
                when prompt and reply do not fit its context.
            UnavailableError: asleep, starting or overloaded.
            ModelFailedError: it broke, or its stream ended before the reply was complete.
        """
        ...
