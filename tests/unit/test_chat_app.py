"""POST /v1/chat/completions as a client sees it: the ASGI application, called directly."""

import ast
import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from lambdas.core.chat import ChatService
from lambdas.core.errors import (
    InvalidRequestError,
    KitError,
    LimitExceededError,
    ModelFailedError,
    UnavailableError,
)
from lambdas.core.generation import Finished, TextDelta, ToolCallDelta, Usage
from lambdas.core.identity import Owner
from lambdas.core.pace import Pace
from lambdas.core.turns import Limits, Turn
from lambdas.functions.chat import ChatApp
from tests.asgi import Heard, Request, http_scope, lifespan
from tests.builders import (
    ANA,
    SMALL,
    TOOLS,
    WIDE,
    a_chat_body,
    a_request_context,
    an_entry,
)
from tests.fakes import MemoryStore, Script, ScriptedClient

ROOT = Path(__file__).parents[2]
CONTEXT = b"x-amzn-request-context"
QUICK = Pace(look_every_s=0.005, save_every_s=0.005)
HI: Script = [TextDelta("Zürich "), TextDelta("🙂"), Finished("stop"), Usage(9, 2)]
DONE = b"data: [DONE]"


class App:
    """The application over a store in memory and a model that plays scripts."""

    def __init__(self, *scripts: Script, heartbeat_s: float = 30, limits: Limits = WIDE) -> None:
        self.store = MemoryStore()
        self.model = ScriptedClient(*(scripts or [HI]))
        models = {SMALL: an_entry(SMALL), TOOLS: an_entry(TOOLS)}
        service = ChatService(
            models, self.model, self.store, limits, completion_ttl_days=30, pace=QUICK
        )
        self.asgi = ChatApp(lambda: service, heartbeat_s=heartbeat_s)

    def request(self, body: Any = None, context: Any = "Ana's", **changes: Any) -> Request:
        """A request of Ana; `context` replaces what the adapter says of the caller."""
        data = body if isinstance(body, bytes) else json.dumps(body or a_chat_body()).encode()
        told = a_request_context() if context == "Ana's" else context
        header = told if isinstance(told, bytes) else json.dumps(told).encode()
        headers = [] if context is None else [(CONTEXT, header)]
        return Request(self.asgi, http_scope(**{"headers": headers, **changes}), data)

    def post(self, body: Any = None, context: Any = "Ana's", **changes: Any) -> Heard:
        return asyncio.run(self.request(body, context, **changes).run())

    def turn(self, completion_id: str) -> Turn:
        found = self.store.find(ANA, completion_id)
        assert found is not None
        return found


