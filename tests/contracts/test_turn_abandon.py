"""What every TurnStore leaves of a turn that was refused: nothing."""

from dataclasses import replace

import pytest

from lambdas.core.errors import LimitExceededError
from lambdas.core.turns import TurnStore
from tests.builders import ANA, WIDE, a_cut_turn, a_turn, user
from tests.stores import Stores
from tests.turn_writes import LONG, ONE_STREAM, finish, found, retake, start


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
