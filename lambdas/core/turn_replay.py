"""A turn told again from the store: for a retry that finds its turn running or done."""

import time
from collections.abc import Iterator

from lambdas.core.errors import ModelFailedError, NotFoundError
from lambdas.core.generation import Finished, Piece, TextDelta, ToolCallDelta
from lambdas.core.identity import Owner
from lambdas.core.pace import DEFAULT_PACE, Pace
from lambdas.core.turns import Turn, TurnStore


def replay(
    store: TurnStore, owner: Owner, turn: Turn, pace: Pace = DEFAULT_PACE
) -> Iterator[Piece]:
    """Give what the turn has, then what it gets, until it ends.

    Raises:
        ModelFailedError: the turn failed, was cut off or is made anew by another request.
        NotFoundError: it was deleted meanwhile.
    """
    shown = 0
    while True:
        status = turn.status_at(time.time())
        if len(turn.text) > shown:
            yield TextDelta(turn.text[shown:])
            shown = len(turn.text)
        if status != "running":
            break
        time.sleep(pace.replay_every_s)  # the interval of a poll: DynamoDB has nothing to wait on
        turn = _same_attempt(turn, store.find(owner, turn.id))
    if status in {"failed", "interrupted"}:
        raise ModelFailedError(f"the turn {status}; send it again to have it made anew")
    for index, call in enumerate(turn.tool_calls):
        yield ToolCallDelta(index, call.arguments, id=call.id, name=call.name)
    yield Finished(turn.finish_reason or "stop")
    if turn.usage:
        yield turn.usage


def _same_attempt(told: Turn, found: Turn | None) -> Turn:
    if found is None:
        raise NotFoundError("the turn was deleted")
    if found.attempt != told.attempt:  # its text begins anew, and does not go on from what was told
        raise ModelFailedError("the turn was interrupted; it is being made anew")
    return found
