"""The rule of a chat turn: what is kept, what is refused, what it costs."""

import json
import threading
from typing import Any

import pytest

from lambdas.core.chat import ChatService
from lambdas.core.errors import (
    ConflictError,
    InvalidRequestError,
    LimitExceededError,
    ModelFailedError,
    NotFoundError,
    UnavailableError,
)
from lambdas.core.generation import (
    Finished,
    Message,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from lambdas.core.turns import Limits
from tests.builders import (
    ANA,
    SMALL,
    TOOLS,
    WIDE,
    a_chat_request,
    a_cut_turn,
    an_entry,
    in_session,
    user,
)
from tests.chat_service import HI, Chat, text_part
from tests.fakes import MemoryStore
from tests.scripted_client import Script, ScriptedClient

# What is kept


def test_a_reply_is_given_and_kept() -> None:
    chat = Chat()
    reply = chat.reply(a_chat_request("hello"))
    assert list(reply.pieces) == HI
    kept = chat.stored(reply.turn)
    assert (kept.status, kept.text, kept.finish_reason) == ("completed", "hi", "stop")
    assert (kept.messages, kept.usage) == ((user("hello"),), Usage(9, 1))
    assert kept.message_tokens == 9


def test_an_accepted_turn_is_stored_before_its_first_piece() -> None:
    chat = Chat()
    reply = chat.reply(in_session("hello"))
    assert chat.stored(reply.turn).status == "running"
    list(reply.pieces)


def test_a_turn_without_a_session_expires_and_one_in_a_session_does_not() -> None:
    chat = Chat()
    alone = chat.reply(a_chat_request()).turn
    assert alone.expires_at == alone.created_at + 30 * 86_400
    assert chat.reply(in_session("hello")).turn.expires_at is None


def test_a_turn_without_a_session_is_given_the_callers_messages_only() -> None:
    chat = Chat()
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": [text_part("how "), text_part("are you?")]},
    ]
    chat.say(in_session("earlier"))
    chat.say(a_chat_request(messages=messages))
    assert chat.texts_of_prompt() == ["Be brief.", "hello", "hi", "how are you?"]


def test_store_false_keeps_nothing() -> None:
    chat = Chat()
    assert chat.say(a_chat_request(store=False)) == HI
    assert chat.store.is_empty
    assert "stop_requested" not in chat.store.calls


def test_store_false_counts_towards_the_limits() -> None:
    chat = Chat(limits=Limits(tokens_per_day=10, concurrent_streams=1))
    chat.say(a_chat_request(store=False))
    with pytest.raises(LimitExceededError):
        chat.reply(a_chat_request(store=False))


def test_a_session_and_store_false_exclude_each_other() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        Chat().reply(in_session("hello", store=False))
    assert refused.value.param == "store"


def test_turns_without_a_client_id_have_ids_of_their_own() -> None:
    chat = Chat()
    assert chat.reply(a_chat_request()).turn.id != chat.reply(a_chat_request()).turn.id


# Refusals


@pytest.mark.parametrize(
    "refusal",
    [
        UnavailableError("asleep", retry_after_s=9, code="model_waking"),
        InvalidRequestError("no", code="model_refused"),
        ModelFailedError("broke"),
    ],
    ids=lambda refusal: refusal.code,
)
def test_a_model_that_refuses_leaves_nothing_behind(refusal: Any) -> None:
    chat = Chat([refusal], limits=Limits(1_000, concurrent_streams=1))
    for request in (in_session("hello", "c-1"), a_chat_request()):
        with pytest.raises(type(refusal)):
            chat.reply(request)
        assert chat.store.is_empty


def test_a_fault_that_nobody_foresaw_leaves_nothing_behind_either() -> None:
    class Broken(ScriptedClient):
        def open(self, *_: Any) -> Any:
            raise RuntimeError("a bug")

    store = MemoryStore()
    service = ChatService({SMALL: an_entry()}, Broken(HI), store, WIDE, completion_ttl_days=30)
    with pytest.raises(RuntimeError, match="a bug"):
        service.reply(ANA, in_session("hello"))
    assert store.is_empty


def test_a_refused_turn_does_not_end_the_session() -> None:
    chat = Chat(HI, [UnavailableError("asleep", retry_after_s=9)], HI)
    chat.say(in_session("one"))
    with pytest.raises(UnavailableError):
        chat.reply(in_session("two"))
    chat.say(in_session("three"))
    assert [turn.messages for turn in chat.session()] == [(user("one"),), (user("three"),)]


