"""What every TurnStore keeps to: the one in memory and the one on DynamoDB and S3."""

from dataclasses import replace
from typing import Any

import pytest

from lambdas.core.errors import ConflictError
from lambdas.core.generation import Message, Usage
from lambdas.core.turns import TurnStore
from tests.builders import ANA, BEN, WIDE, a_cut_turn, a_turn, user
from tests.turn_writes import CALL, LONG, VERY_LONG, finish, found, retake, start


def test_a_started_turn_is_found_as_it_was_written(store: TurnStore) -> None:
    asked = (user("hello"), Message("assistant", "", tool_calls=(CALL,)))
    answer = Message("tool", "sunny", name="weather", tool_call_id="call-1")
    turn = start(store, a_turn(messages=(*asked, answer), system="Be brief.", expires_at=2**31))
    assert store.find(ANA, turn.id) == turn


def test_a_turn_without_a_session_is_found_by_its_id(store: TurnStore) -> None:
    turn = start(store, a_turn("alone", session_id=None))
    finish(store, turn, text="hi")
    assert found(store, "alone").text == "hi"


def test_what_a_turn_has_so_far_is_found_while_it_runs(store: TurnStore) -> None:
    turn = start(store, a_turn())
    saved = replace(turn, text="so far", tool_calls=(CALL,), lease_until=turn.lease_until + 20)
    store.save(ANA, saved)
    assert store.find(ANA, turn.id) == saved


def test_a_finished_turn_keeps_all_that_the_model_made(store: TurnStore) -> None:
    ended = finish(
        store,
        start(store, a_turn()),
        text="sunny",
        tool_calls=(CALL,),
        finish_reason="tool_calls",
        usage=Usage(9, 2),
        message_tokens=9,
    )
    assert store.find(ANA, ended.id) == ended


def test_a_failed_turn_keeps_its_text_and_the_error(store: TurnStore) -> None:
    finish(
        store,
        start(store, a_turn()),
        status="failed",
        finish_reason=None,
        text="half",
        error="model_failed",
    )
    turn = found(store)
    assert (turn.status, turn.text, turn.error) == ("failed", "half", "model_failed")


def test_a_turn_of_another_owner_does_not_exist(store: TurnStore) -> None:
    turn = start(store, a_turn())
    assert store.find(BEN, turn.id) is None
    assert store.request_stop(BEN, turn.id) is None
    assert not store.stop_requested(ANA, turn.id)
    assert list(store.newest_turns(BEN, "s")) == []
    with pytest.raises(ConflictError):
        store.save(BEN, turn)
    with pytest.raises(ConflictError):
        store.finish(BEN, turn, keep=True, tokens=1)
    assert found(store) == turn


def test_two_owners_may_use_the_same_ids(store: TurnStore) -> None:
    start(store, a_turn(text="", messages=(user("from Ana"),)))
    store.start(BEN, a_turn(messages=(user("from Ben"),)), WIDE, keep=True)
    ben = store.find(BEN, "t-0")
    assert ben is not None
    assert (found(store).messages, ben.messages) == ((user("from Ana"),), (user("from Ben"),))


def test_two_writers_of_one_position_conflict(store: TurnStore) -> None:
    start(store, a_turn("t-0", messages=(user("first"),)))
    with pytest.raises(ConflictError):
        start(store, a_turn("t-1", messages=(user("second"),)))
    assert [turn.messages for turn in store.newest_turns(ANA, "s")] == [(user("first"),)]
    assert store.find(ANA, "t-1") is None


def test_two_starts_with_the_same_id_conflict(store: TurnStore) -> None:
    start(store, a_turn("t-0"))
    with pytest.raises(ConflictError):
        start(store, a_turn("t-0", position=1))
    assert [turn.position for turn in store.newest_turns(ANA, "s")] == [0]


def test_the_loser_of_two_starts_changes_nothing_of_the_winner(store: TurnStore) -> None:
    winner = start(store, a_turn(messages=(user("first " + LONG),)))
    with pytest.raises(ConflictError):
        start(store, a_turn(messages=(user("second " + LONG),)))
    assert found(store).messages == winner.messages


def test_a_refused_start_claims_no_stream(store: TurnStore) -> None:
    two = replace(WIDE, concurrent_streams=2)
    start(store, a_turn("t-0"), two)
    with pytest.raises(ConflictError):
        start(store, a_turn("t-1"), two)
    start(store, a_turn("t-2", position=1), two)


def test_turns_come_newest_first(store: TurnStore) -> None:
    for position in range(45):
        start(store, a_turn(f"t-{position}", position=position))
    newest_first = [turn.position for turn in store.newest_turns(ANA, "s")]
    assert newest_first == list(reversed(range(45)))
    before = [turn.position for turn in store.newest_turns(ANA, "s", before=3)]
    assert before == [2, 1, 0]
    assert list(store.newest_turns(ANA, "s", before=0)) == []
    assert list(store.newest_turns(ANA, "other")) == []


