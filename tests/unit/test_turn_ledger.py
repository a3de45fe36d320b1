"""The books that the tests with faults keep: each kind of damage is found."""

from typing import Any

import pytest

from tests.chat_calls import Asked, Heard
from tests.turn_ledger import discrepancies

ASKED = Asked("turn 0", "count 3", "1 2 3", session_id="s")


def heard(text: str = "1 2 3", **fields: Any) -> Heard:
    return Heard(ASKED, **{"status": 200, "turn_id": "t-0", "text": text, "done": True, **fields})


def cut(text: str = "1 ") -> Heard:
    return heard(text, done=False, error={"code": "cut"})


def refused() -> Heard:
    error = {"code": "model_unavailable"}
    return heard("", status=503, turn_id=None, done=False, error=error)


def stored(text: str = "1 2 3", **fields: Any) -> dict[str, Any]:
    turn = {
        "id": "t-0",
        "position": 0,
        "status": "completed",
        "error": None,
        "messages": [{"content": ASKED.mark}],
        "reply": {"content": text},
    }
    return {**turn, **fields}


@pytest.mark.parametrize(
    ("turns", "call"),
    [
        ([stored()], heard()),
        ([stored()], cut()),
        ([stored("", status="interrupted")], cut()),
        ([stored("1 ", status="failed")], cut()),
        ([], refused()),
        ([], heard("", status=None, turn_id=None, done=False)),
    ],
)
def test_books_that_agree_have_no_discrepancy(turns: list[dict[str, Any]], call: Heard) -> None:
    assert discrepancies(turns, [call]) == []


@pytest.mark.parametrize(
    ("turns", "call", "told"),
    [
        ([], heard(), "was acknowledged and is not there"),
        ([], cut(), "was acknowledged and is not there"),
        ([stored(), stored(id="t-1", position=1)], heard(), "is there 2 times"),
        ([stored(position=1)], heard(), "positions are [1]"),
        ([stored(id="t-9")], heard(), "has the ids"),
        ([stored("1 2")], cut(), "is completed with '1 2'"),
        ([stored("1 2 3", status="interrupted")], heard(), "reads interrupted"),
        ([stored("2 3", status="interrupted")], cut(), "not a beginning"),
        ([stored()], cut("2 "), "was streamed as '2 '"),
        ([stored(status="running")], cut(), "still runs"),
        ([stored("", status="failed")], refused(), "was refused"),
    ],
)
def test_damage_is_found(turns: list[dict[str, Any]], call: Heard, told: str) -> None:
    assert any(told in text for text in discrepancies(turns, [call]))
