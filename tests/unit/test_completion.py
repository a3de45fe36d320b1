"""OpenAI's reply objects."""

from lambdas.core.api_objects import KitObject
from lambdas.core.completion import Chunks, completion, message_fields, usage_fields
from lambdas.core.generation import (
    Finished,
    Message,
    Piece,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from tests.builders import SMALL, a_turn

TURN = a_turn("chatcmpl-1", created_at=7)
KIT: KitObject = {"session_id": "s", "timings_ms": {"accepted": 1, "first_token": 2, "total": 3}}


def test_a_message_has_optional_fields_only_where_they_hold_something() -> None:
    assert message_fields(Message("user", "hi")) == {"role": "user", "content": "hi"}
    full = Message("tool", "", name="n", tool_calls=(ToolCall("c", "f", "{}"),), tool_call_id="t")
    assert message_fields(full) == {
        "role": "tool",
        "content": "",
        "name": "n",
        "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
        "tool_call_id": "t",
    }


def test_usage_has_its_sum() -> None:
    fields = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    assert usage_fields(Usage(9, 2)) == fields


def test_a_completion_joins_the_pieces() -> None:
    pieces: list[Piece] = [TextDelta("a"), TextDelta("b"), Finished("length"), Usage(9, 2)]
    whole = completion(TURN, pieces, KIT)
    assert (whole["id"], whole["created"], whole["model"]) == ("chatcmpl-1", 7, SMALL)
    assert whole["choices"][0]["message"]["content"] == "ab"
    assert whole["choices"][0]["finish_reason"] == "length"
    assert whole["usage"]["total_tokens"] == 11
    assert whole["kit"]["session_id"] == "s"


def test_a_completion_that_nobody_counted_has_no_usage() -> None:
    whole = completion(TURN, [Finished("stop")], KIT)
    assert "usage" not in whole
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "", "refusal": None}


def test_tool_calls_out_of_order_are_joined_by_their_index() -> None:
    pieces: list[Piece] = [
        ToolCallDelta(1, "[", id="b", name="g"),
        ToolCallDelta(0, "{", id="a", name="f"),
        ToolCallDelta(1, "]"),
        ToolCallDelta(0, "}"),
        Finished("tool_calls"),
    ]
    whole = completion(TURN, pieces, KIT)
    calls = whole["choices"][0]["message"]["tool_calls"]
    assert [(c["id"], c["function"]["name"], c["function"]["arguments"]) for c in calls] == [
        ("a", "f", "{}"),
        ("b", "g", "[]"),
    ]


def test_the_first_chunk_says_the_role_and_no_other_does() -> None:
    chunks = Chunks(TURN)
    assert chunks.first()["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert chunks.of(TextDelta("a"))["choices"][0]["delta"] == {"content": "a"}
    assert chunks.last(Finished("stop"), None)["choices"][0]["delta"] == {}


def test_the_kits_fields_are_there_only_where_they_are_given() -> None:
    chunks = Chunks(TURN)
    assert "kit" not in chunks.last(Finished("stop"), None)
    assert chunks.last(Finished("stop"), KIT)["kit"] == KIT
    assert chunks.usage(Usage(1, 1), KIT)["choices"] == []
