"""The work on a running turn: tokens, the store and a wish to stop do not wait for each other."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from lambdas.core.errors import ConflictError, ModelFailedError, UnavailableError
from lambdas.core.generation import Finished, Piece, TextDelta, ToolCall, ToolCallDelta, Usage
from lambdas.core.pace import Pace
from lambdas.core.turn_run import TurnRun
from lambdas.core.turns import Turn
from tests.builders import ANA, WIDE, a_generation, a_turn, an_entry
from tests.fakes import MemoryStore
from tests.scripted_client import Script, ScriptedClient

QUICK = Pace(look_every_s=0.002, save_every_s=0.002, renew_every_s=0.01)
NEVER = Pace(look_every_s=3600)
BUSY = UnavailableError("out", retry_after_s=1)


class Run:
    """A started turn whose model plays `script`."""

    def __init__(self, *script: object, pace: Pace = QUICK, keep: bool = True) -> None:
        self.store = MemoryStore()
        self.turn = a_turn()
        played: Script = script  # type: ignore[assignment]
        self.model = ScriptedClient(played)
        self.store.start(ANA, self.turn, WIDE, keep=keep)
        pieces = self.model.open(an_entry(), a_generation())
        self.run = TurnRun(
            self.store, ANA, self.turn, pieces, keep=keep, history_tokens=4, pace=pace
        )
        self.pieces = self.run.pieces()

    @property
    def stored(self) -> Turn:
        turn = self.store.find(ANA, self.turn.id)
        assert turn is not None
        return turn


@contextmanager
def released(*events: threading.Event) -> Iterator[None]:
    """Let no thread wait for a test that has failed."""
    try:
        yield
    finally:
        for event in events:
            event.set()


def test_pieces_come_as_the_model_makes_them() -> None:
    go_on = threading.Event()
    run = Run(TextDelta("one "), go_on, TextDelta("two"), Finished("stop"), Usage(9, 2))
    with released(go_on):
        assert next(run.pieces) == TextDelta("one ")
        go_on.set()
        assert list(run.pieces) == [TextDelta("two"), Finished("stop"), Usage(9, 2)]
    assert (run.stored.status, run.stored.text) == ("completed", "one two")


def test_the_turn_is_stored_before_its_end_is_told() -> None:
    run = Run(TextDelta("hi"), Finished("length"))
    statuses = [run.stored.status for piece in run.pieces if isinstance(piece, Finished)]
    assert statuses == ["completed"]
    assert run.stored.finish_reason == "length"


def test_the_new_messages_share_is_what_the_model_counted_beyond_the_history() -> None:
    run = Run(TextDelta("hi"), Finished("stop"), Usage(9, 1))
    list(run.pieces)
    assert run.stored.message_tokens == 5
    run = Run(TextDelta("hi"), Finished("stop"))
    list(run.pieces)
    assert run.stored.message_tokens is None


def test_what_was_made_is_stored_while_the_turn_runs() -> None:
    go_on = threading.Event()
    call = ToolCallDelta(0, "{}", id="a", name="time")
    run = Run(TextDelta("one"), call, go_on, Finished("tool_calls"))
    with released(go_on):
        next(run.pieces), next(run.pieces)
        run.store.wait_for("save")
        assert (run.stored.status, run.stored.text) == ("running", "one")
        assert run.stored.tool_calls == (ToolCall("a", "time", "{}"),)
        go_on.set()
        list(run.pieces)


def test_a_silent_turn_renews_its_lease() -> None:
    go_on = threading.Event()
    run = Run(TextDelta("one"), go_on, Finished("stop"))
    before = run.store.find(ANA, "t-0")
    with released(go_on):
        next(run.pieces)
        run.store.wait_for("save", times=3)
        assert before is not None
        assert run.stored.lease_until >= before.lease_until
        go_on.set()
        list(run.pieces)


def test_a_turn_that_is_stopped_keeps_what_was_made() -> None:
    go_on = threading.Event()
    run = Run(TextDelta("one"), go_on, TextDelta(" two"), Finished("stop"), Usage(9, 2))
    with released(go_on):
        next(run.pieces)
        run.store.request_stop(ANA, "t-0")
        assert list(run.pieces) == [Finished("stop")]
    assert (run.stored.status, run.stored.text) == ("stopped", "one")


def test_a_silent_model_can_be_stopped() -> None:
    never = threading.Event()
    run = Run(never)
    with released(never):
        run.store.request_stop(ANA, "t-0")
        assert list(run.pieces) == [Finished("stop")]
        assert run.stored.status == "stopped"
        assert not run.model.closed.is_set()


def test_a_stopped_turn_ends_the_connection_to_the_model() -> None:
    go_on = threading.Event()
    endless = [TextDelta("x")] * 1000
    run = Run(TextDelta("one"), go_on, *endless, Finished("stop"))
    with released(go_on):
        next(run.pieces)
        run.store.request_stop(ANA, "t-0")
        list(run.pieces)
        go_on.set()
        assert run.model.closed.wait(20)


def test_a_stop_that_comes_after_the_end_changes_nothing() -> None:
    run = Run(TextDelta("hi"), Finished("stop"))
    list(run.pieces)
    run.store.request_stop(ANA, "t-0")
    assert run.stored.status == "completed"


def test_a_slow_store_delays_no_token() -> None:
    go_on, saved = threading.Event(), threading.Event()
    run = Run(TextDelta("one"), TextDelta(" two"), go_on, TextDelta(" three"), Finished("stop"))

    def slow() -> None:
        saved.set()
        go_on.wait()

    with released(go_on):
        run.store.before["save"] = slow
        assert next(run.pieces) == TextDelta("one")
        assert saved.wait(20)
        assert next(run.pieces) == TextDelta(" two")
        run.store.before.clear()
        go_on.set()
        assert list(run.pieces)[-1] == Finished("stop")
    assert run.stored.text == "one two three"


@pytest.mark.parametrize("call", ["save", "stop_requested"])
def test_a_store_that_is_out_for_a_moment_does_not_break_the_turn(call: str) -> None:
    go_on = threading.Event()
    run = Run(TextDelta("one"), go_on, TextDelta(" two"), Finished("stop"))
    failures = iter([BUSY, BUSY, BUSY])
    failed = threading.Event()

    def out() -> None:
        fault = next(failures, None)
        if fault:
            raise fault
        failed.set()

    with released(go_on):
        run.store.before[call] = out
        next(run.pieces)
        assert failed.wait(20)
        run.store.wait_for("save")
        go_on.set()
        assert list(run.pieces) == [TextDelta(" two"), Finished("stop")]
    assert run.stored.status == "completed"


def test_a_store_that_is_out_at_the_end_is_an_error_of_the_turn() -> None:
    run = Run(TextDelta("one"), Finished("stop"), pace=NEVER)

    def out() -> None:
        raise BUSY

    run.store.before["finish"] = out
    assert next(run.pieces) == TextDelta("one")
    with pytest.raises(UnavailableError):
        next(run.pieces)


def test_a_turn_deleted_meanwhile_ends_with_a_conflict() -> None:
    go_on = threading.Event()
    run = Run(TextDelta("one"), go_on, Finished("stop"))
    with released(go_on):
        next(run.pieces)
        run.store.delete_session(ANA, "s")
        with pytest.raises(ConflictError) as lost:
            next(run.pieces)
        assert lost.value.code == "turn_lost"
    assert run.store.is_empty


def test_a_turn_taken_over_meanwhile_ends_with_a_conflict_and_leaves_the_other() -> None:
    go_on = threading.Event()
    run = Run(TextDelta("one"), go_on, Finished("stop"), pace=NEVER)
    with released(go_on):
        next(run.pieces)
        run.store.save(ANA, replace(run.turn, lease_until=0))
        run.store.start(ANA, replace(run.turn, attempt=2), WIDE, keep=True)
        go_on.set()
        with pytest.raises(ConflictError):
            list(run.pieces)
    assert (run.stored.attempt, run.stored.status, run.stored.text) == (2, "running", "")


def test_a_model_that_breaks_off_leaves_a_failed_turn_with_what_it_made() -> None:
    run = Run(TextDelta("half"), ModelFailedError("broke"), pace=NEVER)
    assert next(run.pieces) == TextDelta("half")
    with pytest.raises(ModelFailedError):
        next(run.pieces)
    assert (run.stored.status, run.stored.text) == ("failed", "half")
    assert run.stored.error == "model_failed"


def test_a_turn_that_is_not_kept_is_neither_saved_nor_looked_at() -> None:
    go_on = threading.Event()
    run = Run(TextDelta("one"), go_on, Finished("stop"), keep=False)
    with released(go_on):
        next(run.pieces)
        go_on.set()
        assert list(run.pieces) == [Finished("stop")]
    assert run.store.calls == ["start", "finish"]
    assert run.store.is_empty


def test_the_time_of_the_first_piece_is_noted() -> None:
    pieces: list[Piece] = []
    run = Run(TextDelta("one"), Finished("stop"))
    assert run.run.first_piece_at is None
    pieces += run.pieces
    assert run.run.first_piece_at is not None