def stream(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return a_chat_body(text, stream=True, **fields)


def within(work: Coroutine[Any, Any, Any], limit_s: float = 20) -> Any:
    """Run, and fail rather than hang."""

    async def limited() -> Any:
        async with asyncio.timeout(limit_s):
            return await work

    return asyncio.run(limited())


def is_openai_error(heard: Heard) -> bool:
    fields = heard.error
    return set(fields) == {"message", "type", "param", "code"} and bool(fields["message"])


# A whole reply


def test_a_whole_reply_has_openais_shape() -> None:
    app = App()
    heard = app.post(a_chat_body("hello"))
    reply = heard.json
    assert (heard.status, heard.headers["content-type"]) == (200, "application/json")
    assert heard.headers["x-request-id"] == "r-1"
    assert int(heard.headers["content-length"]) == len(heard.body)
    message = {"role": "assistant", "content": "Zürich 🙂", "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    assert reply["choices"] == [choice]
    assert reply["usage"] == {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    assert (reply["object"], reply["model"]) == ("chat.completion", SMALL)
    assert reply["kit"]["session_id"] is None
    timings = reply["kit"]["timings_ms"]
    assert 0 <= timings["accepted"] <= timings["first_token"] <= timings["total"]
    assert app.turn(reply["id"]).created_at == reply["created"]


def test_a_reply_in_a_session_names_it() -> None:
    heard = App().post(a_chat_body(kit={"session_id": "s"}))
    assert heard.json["kit"]["session_id"] == "s"


def test_a_whole_reply_of_tool_calls_has_them_joined() -> None:
    script: Script = [
        ToolCallDelta(0, '{"a":', id="c-1", name="f"),
        ToolCallDelta(0, "1}"),
        Finished("tool_calls"),
    ]
    reply = App(script).post(a_chat_body(model=TOOLS)).json
    call = {"id": "c-1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    assert reply["choices"][0]["message"]["tool_calls"] == [call]
    assert reply["choices"][0]["finish_reason"] == "tool_calls"
    assert "usage" not in reply


def test_a_whole_reply_whose_model_breaks_is_an_error_with_a_status() -> None:
    heard = App([TextDelta("half"), ModelFailedError("it broke")]).post()
    assert heard.status == 502
    assert heard.error["message"] == "it broke"


def test_a_body_in_parts_is_one_body() -> None:
    app, data = App(), json.dumps(a_chat_body()).encode()
    headers = [(CONTEXT, json.dumps(a_request_context()).encode())]
    request = Request(app.asgi, http_scope(headers=headers), data[:10], data[10:20], data[20:])
    assert asyncio.run(request.run()).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"metadata": {"a": "b"}, "user": "u", "service_tier": "auto", "verbosity": "low"},
        {"max_tokens": 0, "seed": -9007199254740991, "stop": "\n", "logit_bias": {"foo": 0}},
        {"parallel_tool_calls": True, "prediction": {"type": "content", "content": "x"}},
        {"n": 1, "logprobs": False, "temperature": None, "tools": [], "response_format": None},
        {"audio": {"format": "wav", "voice": "ash"}, "modalities": ["text"], "store": None},
    ],
)
def test_fields_of_openai_that_mean_nothing_here_are_accepted(fields: dict[str, Any]) -> None:
    assert App().post(a_chat_body(**fields)).status == 200


# A stream


def test_a_stream_has_openais_framing() -> None:
    heard = App().post(stream())
    assert (heard.status, heard.headers["content-type"]) == (200, "text/event-stream")
    assert heard.headers["x-request-id"] == "r-1"
    assert heard.headers["cache-control"] == "no-store"
    assert heard.over
    assert heard.events[-1] == DONE
    for event in heard.events:
        assert event.startswith(b"data: ")
        assert b"\n" not in event
        assert b"\r" not in event


def test_a_stream_says_the_role_once_and_gives_the_text_in_order() -> None:
    chunks = App().post(stream()).chunks
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert [delta for delta in deltas[1:] if "role" in delta] == []
    assert "".join(delta.get("content", "") for delta in deltas) == "Zürich 🙂"


def test_every_chunk_has_the_same_id_time_and_model() -> None:
    app = App()
    chunks = app.post(stream()).chunks
    (same,) = {(c["id"], c["created"], c["model"], c["object"]) for c in chunks}
    turn = app.turn(same[0])
    assert same == (turn.id, turn.created_at, SMALL, "chat.completion.chunk")
    assert all("error" not in chunk for chunk in chunks)


def test_exactly_one_chunk_has_a_finish_reason() -> None:
    chunks = App([TextDelta("a"), Finished("length")]).post(stream()).chunks
    reasons = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert [reason for reason in reasons if reason] == ["length"]
    assert reasons[-1] == "length"


def test_usage_comes_in_a_chunk_of_its_own_where_it_was_asked_for() -> None:
    chunks = App().post(stream(stream_options={"include_usage": True})).chunks
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    assert [chunk for chunk in chunks[:-1] if chunk.get("usage")] == []


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_usage_does_not_come_where_it_was_not_asked_for(options: Any) -> None:
    chunks = App().post(stream(stream_options=options)).chunks
    assert [chunk for chunk in chunks if chunk.get("usage")] == []
    assert all(len(chunk["choices"]) == 1 for chunk in chunks)


@pytest.mark.parametrize("include_usage", [True, False])
def test_the_kits_own_fields_ride_on_the_last_chunk(*, include_usage: bool) -> None:
    body = stream(kit={"session_id": "s"}, stream_options={"include_usage": include_usage})
    chunks = App().post(body).chunks
    assert chunks[-1]["kit"]["session_id"] == "s"
    assert set(chunks[-1]["kit"]["timings_ms"]) == {"accepted", "first_token", "total"}
    assert [chunk for chunk in chunks[:-1] if "kit" in chunk] == []


def test_fragments_of_tool_calls_carry_their_index_and_say_id_and_name_once() -> None:
    script: Script = [
        ToolCallDelta(0, "", id="c-0", name="f"),
        ToolCallDelta(0, "{}"),
        ToolCallDelta(1, "[", id="c-1", name="g"),
        ToolCallDelta(1, "]"),
        Finished("tool_calls"),
    ]
    chunks = App(script).post(stream(model=TOOLS)).chunks
    calls = [c for chunk in chunks for c in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert calls == [
        {"index": 0, "id": "c-0", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": "{}"}},
        {"index": 1, "id": "c-1", "type": "function", "function": {"name": "g", "arguments": "["}},
        {"index": 1, "function": {"arguments": "]"}},
    ]
    assert all("content" not in c["choices"][0]["delta"] for c in chunks[1:-1])


def test_each_token_is_sent_as_it_comes() -> None:
    async def work() -> None:
        go_on = threading.Event()
        request = App([TextDelta("one"), go_on, TextDelta("two"), Finished("stop")]).request(
            stream()
        )
        call = asyncio.create_task(request.run())
        assert b'"role": "assistant"' in await request.part(0)
        assert b'"one"' in await request.part(1)
        assert not call.done()
        go_on.set()
        await call

    within(work())


def test_the_head_comes_only_once_the_model_has_accepted() -> None:
    heard = App([UnavailableError("asleep", retry_after_s=90, code="model_waking")]).post(stream())
    assert heard.status == 503
    assert (heard.error["code"], heard.headers["retry-after"]) == ("model_waking", "90")


def test_an_error_after_the_first_byte_ends_the_stream_as_an_event() -> None:
    app = App([TextDelta("half"), ModelFailedError("it broke")])
    heard = app.post(stream())
    assert heard.status == 200
    assert heard.over
    *_, last = heard.chunks
    error = {"message": "it broke", "type": "server_error", "param": None, "code": "model_failed"}
    assert last == {"error": error}
    assert DONE not in heard.events
    assert app.turn(heard.chunks[0]["id"]).status == "failed"


def test_a_fault_after_the_first_byte_tells_nothing_but_the_request_id() -> None:
    app = App()

    def breaks() -> None:
        raise RuntimeError("password=hunter2")

    app.store.before["finish"] = breaks
    heard = app.post(stream())
    assert heard.chunks[-1]["error"]["message"] == "internal error; request r-1"
    assert b"hunter2" not in heard.body


def test_a_silent_model_is_covered_by_heart_beats() -> None:
    async def work() -> Heard:
        go_on = threading.Event()
        request = App([go_on, TextDelta("x"), Finished("stop")], heartbeat_s=0.005).request(
            stream()
        )
        call = asyncio.create_task(request.run())
        assert (await request.part(1)).startswith(b":")
        assert (await request.part(2)).startswith(b":")
        go_on.set()
        heard: Heard = await call
        return heard

    heard = within(work())
    comments = [event for event in heard.events if event.startswith(b":")]
    assert all(b"\n" not in comment for comment in comments)
    assert heard.events[-1] == DONE
    assert heard.chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_a_stopped_stream_ends_well_with_what_was_made() -> None:
    async def work(app: App) -> Heard:
        request = app.request(stream())
        call = asyncio.create_task(request.run())
        first = json.loads((await request.part(0)).removeprefix(b"data: "))
        await request.part(1)
        app.store.request_stop(ANA, first["id"])
        heard: Heard = await call
        return heard

    never = threading.Event()
    app = App([TextDelta("half"), never, Finished("length")])
    try:
        heard = within(work(app))
    finally:
        never.set()
    assert heard.chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert heard.events[-1] == DONE
    turn = app.turn(heard.chunks[0]["id"])
    assert (turn.status, turn.text) == ("stopped", "half")


def test_the_turn_of_a_client_that_stops_listening_is_finished_and_stored() -> None:
    async def work(app: App) -> str:
        request = app.request(stream())
        call = asyncio.create_task(request.run())
        first = json.loads((await request.part(0)).removeprefix(b"data: "))
        await request.part(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on.set()
        await asyncio.to_thread(app.store.wait_for, "finish")
        return str(first["id"])

    go_on = threading.Event()
    app = App([TextDelta("one"), go_on, TextDelta(" two"), Finished("stop")])
    turn = app.turn(within(work(app)))
    assert (turn.status, turn.text) == ("completed", "one two")


def test_a_retry_of_a_whole_turn_may_stream_it() -> None:
    app = App()
    kit = {"client_turn_id": "c-1"}
    first = app.post(a_chat_body(kit=kit)).json
    chunks = app.post(stream(kit=kit)).chunks
    assert chunks[0]["id"] == first["id"]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
    assert text == first["choices"][0]["message"]["content"]
    assert len(app.model.requests) == 1


# Who is calling


@pytest.mark.parametrize(
    "context",
    [
        None,
        b"",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'"ana"',
        b"[]",
        {},
        {"authorizer": None},
        {"authorizer": {}},
        {"authorizer": {"claims": None}},
        {"authorizer": {"claims": {}}},
        {"authorizer": {"claims": {"sub": None}}},
        {"authorizer": {"claims": {"sub": ""}}},
        {"authorizer": {"claims": {"sub": ["ana"]}}},
        {"authorizer": {"claims": {"email": "ana@example.org"}}},
        {"authorizer": {"sub": "ana"}, "sub": "ana"},
    ],
    ids=lambda context: repr(context)[:50],
)
def test_a_caller_without_verified_claims_is_refused(context: Any) -> None:
    app = App()
    heard = app.post(a_chat_body(), context)
    assert heard.status == 401
    assert is_openai_error(heard)
    assert heard.error["type"] == "authentication_error"
    assert app.store.calls == []


def test_a_caller_cannot_name_themselves_in_any_other_header_or_in_the_body() -> None:
    claims = json.dumps(a_request_context()).encode()
    headers = [(b"x-amzn-lambda-context", claims), (b"x-amz-sub", b"ana"), (b"sub", b"ana")]
    body = a_chat_body(user="ana", owner="ana", kit={"session_id": "s"})
    assert App().post(body, None, headers=headers).status == 401


def test_two_request_contexts_are_refused_for_one_of_them_is_forged() -> None:
    app = App()
    own, forged = a_request_context("ana"), a_request_context("ben")
    for pair in ([own, forged], [forged, own]):
        headers = [(CONTEXT, json.dumps(context).encode()) for context in pair]
        assert app.post(a_chat_body(), None, headers=headers).status == 401
    assert app.store.calls == []


def test_turns_belong_to_the_subject_of_the_claims() -> None:
    app = App()
    reply = app.post(a_chat_body(), a_request_context("ben")).json
    assert app.store.find(ANA, reply["id"]) is None
    assert app.store.find(Owner("ben"), reply["id"]) is not None


def owners_made(path: Path) -> list[str]:
    """How a file makes an Owner: by the class itself, or by one of its class methods."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return [name for name in map(called, calls) if name.partition(".")[0] == "Owner"]


def called(call: ast.Call) -> str:
    return ast.unparse(call.func)


def test_an_owner_is_made_from_verified_claims_at_the_edge_and_nowhere_else() -> None:
    paths = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "lambdas").rglob("*.py")}
    made = {name: owners_made(path) for name, path in paths.items()}
    assert {name: owners for name, owners in made.items() if owners} == {
        "lambdas/functions/http.py": ["Owner.from_claims"]
    }


# Requests that cannot be honoured


def deep(levels: int) -> bytes:
    nested = b"[" * levels + b"]" * levels
    return b'{"model": "m", "messages": ' + nested + b"}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"hello",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"model": "m", "messages": [{"role": "user", "content": "\xff"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        deep(500),
        deep(100_000),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    heard = Request(
        App().asgi, http_scope(headers=[(CONTEXT, json.dumps(a_request_context()).encode())]), body
    )
    answer = asyncio.run(heard.run())
    assert answer.status == 400
    assert is_openai_error(answer)
    assert b"Traceback" not in answer.body


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"messages": []}, 400, "messages"),
        ({"messages": None}, 400, "messages"),
        ({"messages": "hello"}, 400, "messages"),
        ({"messages": [{"role": "wizard", "content": "hi"}]}, 400, "messages.0.role"),
        ({"messages": [{"content": "hi"}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages.0.tool_call_id"),
        ({"model": "gpt-4"}, 404, "model"),
        ({"model": None}, 400, "model"),
        ({"n": 2}, 400, "n"),
        ({"n": 0}, 400, "n"),
        ({"logprobs": True}, 400, "logprobs"),
        ({"top_logprobs": 3}, 400, "top_logprobs"),
        ({"tools": [TOOL]}, 400, "tools"),
        ({"temperature": 9}, 400, "temperature"),
        ({"temperature": "hot"}, 400, "temperature"),
        ({"top_p": 0}, 400, "top_p"),
        ({"max_tokens": -1}, 400, "max_tokens"),
        ({"max_tokens": 100_000}, 400, "max_tokens"),
        ({"max_completion_tokens": 100_000}, 400, "max_completion_tokens"),
        ({"seed": 2**63}, 400, "seed"),
        ({"kit": {"session_id": "a b"}}, 400, "kit.session_id"),
        ({"kit": {"session_id": "s#T#00000000"}}, 400, "kit.session_id"),
        ({"kit": {"session_id": "s\n"}}, 400, "kit.session_id"),
        ({"kit": {"client_turn_id": ""}}, 400, "kit.client_turn_id"),
        ({"kit": {"sesion_id": "s"}}, 400, "kit.sesion_id"),
        ({"kit": {"session_id": "s"}, "store": False}, 400, "store"),
    ],
    ids=str,
)
def test_what_cannot_be_honoured_is_refused_by_its_name(
    change: dict[str, Any], status: int, param: str
) -> None:
    app = App()
    for streamed in (True, False):
        heard = app.post({**a_chat_body(), "stream": streamed, **change})
        assert (heard.status, heard.error["param"]) == (status, param)
        assert is_openai_error(heard)
    assert app.store.is_empty
    assert app.model.requests == []


def test_an_assistant_message_in_a_session_is_refused() -> None:
    messages = [{"role": "assistant", "content": "hi"}, {"role": "user", "content": "hello"}]
    heard = App().post(a_chat_body(messages=messages, kit={"session_id": "s"}))
    assert (heard.status, heard.error["param"]) == (400, "messages")


def test_ten_megabytes_of_text_are_answered_without_being_sent_back() -> None:
    text = "x" * 10_000_000
    heard = App().post(a_chat_body(model=text))
    assert heard.status == 404
    assert len(heard.body) < 2_000
    refused = App([InvalidRequestError("too long", code="context_length_exceeded")])
    assert refused.post(a_chat_body(text)).error["code"] == "context_length_exceeded"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/v1/completions"),
        ("POST", "/"),
        ("DELETE", "/v1/chat/completions/x"),
    ],
)
def test_another_route_is_unknown(method: str, path: str) -> None:
    heard = App().post(a_chat_body(), method=method, path=path)
    assert (heard.status, heard.error["code"]) == (404, "unknown_url")


# Errors on their way out


def a_failing_app(error: KitError) -> App:
    app = App()

    def fails() -> None:
        raise error

    app.store.before["start"] = fails
    return app


@pytest.mark.parametrize("streamed", [True, False])
def test_a_limit_that_is_used_up_is_429_with_a_time(*, streamed: bool) -> None:
    error = LimitExceededError("tokens_per_day", retry_after_s=3600, code="insufficient_quota")
    heard = a_failing_app(error).post(a_chat_body(stream=streamed))
    assert (heard.status, heard.error["type"]) == (429, "rate_limit_error")
    assert heard.headers["retry-after"] == "3600"
    assert heard.headers["x-should-retry"] == "false"


def test_a_short_wait_may_be_retried_by_the_client() -> None:
    heard = a_failing_app(UnavailableError("busy", retry_after_s=2)).post()
    assert heard.headers["retry-after"] == "2"
    assert "x-should-retry" not in heard.headers


def test_a_conflict_is_409() -> None:
    async def work() -> None:
        go_on = threading.Event()
        app = App([TextDelta("one"), go_on, Finished("stop")])
        first = app.request(stream(kit={"session_id": "s"}))
        call = asyncio.create_task(first.run())
        await first.part(1)
        heard = await app.request(a_chat_body(kit={"session_id": "s"})).run()
        go_on.set()
        await call
        assert (heard.status, heard.error["code"]) == (409, "turn_running")

    within(work())


def test_a_fault_that_nobody_foresaw_is_500_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = App()

    def breaks() -> None:
        raise RuntimeError("password=hunter2")

    app.store.before["start"] = breaks
    heard = app.post()
    assert heard.status == 500
    assert is_openai_error(heard)
    assert heard.error["message"] == "internal error; request r-1"
    assert b"hunter2" not in heard.body
    assert "hunter2" in caplog.text


def test_what_a_user_says_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "kit")
    app = App([TextDelta("secret answer"), Finished("stop")])
    app.post(a_chat_body("secret question"))
    app.post({"model": SMALL, "messages": [{"role": "secret", "content": "secret"}]})
    written = [repr(vars(record)) for record in caplog.records]
    assert written
    assert not [line for line in written if "secret" in line]


# The process


def test_it_is_ready_before_its_first_request() -> None:
    heard = App().post(b"", None, method="GET", path="/ready")
    assert heard.status == 200


def test_it_starts_and_shuts_down() -> None:
    async def said() -> list[str]:
        return [message async for message in lifespan(App().asgi)]

    assert asyncio.run(said()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.fixture(scope="module")
def imported() -> set[str]:
    """What a fresh process of the chat function has imported once it is ready."""
    script = (
        "import asyncio, sys\n"
        "from lambdas.functions.chat import app\n"
        "said = []\n"
        "async def receive(): return {'type': 'lifespan.startup'}\n"
        "async def send(message): said.append(message)\n"
        "asyncio.run(app({'type': 'lifespan'}, receive, send))\n"
        "assert said[0]['type'] == 'lifespan.startup.complete'\n"
        "sys.stdout.write(' '.join(sys.modules))\n"
    )
    settings = {
        "KIT_STAGE": "test",
        "KIT_TABLE_NAME": "t",
        "KIT_TEXT_BUCKET_NAME": "b",
        "KIT_MODELS": json.dumps([SMALL]),
    }
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return set(run.stdout.split())


@pytest.mark.parametrize(
    "package",
    [
        "boto3.dynamodb.transform",  # of `boto3.resource`
        "starlette",
        "langchain",
        "langchain_core",
        "numpy",
        "torch",
        "pandas",
        "sagemaker",
        "aws_cdk",
        "click",
        "rich",
        "aws_lambda_powertools",
    ],
)
def test_a_chat_process_imports_nothing_heavy(imported: set[str], package: str) -> None:
    assert "lambdas.core.chat" in imported
    assert "lambdas.aws.turns" in imported
    assert package not in imported
