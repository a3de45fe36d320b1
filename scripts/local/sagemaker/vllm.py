"""The vLLM container's dialect on `/invocations`, spoken in front of an OpenAI-compatible server.

Bodies and streams of llama.cpp's server are OpenAI's already and pass through as they are; what is
translated are refusals and a stream's first chunk. Wordings: vLLM 0.16 and later.
"""

import json
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from typing import Any

import httpx

from scripts.local.sagemaker.faults import ContainerError
from scripts.local.sagemaker.model_servers import ModelServer

Json = dict[str, Any]
KINDS = {400: "BadRequestError", 404: "NotFoundError", 422: "BadRequestError"}
TEMPLATE_TOKENS = 512  # at most, that a chat template adds to the text of the messages
TOO_LONG = "exceed_context_size_error"  # llama.cpp's name for it


class VllmContainer:
    """Answers one chat call; the reply is left open, to be read or relayed by the caller."""

    def __init__(self, client: httpx.AsyncClient, server: ModelServer) -> None:
        self._client = client
        self._server = server
        self._headers = {"content-type": "application/json"}
        if server.key:
            self._headers["authorization"] = f"Bearer {server.key}"

    async def open(self, body: bytes) -> httpx.Response:
        """Start the call.

        Raises:
            ContainerError: the container's own refusal, or a server that is not there.
        """
        chat = chat_of(body)
        if self._server.model:
            chat["model"] = self._server.model
        try:
            await self._check_length(chat)
            response = await self._send("/chat/completions", chat, stream=True)
            if response.is_error:
                await response.aread()
                raise ContainerError(response.status_code, translated(response, chat))
        except httpx.TransportError as error:
            raise gone(error) from error
        return response

    async def _send(self, path: str, body: Json, *, stream: bool = False) -> httpx.Response:
        content = json.dumps(body, separators=(",", ":")).encode()
        url = self._server.base_url + path
        request = self._client.build_request("POST", url, content=content, headers=self._headers)
        return await self._client.send(request, stream=stream)

    async def _check_length(self, chat: Json) -> None:
        """Refuse what vLLM refuses and llama.cpp cuts short: prompt and output beyond the context.

        A token has at least one character, so that most calls need no count.
        """
        context = self._server.context_tokens
        output = output_tokens(chat)
        if context is None or output is None:
            return
        if output > context:
            limit = f"max_model_len=max_total_tokens={context}"
            text = f"max_tokens={output} cannot be greater than {limit}. Please request fewer."
            raise ContainerError(400, failure(400, text))
        if len(json.dumps(chat)) + TEMPLATE_TOKENS + output <= context:
            return
        counted = await self._send("/chat/completions/input_tokens", chat)
        if counted.is_success and (prompt := counted.json()["input_tokens"]) + output > context:
            raise ContainerError(400, too_long(prompt, output, context))


async def with_role(parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Relay a stream; give it the role chunk that llama.cpp forgets.

    llama.cpp sends the role with its first token, and sends nothing for a first token that is a
    part of a character: an answer that begins with an emoji has no role.
    """
    head, opened = b"", False
    async for part in parts:
        head += part
        while not opened and b"\n\n" in head:
            event, _, head = head.partition(b"\n\n")
            opened = event.startswith(b"data:")  # a comment is no chunk
            yield (role_chunk(event) if opened else b"") + event + b"\n\n"
        if opened and head:
            yield head
            head = b""


def role_chunk(first: bytes) -> bytes:
    """Make the chunk that has to come before `first`, if that one names no role itself."""
    chunk = json.loads(first.removeprefix(b"data:"))
    choices = chunk.get("choices")
    if not choices or "role" in choices[0]["delta"]:
        return b""
    delta = {"role": "assistant", "content": ""}
    chunk["choices"] = [{"index": 0, "delta": delta, "finish_reason": None}]
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def chat_of(body: bytes) -> Json:
    try:
        chat = json.loads(body)
    except ValueError as error:
        raise ContainerError(400, failure(400, f"Invalid JSON: {error}")) from error
    if not isinstance(chat, dict) or not isinstance(chat.get("messages"), list):
        text = "Cannot find suitable handler for request. Expected one of: ['chat_completion']"
        raise ContainerError(400, failure(400, text))
    return chat


def output_tokens(chat: Json) -> int | None:
    asked = chat.get("max_completion_tokens") or chat.get("max_tokens")
    return asked if isinstance(asked, int) else None


def failure(status: int, message: str, *, kind: str | None = None, param: str | None = None) -> str:
    kind = kind or KINDS.get(status, "InternalServerError")
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": status}})


def too_long(prompt: int, output: int, context: int) -> str:
    text = (
        f"You passed {prompt} input tokens and requested {output} output tokens. However, the "
        f"model's context length is only {context} tokens, resulting in a maximum input length of "
        f"{context - output} tokens. Please reduce the length of the input prompt. "
        f"(parameter=input_tokens, value={prompt})"
    )
    return failure(400, text, param="input_tokens")


def translated(response: httpx.Response, chat: Json) -> str:
    """Put the server's refusal in vLLM's words."""
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return failure(response.status_code, response.text)
    if not isinstance(error, Mapping):
        return failure(response.status_code, str(error))
    if error.get("type") == TOO_LONG:
        return too_long(error["n_prompt_tokens"], output_tokens(chat) or 0, error["n_ctx"])
    kind = error.get("type") if "param" in error else None  # llama.cpp's errors have no `param`
    message = str(error.get("message", ""))
    return failure(response.status_code, message, kind=kind, param=error.get("param"))


def gone(error: httpx.TransportError) -> ContainerError:
    text = f"the model server went away: {error or type(error).__name__}"
    return ContainerError(500, failure(500, text, kind="EngineDeadError"))