def test_turns_of_a_session_whose_name_begins_the_same_stay_apart(store: TurnStore) -> None:
    start(store, a_turn("t-0", session_id="s"))
    start(store, a_turn("t-1", session_id="s2"))
    start(store, a_turn("t-2", session_id="s-2"))
    assert [turn.id for turn in store.newest_turns(ANA, "s")] == ["t-0"]


@pytest.mark.parametrize("text", [LONG, VERY_LONG], ids=["48 KB", "600 KB"])
def test_long_texts_survive(store: TurnStore, text: str) -> None:
    turn = start(store, a_turn(messages=(user(text),), system=text))
    store.save(ANA, replace(turn, text=text))
    assert found(store).text == text
    ended = finish(store, turn, text=text + ".", tool_calls=(replace(CALL, arguments=text),))
    assert found(store) == ended
    assert next(store.newest_turns(ANA, "s")) == ended


def test_a_text_that_shrinks_between_two_saves_is_found_short(store: TurnStore) -> None:
    turn = start(store, a_turn())
    store.save(ANA, replace(turn, text=LONG))
    store.save(ANA, replace(turn, text="short"))
    assert found(store).text == "short"


@pytest.mark.parametrize(
    "over", [{"status": "failed"}, {"status": "running"}], ids=["failed", "lease run out"]
)
def test_a_turn_that_nobody_works_on_is_taken_over(store: TurnStore, over: dict[str, Any]) -> None:
    turn = start(store, a_cut_turn(messages=(user(LONG),)))
    store.save(ANA, replace(turn, text=LONG))
    if over["status"] == "failed":
        finish(store, turn, text=LONG, **over)
    again = replace(retake(turn), messages=turn.messages)
    start(store, again)
    assert found(store) == again
    assert finish(store, again, text="made anew") == found(store)


def test_a_running_turn_is_not_taken_over(store: TurnStore) -> None:
    turn = start(store, a_turn())
    with pytest.raises(ConflictError):
        start(store, retake(turn))
    assert found(store) == turn


@pytest.mark.parametrize("status", ["completed", "stopped"])
def test_a_turn_that_has_ended_well_is_not_taken_over_though_its_lease_ran_out(
    store: TurnStore, status: str
) -> None:
    ended = finish(store, start(store, a_cut_turn()), status=status, text="done")
    with pytest.raises(ConflictError):
        start(store, retake(ended))
    assert found(store).text == "done"


def test_a_turn_is_taken_over_once_by_two_who_try(store: TurnStore) -> None:
    turn = start(store, a_cut_turn())
    start(store, retake(turn))
    with pytest.raises(ConflictError):
        start(store, retake(turn))


def test_a_turn_that_never_was_is_not_taken_over(store: TurnStore) -> None:
    with pytest.raises(ConflictError):
        start(store, a_turn(attempt=2))
    assert store.find(ANA, "t-0") is None


def test_the_writes_of_an_attempt_that_was_taken_over_are_refused(store: TurnStore) -> None:
    first = start(store, a_cut_turn())
    second = start(store, retake(first))
    with pytest.raises(ConflictError):
        store.save(ANA, replace(first, text="late"))
    with pytest.raises(ConflictError):
        finish(store, first, text="late")
    assert found(store) == second


def test_the_abandonment_of_an_attempt_that_was_taken_over_changes_nothing(
    store: TurnStore,
) -> None:
    first = start(store, a_cut_turn())
    second = start(store, retake(first))
    store.abandon(ANA, first, keep=True)
    assert found(store) == second


def test_a_wish_to_stop_ends_with_the_attempt_it_was_meant_for(store: TurnStore) -> None:
    turn = start(store, a_cut_turn())
    store.request_stop(ANA, turn.id)
    start(store, retake(turn))
    assert not store.stop_requested(ANA, turn.id)


def test_an_ended_turn_is_not_written_again(store: TurnStore) -> None:
    turn = start(store, a_turn())
    finish(store, turn, text="done")
    with pytest.raises(ConflictError):
        store.save(ANA, replace(turn, text="late"))
    with pytest.raises(ConflictError):
        finish(store, turn, text="twice")
    assert found(store).text == "done"


def test_a_turn_that_never_started_is_not_written(store: TurnStore) -> None:
    with pytest.raises(ConflictError):
        store.save(ANA, a_turn())
    with pytest.raises(ConflictError):
        finish(store, a_turn())
    assert store.find(ANA, "t-0") is None


def test_a_wish_to_stop_is_seen(store: TurnStore) -> None:
    turn = start(store, a_turn())
    assert not store.stop_requested(ANA, turn.id)
    assert store.request_stop(ANA, turn.id) == turn
    assert store.stop_requested(ANA, turn.id)


def test_a_turn_that_does_not_exist_cannot_be_stopped(store: TurnStore) -> None:
    assert store.request_stop(ANA, "nobody") is None
    assert not store.stop_requested(ANA, "nobody")
