"""A chat model that does what the last user message says: OpenAI's protocol, no weights, no chance.

    python tests/scripted_model.py --port 5200 [--context-tokens 8192]

In a test: `with serving(ScriptedModel().app()) as url:` (tests/serving.py), then `url + "/v1"`.
It answers `POST /v1/chat/completions` (buffered and streamed) as the vLLM container does, and
`GET /health`, `GET /v1/models`, `GET /requests` (the bodies it received, oldest first).
The last user message is a command; spaces around it do not matter:

    echo[ every MS]: TEXT    TEXT, word by word, MS milliseconds before each word but the first
    count N [every MS]       `1 2 3 ... N`, a token each, MS milliseconds before each but the first
    tool NAME JSON           a call of the function NAME; its arguments JSON arrive in fragments
    messages?                the JSON text of the messages received, so a test can see the prompt
    request?                 the JSON text of the whole request body
    nothing                  an empty answer with finish_reason `stop`
    fail after N             N tokens, half a line, then the connection breaks (buffered: 500)
    error after N            N tokens, then vLLM's error event and `[DONE]` (buffered: 500)
    stall after N            N tokens, then silence until the client goes away
    error STATUS             an error reply with that status, before the first byte
    too long                 vLLM's 400 for a prompt beyond the context length
    slow first MS [then X]   wait MS milliseconds before the first byte, then X (or `echo: slow`)
    anything else            `You said: ` and the message

A token is a word between white space, so usage is exact: prompt tokens are the words of all
messages, completion tokens the words of the answer (or of the tool arguments). `max_tokens` or
`max_completion_tokens` cut the answer (finish_reason `length`), `stop` ends it before its text, and
a prompt that does not fit the context with the output asked for is refused like `too long`.
Ids count up from `chatcmpl-1`; `created` is always 1; nothing depends on the clock but the waits.
"""

import argparse
import asyncio
import itertools
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

Json = dict[str, Any]
FRAGMENT_CHARS = 6  # of tool arguments in one chunk


@dataclass
class Script:
    """What one request gets: tokens, waits and how it ends."""

    tokens: list[str] = field(default_factory=list)
    tool: str | None = None
    first_ms: int = 0
    every_ms: int = 0
    end: Literal["stop", "length", "cut", "error", "stall"] = "stop"
    status: int = 200
    too_long: bool = False


class StreamCutError(Exception):
    """Raised inside a stream so that the server drops the connection; it is meant to."""


def words(text: str) -> list[str]:
    """Split into tokens that join to the same text; one for each word."""
    return re.findall(r"\s*\S+(?:\s+\Z)?", text)


def text_of(message: Json) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def numbers(count: str, every_ms: str | None, _: Json) -> Script:
    tokens = [f"{n} " for n in range(1, int(count))] + [count]
    return Script(tokens if int(count) else [], every_ms=int(every_ms or 0))


def echoed(every_ms: str | None, text: str, _: Json) -> Script:
    return Script(words(text), every_ms=int(every_ms or 0))


def delayed(first_ms: str, then: str | None, body: Json) -> Script:
    script = script_of(then or "echo: slow", body)
    script.first_ms = int(first_ms)
    return script


def tool_call(name: str, arguments: str, _: Json) -> Script:
    size = FRAGMENT_CHARS
    fragments = [arguments[at : at + size] for at in range(0, len(arguments), size)]
    return Script(fragments, tool=name)


def broken(end: Literal["cut", "error", "stall"]) -> Callable[..., Script]:
    return lambda count, _: Script([f"{n} " for n in range(1, int(count) + 1)], end=end)


COMMANDS: list[tuple[str, Callable[..., Script]]] = [
    (r"echo(?: every (\d+))?:\s?(.*)", echoed),
    (r"count (\d+)(?: every (\d+))?", numbers),
    (r"tool (\w+) (.+)", tool_call),
    (r"messages\?", lambda body: Script(words(json.dumps(body["messages"])))),
    (r"request\?", lambda body: Script(words(json.dumps(body)))),
    (r"nothing", lambda _: Script()),
    (r"fail after (\d+)", broken("cut")),
    (r"error after (\d+)", broken("error")),
    (r"stall after (\d+)", broken("stall")),
    (r"error ([45]\d\d)", lambda status, _: Script(status=int(status))),
    (r"too long", lambda _: Script(too_long=True)),
    (r"slow first (\d+)(?: then (.+))?", delayed),
]


def script_of(command: str, body: Json) -> Script:
    for pattern, make in COMMANDS:
        if match := re.fullmatch(pattern, command.strip(), re.DOTALL):
            return make(*match.groups(), body)
    return Script(words(f"You said: {command}"))


def shortened(script: Script, body: Json) -> Script:
    """Apply `stop` and the token limit, in this order."""
    stops = body.get("stop") or []
    for stop in [stops] if isinstance(stops, str) else stops:
        script.tokens = words("".join(script.tokens).split(stop)[0])
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None and script.end == "stop" and len(script.tokens) > limit:
        script.tokens, script.end = script.tokens[:limit], "length"
    return script


def failure(status: int, message: str, param: str | None = None) -> Json:
    kind = "BadRequestError" if status < 500 else "InternalServerError"
    return {"error": {"message": message, "type": kind, "param": param, "code": status}}


