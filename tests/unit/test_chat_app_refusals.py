"""What the chat application refuses, and how its errors look."""

import asyncio
import json
import threading
from typing import Any

import pytest

from lambdas.core.errors import (
    InvalidRequestError,
    KitError,
    LimitExceededError,
    UnavailableError,
)
from lambdas.core.generation import Finished, TextDelta
from tests.asgi import Request, http_scope
from tests.builders import (
    SMALL,
    a_chat_body,
    a_request_context,
)
from tests.chat_app import CONTEXT, App, is_openai_error, stream, within

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
