"""Retries by client_turn_id: the same turn is returned, resumed or made anew."""

import threading
import time
from dataclasses import replace

import pytest

from lambdas.core.errors import (
    ConflictError,
    LimitExceededError,
    ModelFailedError,
    UnavailableError,
)
from lambdas.core.generation import (
    Finished,
    TextDelta,
    Usage,
)
from lambdas.core.turns import Limits
from tests.builders import (
    ANA,
    BEN,
    TOOLS,
    a_chat_request,
    in_session,
)
from tests.chat_service import HI, Chat, background, ends


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


def test_turns_that_are_not_kept_each_take_a_place_in_the_limits() -> None:
    """Were their ids made of the client's, all of one second would be one claim."""
    chat = Chat(limits=Limits(tokens_per_day=1000, concurrent_streams=1))
    request = a_chat_request(store=False, kit={"client_turn_id": "c-1"})
    chat.reply(request)
    with pytest.raises(LimitExceededError):
        chat.reply(request)