class ScriptedModel:
    """The server's state: its context length and what it was asked."""

    def __init__(self, context_tokens: int = 8192) -> None:
        self.requests: list[Json] = []
        self.hang_ups = threading.Semaphore(0)  # one for each stream whose reader left
        self._context_tokens = context_tokens
        self._ids = itertools.count(1)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/health", self._health),
                Route("/v1/models", self._models),
                Route("/requests", self._requests),
                Route("/v1/chat/completions", self._chat, methods=["POST"]),
            ]
        )

    async def _health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _models(self, _: Request) -> Response:
        return JSONResponse({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    async def _requests(self, _: Request) -> Response:
        return JSONResponse(self.requests)

    async def _chat(self, request: Request) -> Response:
        try:
            body = await request.json()
            users = [text_of(m) for m in body["messages"] if m["role"] == "user"]
        except (ValueError, KeyError, TypeError) as error:
            return JSONResponse(failure(400, f"not a chat request: {error!r}"), 400)
        self.requests.append(body)
        script = shortened(script_of(users[-1] if users else "nothing", body), body)
        if script.first_ms:
            await asyncio.sleep(script.first_ms / 1000)
        return self._refusal(script, body) or await self._answer(script, body)

    def _refusal(self, script: Script, body: Json) -> Response | None:
        if script.status != 200:
            return JSONResponse(failure(script.status, "told to fail"), script.status)
        prompt = prompt_tokens(body)
        output = body.get("max_completion_tokens") or body.get("max_tokens") or 0
        if not script.too_long and prompt + output <= self._context_tokens:
            return None
        text = (
            f"You passed {prompt} input tokens and requested {output} output tokens. However, the "
            f"model's context length is only {self._context_tokens} tokens, resulting in a maximum "
            f"input length of {self._context_tokens - output} tokens. "
            "Please reduce the length of the input prompt. "
            f"(parameter=input_tokens, value={prompt})"
        )
        return JSONResponse(failure(400, text, "input_tokens"), 400)

    async def _answer(self, script: Script, body: Json) -> Response:
        head = {"id": f"chatcmpl-{next(self._ids)}", "created": 1}
        head["model"] = body.get("model") or "scripted"
        if body.get("stream"):
            events = self._watched(stream(script, body, head))
            return StreamingResponse(events, media_type="text/event-stream")
        await asyncio.sleep(script.every_ms * max(len(script.tokens) - 1, 0) / 1000)
        if script.end in {"cut", "error", "stall"}:
            return JSONResponse(failure(500, "told to fail"), 500)
        return JSONResponse(completion(script, body, head))

    async def _watched(self, events: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            async for event_text in events:
                yield event_text
        except (asyncio.CancelledError, GeneratorExit):
            self.hang_ups.release()
            raise


def prompt_tokens(body: Json) -> int:
    return sum(len(text_of(message).split()) for message in body["messages"])


def usage(script: Script, body: Json) -> Json:
    given, made = prompt_tokens(body), len("".join(script.tokens).split())
    return {"prompt_tokens": given, "total_tokens": given + made, "completion_tokens": made}


def finish_reason(script: Script) -> str:
    return "tool_calls" if script.tool and script.end == "stop" else script.end


def completion(script: Script, body: Json, head: Json) -> Json:
    text = "".join(script.tokens)
    message: Json = {"role": "assistant", "content": text}
    if script.tool:
        function = {"name": script.tool, "arguments": text}
        call = {"id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "logprobs": None}
    choice["finish_reason"] = finish_reason(script)
    return {**head, "object": "chat.completion", "choices": [choice], "usage": usage(script, body)}


def deltas(script: Script) -> Iterator[Json]:
    """The content of each chunk: a word, or a fragment of the tool call (id and name once)."""
    if not script.tool:
        yield from ({"content": token} for token in script.tokens)
        return
    start = {"name": script.tool, "arguments": ""}
    yield {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": start}]}
    for token in script.tokens:
        yield {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}


def event(data: Json) -> str:
    return f"data: {json.dumps(data)}\n\n"


def choice(delta: Json, reason: str | None = None) -> list[Json]:
    return [{"index": 0, "delta": delta, "finish_reason": reason}]


async def stream(script: Script, body: Json, head: Json) -> AsyncIterator[str]:
    head = {**head, "object": "chat.completion.chunk"}
    yield event({**head, "choices": choice({"role": "assistant", "content": ""})})
    for number, delta in enumerate(deltas(script)):
        if number and script.every_ms:
            await asyncio.sleep(script.every_ms / 1000)
        yield event({**head, "choices": choice(delta)})
    if script.end == "cut":
        yield 'data: {"id":"chatcm'
        raise StreamCutError
    if script.end == "stall":
        await asyncio.Event().wait()
    for line in ending(script, body, head):
        yield line


def ending(script: Script, body: Json, head: Json) -> Iterator[str]:
    """The finish reason and the usage, or vLLM's error event; `[DONE]` follows both."""
    if script.end == "error":
        yield event(failure(500, "told to fail"))
    else:
        yield event({**head, "choices": choice({}, finish_reason(script))})
        if (body.get("stream_options") or {}).get("include_usage"):
            yield event({**head, "choices": [], "usage": usage(script, body)})
    yield "data: [DONE]\n\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="A chat model that does what it is told.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--context-tokens", type=int, default=8192)
    args = parser.parse_args()
    app = ScriptedModel(args.context_tokens).app()
    uvicorn.run(app, host="127.0.0.1", port=args.port, log_level="critical")


if __name__ == "__main__":
    main()
