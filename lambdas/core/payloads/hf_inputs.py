"""`inputs` and `parameters`, as Text Generation Inference and the Hugging Face toolkit read them.

Sources: huggingface/text-generation-inference, router/src/server.rs and docs; the
sagemaker-huggingface-inference-toolkit's handler service (read 2026-11-21).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from lambdas.core.catalogue import ModelEntry
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
    Piece,
    TextDelta,
    Usage,
)
from lambdas.core.payloads import sse

_REASONS: dict[str, FinishReason] = {
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
}
BUSY_RETRY_S = 2
# TGI has no code for it.
_TOO_LONG = re.compile(r"`inputs` (tokens|must have less)|`max_new_tokens` must be <=")
# TGI refuses a top_p of exactly 1, which is its own default.
_HIGHEST_TOP_P = 0.999


@dataclass(frozen=True, slots=True)
class HfInputsPayload:
    """With `streams` TGI's events, else the toolkit's one JSON list."""

    streams: bool

    def write(self, entry: ModelEntry, request: GenerationRequest) -> bytes:
        if request.tools or request.constraint:
            param = "tools" if request.tools else "response_format"
            raise InvalidRequestError(f"{entry.id!r} has no way to obey {param}", param=param)
        body: dict[str, Any] = {
            "inputs": "\n\n".join(m.content for m in request.messages if m.content),
            "parameters": self._parameters(request),
        }
        return json.dumps({**body, "stream": True} if self.streams else body).encode()

    def read(self, parts: Iterable[bytes]) -> Iterator[Piece]:
        return self._read_stream(parts) if self.streams else self._read_whole(parts)

    def refusal(self, status: int, body: str) -> KitError:
        fault = _parsed(body)
        message = str(fault.get("error") or fault.get("message") or body[:500])
        if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
            return UnavailableError(message, retry_after_s=BUSY_RETRY_S, code="model_busy")
        # The toolkit answers 400 to all, its own bugs too, so only TGI's 422 is the caller's fault.
        if status == HTTPStatus.UNPROCESSABLE_ENTITY:
            code = "context_length_exceeded" if _TOO_LONG.search(message) else "model_refused"
            return InvalidRequestError(message, code=code, param="messages")
        return ModelFailedError(f"the model failed: {message}")

    def _parameters(self, request: GenerationRequest) -> dict[str, Any]:
        """Only what is given: the toolkit refuses a parameter that its pipeline does not know."""
        samples = request.temperature is not None and request.temperature > 0
        chosen = {
            "max_new_tokens": request.max_tokens,
            "do_sample": samples,
            "temperature": request.temperature if samples else None,
            "top_p": min(request.top_p, _HIGHEST_TOP_P) if request.top_p and samples else None,
            "seed": request.seed if self.streams else None,
            "stop": (list(request.stop) or None) if self.streams else None,
            "details": True if self.streams else None,
        }
        return {key: value for key, value in chosen.items() if value is not None}

    def _read_stream(self, parts: Iterable[bytes]) -> Iterator[Piece]:
        finished = False
        for data in sse.events(parts):
            event = _parsed(data)
            if event.get("error"):
                raise self.refusal(_status_of(event), json.dumps(event))
            token = event.get("token") or {}
            if token.get("text") and not token.get("special"):
                yield TextDelta(token["text"])
            if event.get("generated_text") is not None:
                finished = True
                yield from _end(event.get("details") or {})
        if not finished:
            raise ModelFailedError("the model's reply broke off before its end")

    def _read_whole(self, parts: Iterable[bytes]) -> Iterator[Piece]:
        reply = _parsed(b"".join(parts))
        text = reply.get("generated_text", reply.get("summary_text"))
        if text is None:
            raise ModelFailedError("the model's reply holds no generated text")
        if text:
            yield TextDelta(text)
        yield Finished("stop")


def _end(details: Mapping[str, Any]) -> Iterator[Piece]:
    reason = details.get("finish_reason") or "eos_token"
    if reason not in _REASONS:
        raise ModelFailedError(f"the model ended with {reason!r}")
    yield Finished(_REASONS[reason])
    if details.get("input_length") is not None:
        yield Usage(details["input_length"], details.get("generated_tokens") or 0)


def _status_of(event: Mapping[str, Any]) -> int:
    """TGI sends errors of a stream with status 200; their type tells the status."""
    kinds = {
        "validation": HTTPStatus.UNPROCESSABLE_ENTITY,
        "overloaded": HTTPStatus.TOO_MANY_REQUESTS,
    }
    return kinds.get(str(event.get("error_type")).lower(), HTTPStatus.FAILED_DEPENDENCY)


def _parsed(text: str | bytes) -> dict[str, Any]:
    """The object in a reply, or in its list of one."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return {}
    if isinstance(parsed, list):
        parsed = parsed[0] if parsed else {}
    return parsed if isinstance(parsed, dict) else {}
