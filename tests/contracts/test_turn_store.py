"""What every TurnStore keeps to: the one in memory and the one on DynamoDB and S3."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lambdas.core.errors import ConflictError, LimitExceededError
from lambdas.core.generation import Message, ToolCall, Usage
from lambdas.core.turns import Limits, Turn, TurnStore
from tests.builders import ANA, BEN, WIDE, a_cut_turn, a_turn, user
from tests.stores import Opened, Stores, every_store

ONE_STREAM = Limits(tokens_per_day=1_000_000, concurrent_streams=1)
TEN_TOKENS = Limits(tokens_per_day=10, concurrent_streams=100)
CALL = ToolCall("call-1", "weather", '{"city": "Zürich"}')
LONG = "Zürich 🙂 " * 4_000  # 48 KB
VERY_LONG = "Zürich 🙂 " * 50_000  # 600 KB, beyond what an item of DynamoDB holds


@pytest.fixture(params=every_store())
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    opened: Opened = request.param
    with opened() as stores:
        yield stores


@pytest.fixture
def store(stores: Stores) -> TurnStore:
    return stores.turns


def start(store: TurnStore, turn: Turn, limits: Limits = WIDE) -> Turn:
    store.start(ANA, turn, limits, keep=True)
    return turn


def finish(store: TurnStore, turn: Turn, tokens: int = 1, **fields: Any) -> Turn:
    ended = replace(turn, **{"status": "completed", "finish_reason": "stop", **fields})
    store.finish(ANA, ended, keep=True, tokens=tokens)
    return ended


def retake(turn: Turn) -> Turn:
    return replace(a_turn(turn.id), position=turn.position, attempt=turn.attempt + 1)


def found(store: TurnStore, turn_id: str = "t-0") -> Turn:
    turn = store.find(ANA, turn_id)
    assert turn is not None
    return turn


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


@pytest.mark.parametrize("text", ["hello", LONG], ids=["short", "long"])
def test_an_abandoned_turn_leaves_nothing_behind(stores: Stores, text: str) -> None:
    turn = start(stores.turns, a_turn(messages=(user(text),)), ONE_STREAM)
    stores.turns.abandon(ANA, turn, keep=True)
    assert stores.leftovers() == []
    start(stores.turns, a_turn("t-0"), ONE_STREAM)


@pytest.mark.parametrize("text", ["hello", LONG], ids=["short", "long"])
def test_a_start_that_is_refused_leaves_nothing_behind(stores: Stores, text: str) -> None:
    stores.turns.start(ANA, a_turn("other", session_id=None), ONE_STREAM, keep=False)
    with pytest.raises(LimitExceededError):
        start(stores.turns, a_turn(messages=(user(text),)), ONE_STREAM)
    assert stores.leftovers() == []


def test_an_abandoned_turn_gives_its_session_back(stores: Stores) -> None:
    finish(stores.turns, start(stores.turns, a_turn("t-0")))
    stores.turns.abandon(ANA, start(stores.turns, a_turn("t-1", position=1)), keep=True)
    session = stores.sessions.session(ANA, "s")
    assert session is not None
    assert session.turn_count == 1
    assert [turn.id for turn in stores.turns.newest_turns(ANA, "s")] == ["t-0"]


def test_an_abandoned_take_over_reads_failed(store: TurnStore) -> None:
    again = start(store, retake(start(store, a_cut_turn())), ONE_STREAM)
    store.abandon(ANA, again, keep=True)
    assert found(store).status == "failed"
    start(store, retake(again), ONE_STREAM)


def test_an_abandoned_turn_stays_as_failed_where_another_came_after_it(stores: Stores) -> None:
    slow = start(stores.turns, a_cut_turn("t-0"))
    start(stores.turns, a_turn("t-1", position=1))
    stores.turns.abandon(ANA, slow, keep=True)
    finish(stores.turns, a_turn("t-1", position=1), text="kept")
    assert found(stores.turns, "t-0").status == "failed"
    assert found(stores.turns, "t-1").text == "kept"
    session = stores.sessions.session(ANA, "s")
    assert session is not None
    assert session.turn_count == 2


def test_the_abandonment_of_a_deleted_turn_brings_nothing_back(stores: Stores) -> None:
    finish(stores.turns, start(stores.turns, a_turn("t-0")))
    turn = start(stores.turns, a_turn("t-1", position=1), WIDE)
    stores.sessions.delete_session(ANA, "s")
    stores.turns.abandon(ANA, turn, keep=True)
    assert stores.leftovers() == []
    assert stores.sessions.session(ANA, "s") is None
    start(stores.turns, a_turn("t-2"), ONE_STREAM)


def test_the_abandonment_of_a_deleted_take_over_gives_its_stream_back(stores: Stores) -> None:
    two = replace(WIDE, concurrent_streams=2)
    again = start(stores.turns, retake(start(stores.turns, a_cut_turn(), two)), two)
    stores.sessions.delete_session(ANA, "s")
    stores.turns.abandon(ANA, again, keep=True)
    start(stores.turns, a_turn("t-2"), two)  # the dead attempt's own stream is held by its age


def test_a_turn_that_is_not_kept_is_not_found_but_counts(stores: Stores) -> None:
    turn = a_turn("alone", session_id=None)
    stores.turns.start(ANA, turn, ONE_STREAM, keep=False)
    assert stores.turns.find(ANA, "alone") is None
    with pytest.raises(LimitExceededError):
        stores.turns.start(ANA, a_turn("t-1"), ONE_STREAM, keep=False)
    stores.turns.finish(ANA, turn, keep=False, tokens=12)
    assert stores.leftovers() == []
    with pytest.raises(LimitExceededError):
        stores.turns.start(ANA, a_turn("t-2"), TEN_TOKENS, keep=False)


def test_a_model_that_refuses_a_turn_that_is_not_kept_gives_its_stream_back(
    store: TurnStore,
) -> None:
    turn = a_turn("alone", session_id=None)
    store.start(ANA, turn, ONE_STREAM, keep=False)
    store.abandon(ANA, turn, keep=False)
    start(store, a_turn(), ONE_STREAM)


def test_more_streams_than_allowed_are_refused_by_the_name_of_the_limit(store: TurnStore) -> None:
    start(store, a_turn("t-0"), ONE_STREAM)
    with pytest.raises(LimitExceededError, match="concurrent_streams") as refused:
        start(store, a_turn("t-1", session_id="other"), ONE_STREAM)
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.retry_after_s > 0
    assert store.find(ANA, "t-1") is None


def test_a_finished_turn_gives_its_stream_back(store: TurnStore) -> None:
    finish(store, start(store, a_turn("t-0"), ONE_STREAM))
    start(store, a_turn("t-1", position=1), ONE_STREAM)


def test_the_streams_of_one_owner_are_not_those_of_another(store: TurnStore) -> None:
    start(store, a_turn("t-0"), ONE_STREAM)
    store.start(BEN, a_turn("t-0"), ONE_STREAM, keep=True)


def test_a_stream_whose_function_died_is_given_back(store: TurnStore) -> None:
    start(store, a_cut_turn("t-0"), ONE_STREAM)
    start(store, a_turn("t-1", position=1), ONE_STREAM)


def test_a_stream_of_an_attempt_that_was_taken_over_is_given_back(store: TurnStore) -> None:
    two = replace(WIDE, concurrent_streams=2)
    start(store, retake(start(store, a_cut_turn("t-0"), two)), two)
    start(store, a_turn("t-1", position=1), two)


def test_a_claim_without_a_turn_is_dropped_once_no_function_can_hold_it(store: TurnStore) -> None:
    long_ago = int(time.time()) - 16 * 60
    store.start(ANA, a_turn("old", created_at=long_ago), ONE_STREAM, keep=False)
    store.start(ANA, a_turn("new"), ONE_STREAM, keep=False)
    with pytest.raises(LimitExceededError):
        store.start(ANA, a_turn("third"), ONE_STREAM, keep=False)


def test_the_turn_after_the_last_token_of_the_day_is_refused(store: TurnStore) -> None:
    finish(store, start(store, a_turn("t-0"), TEN_TOKENS), tokens=9)
    finish(store, start(store, a_turn("t-1", position=1), TEN_TOKENS), tokens=9)
    with pytest.raises(LimitExceededError, match="tokens_per_day") as refused:
        start(store, a_turn("t-2", position=2), TEN_TOKENS)
    assert refused.value.code == "insufficient_quota"
    assert 0 < refused.value.retry_after_s <= 86_400
    store.start(BEN, a_turn(), TEN_TOKENS, keep=True)


def test_the_tokens_of_a_turn_deleted_meanwhile_count(stores: Stores) -> None:
    turn = start(stores.turns, a_turn("t-0"), ONE_STREAM)
    stores.sessions.delete_session(ANA, "s")
    with pytest.raises(ConflictError):
        finish(stores.turns, turn, tokens=12)
    with pytest.raises(LimitExceededError, match="tokens_per_day"):
        start(stores.turns, a_turn("t-1"), TEN_TOKENS)
    start(stores.turns, a_turn("t-1"), ONE_STREAM)
