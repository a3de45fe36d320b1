"""The books of a run with faults: what clients heard against what the store has in the end."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.chat_calls import Asked, Heard

StoredTurn = Mapping[str, Any]


def mark_of(turn: StoredTurn) -> str:
    return str(turn["messages"][0]["content"])


def discrepancies(turns: Sequence[StoredTurn], calls: Sequence[Heard]) -> list[str]:
    """What is wrong with a session, given every call that was made in it; empty if nothing is."""
    return [
        *_of_session(turns),
        *(text for calls_of in _by_turn(calls) for text in _of_turn(turns, calls_of)),
    ]


def _by_turn(calls: Sequence[Heard]) -> list[list[Heard]]:
    found: dict[Asked, list[Heard]] = {}
    for call in calls:
        found.setdefault(call.asked, []).append(call)
    return list(found.values())


def _of_session(turns: Sequence[StoredTurn]) -> Iterator[str]:
    positions = [turn["position"] for turn in turns]
    if positions != list(range(len(turns))):
        yield f"positions are {positions}"
    for what, names in (("id", [t["id"] for t in turns]), ("turn", [mark_of(t) for t in turns])):
        yield from (
            f"{what} {name} is there {n} times" for name, n in Counter(names).items() if n > 1
        )


def _of_turn(turns: Sequence[StoredTurn], calls: Sequence[Heard]) -> Iterator[str]:
    """Check one turn against all calls for it, a first one and its retries."""
    asked = calls[0].asked
    stored = next((turn for turn in turns if mark_of(turn) == asked.mark), None)
    name = asked.mark
    if stored is None:
        if any(call.acknowledged for call in calls):
            yield f"{name} was acknowledged and is not there"
        return
    if all(call.refused for call in calls):
        codes = [call.code for call in calls]
        yield f"{name} was refused ({codes}) and is there, {stored['status']}: {stored['error']}"
    ids = {call.turn_id for call in calls if call.turn_id} | {stored["id"]}
    if len(ids) > 1:
        yield f"{name} has the ids {sorted(ids)}"
    yield from (f"{name} {text}" for text in _of_text(stored, calls))


def _of_text(stored: StoredTurn, calls: Sequence[Heard]) -> Iterator[str]:
    whole, status, text = calls[0].asked.whole_text, stored["status"], stored["reply"]["content"]
    if status == "running":
        yield "still runs"
    if status == "completed" and text != whole:
        yield f"is completed with {text!r}"
    if not whole.startswith(text):
        yield f"holds {text!r}, not a beginning of {whole!r}"
    for call in calls:
        if call.whole and (call.text != whole or status != "completed"):
            yield f"was answered whole with {call.text!r}, and reads {status}"
        if not whole.startswith(call.text):
            yield f"was streamed as {call.text!r}, not a beginning of {whole!r}"
