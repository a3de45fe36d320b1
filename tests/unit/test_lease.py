"""A turn keeps its lease while its model has not answered yet."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from lambdas.core.catalogue import ModelEntry
from lambdas.core.chat import ChatService
from lambdas.core.errors import ModelFailedError, UnavailableError
from lambdas.core.generation import Finished, GenerationRequest, Piece
from lambdas.core.lease import renewed
from lambdas.core.turns import Turn
from tests.builders import ANA, SMALL, WIDE, a_cut_turn, a_turn, an_entry, in_session
from tests.chat_service import QUICK
from tests.fakes import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def started(store: MemoryStore, turn: Turn) -> Turn:
    store.start(ANA, turn, WIDE, keep=True)
    return turn


def status(store: MemoryStore) -> str | None:
    turn = store.find(ANA, "t-0")
    return turn.status_at(time.time()) if turn else None


def test_a_turn_that_waits_for_its_model_does_not_read_interrupted(store: MemoryStore) -> None:
    turn = started(store, a_cut_turn())
    assert status(store) == "interrupted"
    with renewed(store, ANA, turn, QUICK, keep=True):
        store.wait_for("save")
        assert status(store) == "running"


def test_nothing_is_written_once_the_block_is_over(store: MemoryStore) -> None:
    turn = started(store, a_turn())
    with renewed(store, ANA, turn, QUICK, keep=True):
        store.wait_for("save")
    store.finish(ANA, replace(turn, status="completed", text="hi"), keep=True, tokens=1)
    assert store.calls[-1] == "finish"
    assert status(store) == "completed"


def test_a_store_that_is_out_for_a_moment_is_asked_again(store: MemoryStore) -> None:
    turn = started(store, a_turn())
    faults: list[Exception] = [UnavailableError("out", retry_after_s=1)]

    def fail_once() -> None:
        if faults:
            raise faults.pop()

    store.before["save"] = fail_once
    with renewed(store, ANA, turn, QUICK, keep=True):
        store.wait_for("save")
    assert not faults


def test_a_turn_that_was_deleted_is_not_asked_for_again(store: MemoryStore) -> None:
    turn = started(store, a_turn())
    store.delete_session(ANA, "s")
    asked = threading.Event()
    store.before["save"] = asked.set
    with renewed(store, ANA, turn, QUICK, keep=True):
        assert asked.wait(20)
        renewing = [thread for thread in threading.enumerate() if thread.name == "lease"]
        for thread in renewing:
            thread.join(20)
        assert not any(thread.is_alive() for thread in renewing)


def test_a_turn_that_is_not_kept_has_no_lease_to_renew(store: MemoryStore) -> None:
    with renewed(store, ANA, a_turn(session_id=None), QUICK, keep=False):
        assert store.calls == []


class SlowToOpen:
    """A model that does not accept a call before `wait` returns."""

    def __init__(self, wait: Callable[[], None]) -> None:
        self._wait = wait

    def open(self, entry: ModelEntry, request: GenerationRequest) -> Iterator[Piece]:
        del entry, request
        self._wait()
        return iter([Finished("stop")])


def chat(store: MemoryStore, wait: Callable[[], None]) -> ChatService:
    models = {SMALL: an_entry(SMALL)}
    return ChatService(models, SlowToOpen(wait), store, WIDE, completion_ttl_days=1, pace=QUICK)


def test_the_chat_service_renews_the_lease_until_the_model_accepts(store: MemoryStore) -> None:
    reply = chat(store, lambda: store.wait_for("save", times=2)).reply(ANA, in_session("hello"))
    assert list(reply.pieces) == [Finished("stop")]


def test_a_model_that_refuses_after_a_long_wait_leaves_nothing_behind(store: MemoryStore) -> None:
    def refuse() -> None:
        store.wait_for("save")
        raise ModelFailedError("broke")

    with pytest.raises(ModelFailedError):
        chat(store, refuse).reply(ANA, in_session("hello"))
    assert store.is_empty
