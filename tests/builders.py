"""Owners, turns, requests and catalogue entries for tests: say only what the test is about."""

import json
import time
from dataclasses import replace
from typing import Any

from lambdas.core.catalogue import ModelEntry, load_catalogue
from lambdas.core.chat_request import ChatRequest
from lambdas.core.generation import GenerationRequest, Message
from lambdas.core.identity import Owner
from lambdas.core.turns import LEASE_S, Limits, Turn

ANA, BEN = Owner("ana"), Owner("ben")
SMALL, TOOLS, TEXT_TO_TEXT = "smollm2-135m-instruct", "qwen2.5-7b-instruct", "flan-t5-base"
CATALOGUE = load_catalogue()
WIDE = Limits(tokens_per_day=1_000_000, concurrent_streams=100)


def user(text: str) -> Message:
    return Message("user", text)


def a_turn(turn_id: str = "t-0", **fields: Any) -> Turn:
    """A running turn of the session `s`, started now."""
    now = int(time.time())
    turn = Turn(
        id=turn_id,
        session_id="s",
        position=0,
        model=SMALL,
        messages=(user("hello"),),
        created_at=now,
        lease_until=now + LEASE_S,
    )
    return replace(turn, **fields)


def a_cut_turn(turn_id: str = "t-0", **fields: Any) -> Turn:
    """A turn whose function was killed: its lease has run out."""
    return a_turn(turn_id, **{"lease_until": int(time.time()) - 60, **fields})


def an_entry(model_id: str = SMALL, **fields: Any) -> ModelEntry:
    return CATALOGUE[model_id].model_copy(update=fields)


def a_generation(*texts: str, **fields: Any) -> GenerationRequest:
    messages = tuple(user(text) for text in texts or ("hello",))
    return GenerationRequest(**{"messages": messages, "max_tokens": 64, **fields})


def a_chat_body(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"model": SMALL, "messages": [{"role": "user", "content": text}], **fields}


def a_chat_request(text: str = "hello", **fields: Any) -> ChatRequest:
    return ChatRequest.model_validate_json(json.dumps(a_chat_body(text, **fields)))


def in_session(text: str, client_turn_id: str | None = None, **fields: Any) -> ChatRequest:
    kit = {"session_id": "s", **({"client_turn_id": client_turn_id} if client_turn_id else {})}
    return a_chat_request(text, kit=kit, **fields)


def a_request_context(sub: str | None = "ana", request_id: str = "r-1") -> dict[str, Any]:
    """What API Gateway tells a function about a call that its authorizer let through."""
    authorizer = {"claims": {"sub": sub, "email": f"{sub}@example.org"}} if sub else None
    return {"requestId": request_id, "authorizer": authorizer, "stage": "v"}


def a_rest_event(
    method: str, path: str, *, sub: str | None = "ana", query: dict[str, str] | None = None
) -> dict[str, Any]:
    """An event of an API Gateway REST API with proxy integration."""
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": {"authorization": "Bearer x"},
        "multiValueHeaders": {"authorization": ["Bearer x"]},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} if query else None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            **a_request_context(sub),
            "httpMethod": method,
            "path": path,
            "resourcePath": path,
            "identity": {"sourceIp": "127.0.0.1"},
        },
        "body": None,
        "isBase64Encoded": False,
    }
