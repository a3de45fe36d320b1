"""The rule of a chat turn, on a store in memory and a model that plays scripts."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from lambdas.core.chat import ChatService, Reply
from lambdas.core.chat_request import ChatRequest
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
    Piece,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from lambdas.core.pace import Pace
from lambdas.core.turns import Limits, Turn
from tests.builders import (
    ANA,
    BEN,
    SMALL,
    TOOLS,
    WIDE,
    a_chat_request,
    a_cut_turn,
    an_entry,
    in_session,
    user,
)
from tests.fakes import MemoryStore, Script, ScriptedClient

QUICK = Pace(look_every_s=0.005, save_every_s=0.005, renew_every_s=0.02, replay_every_s=0.005)
HI: Script = [TextDelta("hi"), Finished("stop"), Usage(9, 1)]
TOO_LONG = InvalidRequestError("too long", code="context_length_exceeded", param="messages")


def hi_with(usage: Usage) -> Script:
    return [TextDelta("hi"), Finished("stop"), usage]


class Chat:
    """A chat service, the store and the model behind it, and what Ana says to it."""

    def __init__(
        self,
        *scripts: Script,
        limits: Limits = WIDE,
        context_tokens: int = 8192,
        store: MemoryStore | None = None,
    ) -> None:
        self.store = store or MemoryStore()
        self.model = ScriptedClient(*(scripts or [HI]))
        small = an_entry(SMALL, context_tokens=context_tokens)
        models = {SMALL: small, TOOLS: an_entry(TOOLS)}
        self.service = ChatService(
            models, self.model, self.store, limits, completion_ttl_days=30, pace=QUICK
        )

    def reply(self, request: ChatRequest) -> Reply:
        return self.service.reply(ANA, request)

    def say(self, request: ChatRequest) -> list[Piece]:
        return list(self.reply(request).pieces)

    def stored(self, turn: Turn) -> Turn:
        found = self.store.find(ANA, turn.id)
        assert found is not None
        return found

    def session(self) -> list[Turn]:
        return list(self.store.newest_turns(ANA, "s"))[::-1]

    def prompt(self, call: int = -1) -> Sequence[Message]:
        return self.model.requests[call].messages

    def texts_of_prompt(self, call: int = -1) -> list[str]:
        return [message.content for message in self.prompt(call)]


def background(pieces: Any) -> tuple[threading.Thread, list[Piece]]:
    """Exhaust a reply in a thread, as the HTTP edge does."""
    heard: list[Piece] = []
    thread = threading.Thread(target=lambda: heard.extend(pieces))
    thread.start()
    return thread, heard


def ends(thread: threading.Thread) -> None:
    thread.join(timeout=20)
    assert not thread.is_alive()


def assistant(text: str) -> Message:
    return Message("assistant", text)


def text_part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


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


# The memory of a session


def test_a_later_turn_sees_the_earlier_ones_in_order() -> None:
    chat = Chat()
    for text in ("one", "two", "three"):
        chat.say(in_session(text))
    assert chat.prompt() == (
        *(user("one"), assistant("hi"), user("two"), assistant("hi")),
        user("three"),
    )
    assert [turn.position for turn in chat.session()] == [0, 1, 2]


def test_sessions_do_not_see_each_other() -> None:
    chat = Chat()
    chat.say(in_session("one"))
    chat.say(a_chat_request("two", kit={"session_id": "other"}))
    assert chat.texts_of_prompt() == ["two"]
    list(chat.service.reply(BEN, in_session("three")).pieces)
    assert chat.texts_of_prompt() == ["three"]


def test_the_system_message_of_a_session_stays_in_force() -> None:
    chat = Chat()
    system = {"role": "system", "content": "Be brief."}
    chat.say(in_session("", messages=[system, {"role": "user", "content": "one"}]))
    chat.say(in_session("two"))
    assert chat.texts_of_prompt() == ["Be brief.", "one", "hi", "two"]
    assert [turn.system for turn in chat.session()] == ["Be brief."] * 2


def test_a_new_system_message_replaces_the_one_before() -> None:
    chat = Chat()
    for text, said in (("Be brief.", "one"), ("Be long.", "two")):
        new = {"role": "developer", "content": text}
        chat.say(in_session("", messages=[new, {"role": "user", "content": said}]))
    chat.say(in_session("three"))
    assert chat.texts_of_prompt() == ["Be long.", "one", "hi", "two", "hi", "three"]


def test_history_beyond_the_budget_is_left_out_oldest_first() -> None:
    scripts = (hi_with(Usage(counted, 50)) for counted in (100, 250, 400, 400))
    chat = Chat(*scripts, context_tokens=400)
    for text in ("one", "two", "three", "four"):
        chat.say(in_session(text, max_tokens=64))
    assert chat.texts_of_prompt() == ["two", "hi", "three", "hi", "four"]


def test_the_models_own_count_decides_what_fits() -> None:
    chat = Chat(hi_with(Usage(9, 300)), hi_with(Usage(318, 400)), HI, context_tokens=500)
    chat.say(in_session("one", max_tokens=64))
    chat.say(in_session("two", max_tokens=64))
    assert chat.texts_of_prompt() == ["one", "hi", "two"]
    chat.say(in_session("three", max_tokens=64))
    assert chat.texts_of_prompt() == ["two", "hi", "three"]


def test_a_prompt_that_the_model_finds_too_long_goes_again_with_half_its_history() -> None:
    chat = Chat(HI, HI, HI, HI, [TOO_LONG], [TOO_LONG], HI)
    for text in ("one", "two", "three", "four"):
        chat.say(in_session(text))
    assert chat.say(in_session("five")) == HI
    sent = [chat.texts_of_prompt(call) for call in (-3, -2, -1)]
    assert sent[0] == ["one", "hi", "two", "hi", "three", "hi", "four", "hi", "five"]
    assert sent[1] == ["three", "hi", "four", "hi", "five"]
    assert sent[2] == ["four", "hi", "five"]


def test_a_prompt_too_long_without_any_history_is_refused() -> None:
    chat = Chat([TOO_LONG])
    with pytest.raises(InvalidRequestError) as refused:
        chat.reply(in_session("hello"))
    assert refused.value.code == "context_length_exceeded"
    assert len(chat.model.requests) == 1
    assert chat.store.is_empty


def test_a_turn_that_was_cut_off_is_remembered_without_a_reply() -> None:
    chat = Chat([TextDelta("half"), ModelFailedError("broke")], HI)
    with pytest.raises(ModelFailedError):
        chat.say(in_session("one"))
    chat.say(in_session("two"))
    assert chat.texts_of_prompt() == ["one", "half", "two"]


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


# Retries by client_turn_id


def test_a_retry_of_a_turn_that_is_done_returns_it() -> None:
    chat = Chat()
    first = chat.reply(in_session("hello", "c-1"))
    said = list(first.pieces)
    again = chat.reply(in_session("hello", "c-1"))
    assert again.turn.id == first.turn.id
    assert list(again.pieces) == said
    assert len(chat.model.requests) == 1


def test_a_retry_without_a_session_returns_the_turn_too() -> None:
    chat = Chat()
    request = a_chat_request(kit={"client_turn_id": "c-1"})
    assert chat.say(request) == chat.say(request)
    assert len(chat.model.requests) == 1


def test_a_retry_of_a_running_turn_resumes_it() -> None:
    go_on = threading.Event()
    chat = Chat([TextDelta("one "), go_on, TextDelta("two"), Finished("stop"), Usage(9, 2)])
    first, _ = background(chat.reply(in_session("hello", "c-1")).pieces)
    chat.store.wait_for("save")
    resumed = iter(chat.reply(in_session("hello", "c-1")).pieces)
    assert next(resumed) == TextDelta("one ")
    go_on.set()
    rest = list(resumed)
    assert "".join(piece.text for piece in rest if isinstance(piece, TextDelta)) == "two"
    assert rest[-2:] == [Finished("stop"), Usage(9, 2)]
    ends(first)
    assert len(chat.model.requests) == 1


def test_a_retry_of_a_turn_that_lost_its_function_makes_it_anew() -> None:
    chat = Chat(HI, HI)
    turn = chat.reply(in_session("hello", "c-1")).turn
    chat.store.save(ANA, replace(turn, text="half", lease_until=int(time.time()) - 5))
    again = chat.reply(in_session("hello", "c-1"))
    assert (again.turn.id, again.turn.attempt) == (turn.id, 2)
    assert list(again.pieces) == HI
    assert chat.stored(turn).text == "hi"
    assert len(chat.session()) == 1


def test_a_retry_of_a_failed_turn_makes_it_anew() -> None:
    chat = Chat([TextDelta("half"), ModelFailedError("broke")], HI)
    with pytest.raises(ModelFailedError):
        chat.say(in_session("hello", "c-1"))
    assert chat.session()[0].status == "failed"
    assert chat.say(in_session("hello", "c-1")) == HI
    assert chat.session()[0].text == "hi"


def test_a_retry_sees_the_turns_before_it_only() -> None:
    chat = Chat(HI, [TextDelta("half"), ModelFailedError("broke")], HI)
    chat.say(in_session("one"))
    with pytest.raises(ModelFailedError):
        chat.say(in_session("two", "c-2"))
    chat.say(in_session("three"))
    chat.say(in_session("two", "c-2"))
    assert chat.texts_of_prompt() == ["one", "hi", "two"]
    assert [turn.text for turn in chat.session()] == ["hi", "hi", "hi"]


def test_a_retry_with_another_model_says_which_model_answered() -> None:
    chat = Chat([TextDelta("half"), ModelFailedError("broke")], HI)
    with pytest.raises(ModelFailedError):
        chat.say(in_session("hello", "c-1"))
    again = chat.reply(in_session("hello", "c-1", model=TOOLS))
    list(again.pieces)
    assert again.turn.model == TOOLS
    assert chat.stored(again.turn).model == TOOLS


def test_a_take_over_that_the_model_refuses_can_be_tried_again() -> None:
    chat = Chat(
        [TextDelta("half"), ModelFailedError("broke")],
        [UnavailableError("busy", retry_after_s=1)],
        HI,
    )
    with pytest.raises(ModelFailedError):
        chat.say(in_session("hello", "c-1"))
    with pytest.raises(UnavailableError):
        chat.reply(in_session("hello", "c-1"))
    assert chat.say(in_session("hello", "c-1")) == HI


def test_a_client_id_used_for_other_messages_conflicts() -> None:
    chat = Chat()
    chat.say(in_session("one", "c-1"))
    with pytest.raises(ConflictError) as refused:
        chat.reply(in_session("two", "c-1"))
    assert refused.value.param == "kit.client_turn_id"


def test_the_same_client_id_in_another_session_or_of_another_owner_is_another_turn() -> None:
    chat = Chat()
    ids = {
        chat.reply(in_session("one", "c-1")).turn.id,
        chat.reply(a_chat_request("two", kit={"client_turn_id": "c-1"})).turn.id,
        chat.service.reply(BEN, in_session("three", "c-1")).turn.id,
    }
    assert len(ids) == 3


def test_the_loser_of_two_retries_at_once_conflicts_and_leaves_the_winner() -> None:
    chat = Chat()
    winner = Chat(store=chat.store)

    def let_the_other_start() -> None:
        chat.store.before.clear()
        winner.reply(in_session("hello", "c-1"))

    chat.store.before["start"] = let_the_other_start
    with pytest.raises(ConflictError):
        chat.reply(in_session("hello", "c-1"))
    assert chat.session()[0].status == "running"
    assert (len(winner.model.requests), len(chat.model.requests)) == (1, 0)


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