def test_a_model_that_is_not_up_is_refused_before_anything_is_kept() -> None:
    chat = Chat()
    with pytest.raises(NotFoundError) as refused:
        chat.reply(a_chat_request(model="gpt-4"))
    assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
    assert chat.store.calls == []


def test_a_session_whose_last_turn_runs_takes_no_other() -> None:
    chat = Chat()
    running = chat.reply(in_session("one"))
    with pytest.raises(ConflictError) as refused:
        chat.reply(in_session("two"))
    assert refused.value.code == "turn_running"
    list(running.pieces)
    chat.say(in_session("two"))


def test_a_session_whose_last_turn_lost_its_function_takes_another() -> None:
    chat = Chat()
    chat.store.start(ANA, a_cut_turn(messages=(user("one"),)), WIDE, keep=True)
    chat.say(in_session("two"))
    assert chat.texts_of_prompt() == ["one", "two"]


def test_a_limit_that_is_used_up_keeps_the_model_out_of_it() -> None:
    chat = Chat(limits=Limits(tokens_per_day=10, concurrent_streams=1))
    chat.say(a_chat_request())
    with pytest.raises(LimitExceededError):
        chat.reply(a_chat_request())
    assert len(chat.model.requests) == 1


# Tools


def test_tool_calls_are_joined_from_their_fragments_and_kept() -> None:
    weather = {"type": "function", "function": {"name": "weather", "parameters": {}}}
    script: Script = [
        ToolCallDelta(0, "", id="a", name="weather"),
        ToolCallDelta(0, '{"city":'),
        ToolCallDelta(1, "{}", id="b", name="time"),
        ToolCallDelta(0, ' "Zug"}'),
        Finished("tool_calls"),
    ]
    chat = Chat(script, HI)
    reply = chat.reply(in_session("weather?", model=TOOLS, tools=[weather]))
    assert list(reply.pieces) == script
    calls = (ToolCall("a", "weather", '{"city": "Zug"}'), ToolCall("b", "time", "{}"))
    assert chat.stored(reply.turn).tool_calls == calls
    answers = [
        {"role": "tool", "tool_call_id": name, "content": text}
        for name, text in (("a", "sunny"), ("b", "noon"))
    ]
    chat.say(in_session("", model=TOOLS, messages=answers))
    assert chat.prompt() == (
        user("weather?"),
        Message("assistant", "", tool_calls=calls),
        Message("tool", "sunny", tool_call_id="a"),
        Message("tool", "noon", tool_call_id="b"),
    )


def test_a_replayed_turn_gives_its_tool_calls_again() -> None:
    call = ToolCallDelta(0, "{}", id="a", name="time")
    chat = Chat([call, Finished("tool_calls")])
    request = in_session("hello", "c-1", model=TOOLS)
    assert chat.say(request) == chat.say(request) == [call, Finished("tool_calls")]


# Limits and streams


def test_every_end_of_a_turn_gives_its_stream_back() -> None:
    chat = Chat(
        HI,
        [TextDelta("half"), ModelFailedError("broke")],
        [UnavailableError("asleep", retry_after_s=1)],
        HI,
        limits=Limits(1_000_000, concurrent_streams=1),
    )
    chat.say(a_chat_request())
    with pytest.raises(ModelFailedError):
        chat.say(a_chat_request())
    with pytest.raises(UnavailableError):
        chat.reply(a_chat_request())
    chat.say(a_chat_request())


def test_a_turn_that_is_stopped_before_the_model_counted_costs_tokens_too() -> None:
    never = threading.Event()
    chat = Chat([TextDelta("x" * 300), never], limits=Limits(100, concurrent_streams=9))
    try:
        reply = chat.reply(a_chat_request())
        next(reply.pieces)
        chat.store.request_stop(ANA, reply.turn.id)
        list(reply.pieces)
    finally:
        never.set()
    with pytest.raises(LimitExceededError, match="tokens_per_day"):
        chat.reply(a_chat_request())


def test_what_the_model_is_asked_is_what_the_caller_asked_for() -> None:
    chat = Chat()
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    named = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    chat.say(
        a_chat_request(
            temperature=0.5, top_p=0.9, seed=7, stop="\n", max_tokens=5, response_format=named
        )
    )
    sent = chat.model.requests[-1]
    assert (sent.temperature, sent.top_p, sent.seed) == (0.5, 0.9, 7)
    assert (sent.stop, sent.max_tokens) == (("\n",), 5)
    assert sent.constraint is not None
    assert (sent.constraint.name, json.loads(json.dumps(sent.constraint.schema))) == ("n", schema)
