"""The public routes: what each takes, what it answers with, and how it can refuse."""

from dataclasses import dataclass
from typing import Any

from lambdas.core import api_objects as objects
from lambdas.core.chat_request import ID_PATTERN, ChatRequest

Json = dict[str, Any]

# What the gateway, the authorizer or the store may answer whatever the route.
COMMON_FAULTS = (400, 401, 403, 429, 500, 503, 504)
CHAT_FAULTS = (*COMMON_FAULTS, 404, 409, 413, 502)

FAULTS = {
    400: ("Invalid", "The request is at fault; `param` names the field."),
    401: ("Unauthenticated", "There is no valid ID token."),
    403: ("Forbidden", "The firewall or a policy refuses it."),
    404: ("NotFound", "There is no such thing, or it is not yours."),
    409: ("Conflict", "Something else came first; look at the present state."),
    413: ("TooLarge", "The body is larger than API Gateway takes."),
    429: ("LimitExceeded", "A limit is used up; the message names it."),
    500: ("InternalError", "A fault of ours; the log knows the request id."),
    502: ("ModelFailed", "The model broke; another may not."),
    503: ("Unavailable", "The model or the store is not ready; wait for `retry-after` seconds."),
    504: ("TimedOut", "The answer took too long; ask for it streamed."),
}
WITH_RETRY_AFTER = frozenset({429, 503})


@dataclass(frozen=True)
class Parameter:
    name: str
    place: str
    description: str
    schema: Json
    example: object


@dataclass(frozen=True)
class Operation:
    """One method of one path. `streams` adds server-sent events to its reply."""

    method: str
    path: str
    id: str
    summary: str
    reply: type
    example: Json
    parameters: tuple[Parameter, ...] = ()
    body: type | None = None
    body_examples: tuple[tuple[str, Json], ...] = ()
    faults: tuple[int, ...] = COMMON_FAULTS
    is_public: bool = False
    streams: bool = False


def _path(name: str, description: str, example: str, **schema: object) -> Parameter:
    return Parameter(name, "path", description, {"type": "string", **schema}, example)


_LIMIT = Parameter(
    "limit",
    "query",
    "The most items on the page",
    {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    20,
)


def _after(what: str, example: str) -> Parameter:
    schema: Json = {"type": "string"}
    return Parameter("after", "query", f"Give what comes after this {what}", schema, example)


_NOT_FOUND = (*COMMON_FAULTS, 404)
_MODEL = "smollm2-135m-instruct"
_COMPLETION_ID = "chatcmpl-04f4208c493146c29c0aa1b7913dc950"
_SESSION = _path("session_id", "As given in `kit.session_id`", "trip-to-rome", pattern=ID_PATTERN)
_QUESTION: Json = {"role": "user", "content": "Name a city in Italy."}
_ANSWER: Json = {"role": "assistant", "content": "Rome."}
_USAGE: Json = {"prompt_tokens": 15, "completion_tokens": 3, "total_tokens": 18}
_MODEL_EXAMPLE: Json = {
    "id": _MODEL,
    "object": "model",
    "created": 1730419200,
    "owned_by": "smollm2",
    "kit": {"context_tokens": 8192, "tools": False, "task": "chat"},
}
_COMPLETION_EXAMPLE: Json = {
    "id": _COMPLETION_ID,
    "object": "chat.completion",
    "created": 1795301957,
    "model": _MODEL,
    "choices": [
        {
            "index": 0,
            "message": {**_ANSWER, "refusal": None},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": _USAGE,
    "kit": {
        "session_id": "trip-to-rome",
        "timings_ms": {"accepted": 24, "first_token": 61, "total": 118},
    },
}
_SESSION_EXAMPLE: Json = {
    "id": "trip-to-rome",
    "object": "session",
    "title": "Name a city in Italy.",
    "created_at": 1795301957,
    "updated_at": 1795301958,
    "turn_count": 1,
}
_TURN_EXAMPLE: Json = {
    "id": _COMPLETION_ID,
    "object": "turn",
    "position": 0,
    "status": "completed",
    "model": _MODEL,
    "created_at": 1795301957,
    "system": None,
    "messages": [_QUESTION],
    "reply": _ANSWER,
    "finish_reason": "stop",
    "usage": _USAGE,
    "error": None,
}


def _page(item: Json) -> Json:
    ends = {"first_id": item["id"], "last_id": item["id"]}
    return {"object": "list", "data": [item], **ends, "has_more": False}


ROUTES = (
    Operation(
        "get",
        "/health",
        "health",
        "Whether the API is there; asks for no token",
        objects.HealthObject,
        {"status": "ok"},
        faults=(429, 500),
        is_public=True,
    ),
    Operation(
        "get",
        "/v1/models",
        "listModels",
        "The models that are up",
        objects.ModelList,
        {"object": "list", "data": [_MODEL_EXAMPLE]},
    ),
    Operation(
        "get",
        "/v1/models/{model_id}",
        "getModel",
        "One model",
        objects.ModelObject,
        _MODEL_EXAMPLE,
        parameters=(_path("model_id", "As the list has it", _MODEL),),
        faults=_NOT_FOUND,
    ),
    Operation(
        "post",
        "/v1/chat/completions",
        "createChatCompletion",
        "A turn: whole, or as server-sent events with `stream: true`",
        objects.CompletionObject,
        _COMPLETION_EXAMPLE,
        body=ChatRequest,
        body_examples=(
            ("whole", {"model": _MODEL, "messages": [_QUESTION]}),
            ("streamed", {"model": _MODEL, "messages": [_QUESTION], "stream": True}),
            (
                "inASession",
                {
                    "model": _MODEL,
                    "messages": [_QUESTION],
                    "kit": {"session_id": "trip-to-rome", "client_turn_id": "first"},
                },
            ),
        ),
        faults=CHAT_FAULTS,
        streams=True,
    ),
    Operation(
        "delete",
        "/v1/chat/completions/{completion_id}",
        "stopChatCompletion",
        "Ask a running turn to stop; what was generated is kept",
        objects.StopObject,
        {
            "id": _COMPLETION_ID,
            "object": "chat.completion.deleted",
            "deleted": False,
            "kit": {"status": "running"},
        },
        parameters=(_path("completion_id", "The completion's `id`", _COMPLETION_ID),),
        faults=_NOT_FOUND,
    ),
    Operation(
        "get",
        "/v1/sessions",
        "listSessions",
        "Your sessions, the last used first",
        objects.SessionPage,
        _page(_SESSION_EXAMPLE),
        parameters=(_LIMIT, _after("session", "trip-to-rome")),
        faults=_NOT_FOUND,
    ),
    Operation(
        "get",
        "/v1/sessions/{session_id}",
        "getSession",
        "A session with its turns, oldest first",
        objects.SessionWithTurns,
        {**_SESSION_EXAMPLE, "turns": _page(_TURN_EXAMPLE)},
        parameters=(_SESSION, _LIMIT, _after("turn", _COMPLETION_ID)),
        faults=_NOT_FOUND,
    ),
    Operation(
        "delete",
        "/v1/sessions/{session_id}",
        "deleteSession",
        "Remove a session with all its turns and texts",
        objects.DeletedSession,
        {"id": "trip-to-rome", "object": "session.deleted", "deleted": True},
        parameters=(_SESSION,),
        faults=_NOT_FOUND,
    ),
)
