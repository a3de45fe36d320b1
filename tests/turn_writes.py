"""Steps in the life of a stored turn, by Ana."""

from dataclasses import replace
from typing import Any

from lambdas.core.generation import ToolCall
from lambdas.core.turns import Limits, Turn, TurnStore
from tests.builders import ANA, WIDE, a_turn

ONE_STREAM = Limits(tokens_per_day=1_000_000, concurrent_streams=1)
TEN_TOKENS = Limits(tokens_per_day=10, concurrent_streams=100)
CALL = ToolCall("call-1", "weather", '{"city": "Zürich"}')
LONG = "Zürich 🙂 " * 4_000  # 48 KB
VERY_LONG = "Zürich 🙂 " * 50_000  # 600 KB, beyond what an item of DynamoDB holds


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
