"""A turn told again from the store, for a retry that finds it there."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lambdas.core.errors import ModelFailedError, NotFoundError
from lambdas.core.generation import Finished, Piece, TextDelta, ToolCall, ToolCallDelta, Usage
from lambdas.core.pace import Pace
from lambdas.core.turn_replay import replay
from lambdas.core.turns import Turn
from tests.builders import ANA, WIDE, a_cut_turn, a_turn
from tests.fakes import MemoryStore

QUICK = Pace(replay_every_s=0.001)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def started(store: MemoryStore, turn: Turn) -> Turn:
    store.start(ANA, turn, WIDE, keep=True)
    return turn


def finished(store: MemoryStore, turn: Turn, **fields: Any) -> Turn:
    ended = replace(turn, **{"status": "completed", "finish_reason": "stop", **fields})
    store.finish(ANA, ended, keep=True, tokens=1)
    return ended


def told(store: MemoryStore, turn: Turn) -> Iterator[Piece]:
    return replay(store, ANA, turn, QUICK)


def test_a_turn_that_is_done_is_told_whole(store: MemoryStore) -> None:
    turn = finished(store, started(store, a_turn()), text="hi", usage=Usage(9, 1))
    assert list(told(store, turn)) == [TextDelta("hi"), Finished("stop"), Usage(9, 1)]
    assert "find" not in store.calls


def test_a_turn_of_tool_calls_is_told_with_their_ids_and_names(store: MemoryStore) -> None:
    calls = (ToolCall("a", "time", "{}"), ToolCall("b", "date", "[]"))
    turn = started(store, a_turn())
    turn = finished(store, turn, tool_calls=calls, finish_reason="tool_calls")
    assert list(told(store, turn)) == [
        ToolCallDelta(0, "{}", id="a", name="time"),
        ToolCallDelta(1, "[]", id="b", name="date"),
        Finished("tool_calls"),
    ]


def test_a_running_turn_is_told_as_it_grows(store: MemoryStore) -> None:
    turn = started(store, a_turn())
    store.save(ANA, replace(turn, text="one"))
    found = store.find(ANA, turn.id)
    assert found is not None
    pieces = told(store, found)
    assert next(pieces) == TextDelta("one")
    store.save(ANA, replace(turn, text="one two"))
    assert next(pieces) == TextDelta(" two")
    finished(store, turn, text="one two three")
    assert list(pieces) == [TextDelta(" three"), Finished("stop")]


def test_a_stopped_turn_ends_as_one_that_was_done(store: MemoryStore) -> None:
    turn = finished(store, started(store, a_turn()), status="stopped", finish_reason=None)
    assert list(told(store, turn)) == [Finished("stop")]


def test_a_turn_that_loses_its_function_meanwhile_is_an_error(store: MemoryStore) -> None:
    turn = started(store, a_turn())
    store.save(ANA, replace(turn, text="half"))
    found = store.find(ANA, turn.id)
    assert found is not None
    pieces = told(store, found)
    next(pieces)
    store.save(ANA, replace(turn, text="half", lease_until=0))
    with pytest.raises(ModelFailedError, match="interrupted"):
        next(pieces)


def test_a_turn_that_is_taken_over_meanwhile_does_not_go_on_with_the_new_text(
    store: MemoryStore,
) -> None:
    turn = started(store, a_turn())
    store.save(ANA, replace(turn, text="half of the first"))
    found = store.find(ANA, turn.id)
    assert found is not None
    pieces = told(store, found)
    next(pieces)
    store.save(ANA, replace(turn, text="half of the first", lease_until=0))
    again = started(store, a_turn(attempt=2))
    store.save(ANA, replace(again, text="the second, which is longer than that"))
    with pytest.raises(ModelFailedError, match="made anew"):
        next(pieces)


@pytest.mark.parametrize("turn", [a_cut_turn(), a_turn(status="failed")], ids=["cut", "failed"])
def test_what_a_broken_turn_made_is_told_before_the_error(store: MemoryStore, turn: Turn) -> None:
    pieces = told(store, replace(turn, text="half"))
    assert next(pieces) == TextDelta("half")
    with pytest.raises(ModelFailedError, match="send it again"):
        next(pieces)


def test_a_turn_deleted_meanwhile_is_not_found(store: MemoryStore) -> None:
    turn = started(store, a_turn())
    asked = threading.Event()

    def delete() -> None:
        store.before.clear()
        asked.set()
        store.delete_session(ANA, "s")

    store.before["find"] = delete
    with pytest.raises(NotFoundError):
        list(told(store, turn))
    assert asked.is_set()
