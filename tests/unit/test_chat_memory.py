"""What a later turn of a session sees of the earlier ones."""

import pytest

from lambdas.core.errors import (
    InvalidRequestError,
    ModelFailedError,
)
from lambdas.core.generation import (
    TextDelta,
    Usage,
)
from tests.builders import (
    BEN,
    a_chat_request,
    in_session,
    user,
)
from tests.chat_service import HI, TOO_LONG, Chat, assistant, hi_with


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
