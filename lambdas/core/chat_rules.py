"""What a chat request may ask of a model, and the call of the model that it becomes."""

from collections.abc import Mapping, Sequence

from lambdas.core.catalogue import ModelEntry
from lambdas.core.chat_request import ChatRequest
from lambdas.core.errors import InvalidRequestError, NotFoundError
from lambdas.core.generation import GenerationRequest, Message

# A reply that nobody sized: long enough for an answer, short enough for a bill.
DEFAULT_MAX_TOKENS = 1024
SHOWN_OF_AN_ID = 80
SYSTEM_ROLES = frozenset({"system", "developer"})


def entry_for(models: Mapping[str, ModelEntry], model_id: str) -> ModelEntry:
    if model_id not in models:
        allowed = ", ".join(models) or "none is up"
        raise NotFoundError(
            f"no model {model_id[:SHOWN_OF_AN_ID]!r} is up here; there is: {allowed}",
            code="model_not_found",
            param="model",
        )
    return models[model_id]


def checked_messages(request: ChatRequest) -> list[Message]:
    """The request's messages, refused where they cannot be meant.

    Raises:
        InvalidRequestError: a tool message names no call; nothing is said; or, in a session,
            an assistant message comes from the caller.
    """
    messages = [message.to_message() for message in request.messages]
    for index, message in enumerate(messages):
        if message.role == "tool" and not message.tool_call_id:
            raise InvalidRequestError(
                "a tool message must name the call it answers",
                param=f"messages.{index}.tool_call_id",
            )
    if request.kit.session_id:
        _check_session_messages(messages)
    return messages


def generation_request(
    entry: ModelEntry, request: ChatRequest, messages: Sequence[Message]
) -> GenerationRequest:
    """The model call of a request, refused where the model cannot honour what changes meaning."""
    _refuse_what_cannot_be_honoured(entry, request)
    constraint = request.response_format and request.response_format.to_constraint()
    wants_tools = bool(request.tools) and request.tool_choice != "none"
    return GenerationRequest(
        messages=tuple(messages),
        max_tokens=max_tokens(entry, request),
        temperature=request.temperature,
        top_p=request.top_p,
        frequency_penalty=request.frequency_penalty,
        presence_penalty=request.presence_penalty,
        seed=request.seed,
        stop=request.stop or (),
        constraint=constraint or None,
        tools=(request.tools or ()) if wants_tools else (),
        tool_choice=request.tool_choice if wants_tools else None,
    )


def max_tokens(entry: ModelEntry, request: ChatRequest) -> int:
    """Both of OpenAI's names are read, the newer one first; 0 is taken as 1."""
    newer = request.max_completion_tokens is not None
    asked = request.max_completion_tokens if newer else request.max_tokens
    if asked is None:
        return min(DEFAULT_MAX_TOKENS, entry.max_output_tokens)
    if asked > entry.max_output_tokens:
        name = "max_completion_tokens" if newer else "max_tokens"
        raise InvalidRequestError(
            f"{name} is {asked}; {entry.id!r} allows {entry.max_output_tokens}", param=name
        )
    return max(1, asked)


def _refuse_what_cannot_be_honoured(entry: ModelEntry, request: ChatRequest) -> None:
    wants_json = request.response_format is not None and request.response_format.type != "text"
    refusals = {
        "n": request.n not in {None, 1} and f"n is {request.n}; one choice a request is allowed",
        "logprobs": request.logprobs and f"{entry.id!r} gives no log probabilities",
        "top_logprobs": request.top_logprobs and f"{entry.id!r} gives no log probabilities",
        "tools": bool(request.tools)
        and request.tool_choice != "none"
        and not entry.tools
        and f"{entry.id!r} cannot call tools",
        "response_format": wants_json
        and not entry.json_schema
        and f"replies of {entry.id!r} cannot be held to a format",
        "store": request.store is False
        and request.kit.session_id is not None
        and "a session is kept; leave out store or kit.session_id",
    }
    for param, reason in refusals.items():
        if reason:
            raise InvalidRequestError(reason, param=param)


def _check_session_messages(messages: Sequence[Message]) -> None:
    """In a session only what is new is sent: what the user or a tool says, a system message."""
    if any(message.role == "assistant" for message in messages):
        raise InvalidRequestError(
            "an assistant message is in messages; in a session the kit keeps the replies:"
            " send only what is new",
            param="messages",
        )
    if all(message.role in SYSTEM_ROLES for message in messages):
        raise InvalidRequestError("messages holds no user or tool message", param="messages")
