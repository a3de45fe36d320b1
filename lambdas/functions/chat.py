"""POST /v1/chat/completions: an ASGI application, so that tokens stream.

Lambda Web Adapter turns invocations into HTTP requests to it; uvicorn runs it anywhere.
"""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from lambdas.core.api_objects import KitObject, Timings
from lambdas.core.chat import ChatService
from lambdas.core.chat_request import ChatRequest
from lambdas.core.completion import Chunks, completion
from lambdas.core.errors import KitError, NotFoundError
from lambdas.core.generation import Finished, Piece, TextDelta, ToolCallDelta, Usage
from lambdas.core.turns import Turn
from lambdas.functions import http
from lambdas.functions.logs import write_json_lines
from lambdas.functions.turn_worker import TurnWorker
from lambdas.wiring import services

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Proxies cut a silent stream: API Gateway after 5 minutes, others after 30 to 60 s.
HEARTBEAT_S = 10.0
_HEARTBEAT = b": the model is at work\n\n"
_DONE = b"data: [DONE]\n\n"


class ChatApp:
    """The application, over a chat service that is made at first use."""

    def __init__(
        self, chat: Callable[[], ChatService], *, heartbeat_s: float = HEARTBEAT_S
    ) -> None:
        self._chat = chat
        self._heartbeat_s = heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["path"] == "/ready":
            await _send_whole(send, http.Response(HTTPStatus.OK, {"status": "ready"}, {}))
        else:
            await self._answer(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        """Build the services before the first request: Lambda does not bill CPU by size here."""
        await receive()
        write_json_lines()
        self._chat()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        request_id, started = "-", False
        try:
            context = http.parsed_context(_context_header(scope))
            request_id = http.request_id_of(context)
            owner = http.owner_of(context)
            request = await _request(scope, receive)
            worker = TurnWorker(self._chat(), owner, request)
            reply = await worker.reply()
            pieces = worker.pieces(silence_s=self._heartbeat_s)
            call = _Call(request, reply.turn, pieces, request_id, began)
            if request.stream:
                headers = http.reply_headers(request_id)
                await send(_head(HTTPStatus.OK, "text/event-stream", headers))
                started = True
                await call.stream(send)
            else:
                await _send_whole(send, await call.whole())
        except KitError as error:
            await _send_failure(send, http.failure(error, request_id), started=started)
        except Exception as error:
            await _send_failure(send, http.unexpected(error, request_id), started=started)


class _Call:
    """One accepted turn on its way to the client."""

    def __init__(
        self,
        request: ChatRequest,
        turn: Turn,
        pieces: AsyncIterator[Piece | None],
        request_id: str,
        began: float,
    ) -> None:
        self._request = request
        self._turn = turn
        self._made = pieces
        self._request_id = request_id
        self._began = began
        self._accepted_ms = self._age_ms()
        self._first_ms: int | None = None
        self._usage: Usage | None = None

    async def whole(self) -> http.Response:
        pieces = [piece async for piece in self._pieces() if piece]
        body = completion(self._turn, pieces, self._kit())
        self._log()
        return http.Response(HTTPStatus.OK, body, http.reply_headers(self._request_id))

    async def stream(self, send: Send) -> None:
        chunks = Chunks(self._turn)
        await _send_part(send, _event(chunks.first()))
        finished: Finished | None = None
        async for piece in self._pieces():
            if piece is None:
                await _send_part(send, _HEARTBEAT)
            elif isinstance(piece, TextDelta | ToolCallDelta):
                await _send_part(send, _event(chunks.of(piece)))
            elif isinstance(piece, Finished):
                finished = piece
        if finished:
            await _send_part(send, b"".join(self._last_events(chunks, finished)))
        self._log()
        await _send_part(send, _DONE, more=False)

    def _last_events(self, chunks: Chunks, finished: Finished) -> list[bytes]:
        """The end of the choice, then usage where it was asked for; ours rides on the last one."""
        options = self._request.stream_options
        if self._usage and options and options.include_usage:
            last = chunks.usage(self._usage, self._kit())
            return [_event(chunks.last(finished, None)), _event(last)]
        return [_event(chunks.last(finished, self._kit()))]

    async def _pieces(self) -> AsyncIterator[Piece | None]:
        async for piece in self._made:
            if piece and self._first_ms is None:
                self._first_ms = self._age_ms()
            if isinstance(piece, Usage):
                self._usage = piece
            yield piece

    def _kit(self) -> KitObject:
        timings: Timings = {
            "accepted": self._accepted_ms,
            "first_token": self._first_ms,
            "total": self._age_ms(),
        }
        return {"session_id": self._turn.session_id, "timings_ms": timings}

    def _age_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)

    def _log(self) -> None:
        fields = {
            "request_id": self._request_id,
            "turn_id": self._turn.id,
            "model": self._turn.model,
            "prompt_tokens": self._usage.prompt_tokens if self._usage else None,
            "completion_tokens": self._usage.completion_tokens if self._usage else None,
            **self._kit(),
        }
        http.log.info("answered", extra=fields)


def _context_header(scope: Scope) -> bytes | None:
    """What the adapter says of the caller; of two such headers one is a client's own."""
    found = [value for name, value in scope["headers"] if name == b"x-amzn-request-context"]
    return found[0] if len(found) == 1 else None


async def _request(scope: Scope, receive: Receive) -> ChatRequest:
    if (scope["method"], scope["path"]) != ("POST", "/v1/chat/completions"):
        raise NotFoundError("unknown route", code="unknown_url")
    return http.body_as(ChatRequest, await _body(receive))


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def _event(chunk: Mapping[str, object]) -> bytes:
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


async def _send_failure(send: Send, failure: http.Response, *, started: bool) -> None:
    """Before the first byte an error has a status; later it is the event that ends the stream."""
    if started:
        await _send_part(send, _event(failure.body), more=False)
    else:
        await _send_whole(send, failure)


async def _send_whole(send: Send, response: http.Response) -> None:
    headers = {**response.headers, "content-length": str(len(response.data))}
    await send(_head(response.status, "application/json", headers))
    await _send_part(send, response.data, more=False)


async def _send_part(send: Send, data: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


def _head(status: int, content_type: str, headers: Mapping[str, str]) -> dict[str, Any]:
    named = {"content-type": content_type, "cache-control": "no-store", **headers}
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    return {"type": "http.response.start", "status": int(status), "headers": raw}


app = ChatApp(lambda: services().chat)
