"""How every TurnStore counts what its owners use."""

import time
from dataclasses import replace

import pytest

from lambdas.core.errors import ConflictError, LimitExceededError
from lambdas.core.turns import TurnStore
from tests.builders import ANA, BEN, WIDE, a_cut_turn, a_turn
from tests.stores import Stores
from tests.turn_writes import (
    ONE_STREAM,
    TEN_TOKENS,
    finish,
    retake,
    start,
)


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
