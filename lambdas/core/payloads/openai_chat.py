"""OpenAI's chat body, as vLLM reads and writes it.

Sources: vllm-project/vllm, openai/chat_completion/protocol.py and openai/engine/protocol.py;
aws/deep-learning-containers, docs/vllm/deployment/sagemaker.md (read 2026-11-21).
"""

import json
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any

from lambdas.core.catalogue import ModelEntry
from lambdas.core.completion import message_fields
from lambdas.core.errors import (
    InvalidRequestError,
    KitError,
    ModelFailedError,
    UnavailableError,
)
from lambdas.core.generation import (
    Finished,
    FinishReason,
    GenerationRequest,
    JsonConstraint,
    Message,
    Piece,
    TextDelta,
    ToolCallDelta,
    Usage,
)
from lambdas.core.payloads import sse

# vLLM has no code for it: 0.16 and later say "You passed", earlier ones "maximum context length".
_TOO_LONG = re.compile(
    r"maximum context length|context length is only|exceed\w* the available context"
)
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_FAILURES = {"error", "abort"}
_RETRY_S: dict[int, int] = {HTTPStatus.TOO_MANY_REQUESTS: 2, HTTPStatus.SERVICE_UNAVAILABLE: 10}


class OpenAIChatPayload:
    streams = True

    def write(self, entry: ModelEntry, request: GenerationRequest) -> bytes:
        body: dict[str, Any] = {
            "model": entry.id,
            "messages": [_message(message) for message in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "frequency_penalty": request.frequency_penalty,
            "presence_penalty": request.presence_penalty,
            "seed": request.seed,
            "stop": list(request.stop) or None,
            "response_format": request.constraint and _response_format(request.constraint),
            "tools": list(request.tools) or None,
            "tool_choice": request.tool_choice,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        given = {key: value for key, value in body.items() if value is not None}
        return json.dumps(given, ensure_ascii=False).encode()

    def read(self, parts: Iterable[bytes]) -> Iterator[Piece]:
        finished = False
        for data in sse.events(parts):
            if data == b"[DONE]":
                break
            for piece in self._pieces(_parsed(data)):
                finished = finished or isinstance(piece, Finished)
                yield piece
        if not finished:
            raise ModelFailedError("the model's reply broke off before its end")

    def refusal(self, status: int, body: str) -> KitError:
        fault = _fault(body)
        message = str(fault.get("message") or body[:500] or f"the container answered {status}")
        if _TOO_LONG.search(message):
            return InvalidRequestError(message, code="context_length_exceeded", param="messages")
        if status in _RETRY_S:
            return UnavailableError(message, retry_after_s=_RETRY_S[status], code="model_busy")
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return InvalidRequestError(message, code="model_refused")
        return ModelFailedError(f"the model failed: {message}")

    def _pieces(self, chunk: dict[str, Any]) -> Iterator[Piece]:
        if chunk.get("error") or chunk.get("object") == "error":
            fault = _fault(json.dumps(chunk))
            raise self.refusal(_status(fault.get("code")), json.dumps(chunk))
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            if delta.get("content"):
                yield TextDelta(delta["content"])
            for call in delta.get("tool_calls") or ():
                yield _tool_call(call)
            if choice.get("finish_reason"):
                yield _finished(choice["finish_reason"])
        usage = chunk.get("usage")
        if usage and not chunk.get("choices"):
            yield Usage(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0)


def _finished(reason: str) -> Finished:
    """Containers have more words for a good end than OpenAI; some for a bad one too."""
    if reason in _FAILURES:
        raise ModelFailedError(f"the model ended with {reason!r}")
    return Finished(_REASONS.get(reason, "stop"))


def _message(message: Message) -> dict[str, Any]:
    """Chat templates of open models know no developer: it is their system."""
    role = "system" if message.role == "developer" else message.role
    return {**message_fields(message), "role": role}


def _response_format(constraint: JsonConstraint) -> dict[str, Any]:
    if constraint.schema is None:
        return {"type": "json_object"}
    named = {"name": constraint.name, "schema": constraint.schema}
    return {"type": "json_schema", "json_schema": named}


def _tool_call(call: dict[str, Any]) -> ToolCallDelta:
    function = call.get("function") or {}
    return ToolCallDelta(
        index=call.get("index") or 0,
        arguments=function.get("arguments") or "",
        id=call.get("id") or None,
        name=function.get("name") or None,
    )


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise ModelFailedError("the model's stream holds something that is not JSON") from error
    return chunk if isinstance(chunk, dict) else {}


def _fault(body: str) -> dict[str, Any]:
    """The error object, nested under `error` in current vLLM and flat in older releases."""
    try:
        parsed = json.loads(body)
    except ValueError:
        return {}
    nested = parsed.get("error", parsed) if isinstance(parsed, dict) else {}
    return nested if isinstance(nested, dict) else {"message": str(nested)}


def _status(code: object) -> int:
    return code if isinstance(code, int) else HTTPStatus.INTERNAL_SERVER_ERROR
