"""A whole reply of POST /v1/chat/completions, as a client sees it."""

import asyncio
import json
from typing import Any

import pytest

from lambdas.core.errors import (
    ModelFailedError,
)
from lambdas.core.generation import Finished, TextDelta, ToolCallDelta
from tests.asgi import Request, http_scope
from tests.builders import (
    SMALL,
    TOOLS,
    a_chat_body,
    a_request_context,
)
from tests.chat_app import CONTEXT, App
from tests.scripted_client import Script


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
