"""Turns and the limits of their owners in the one DynamoDB table: the `TurnStore` port."""

import time
from collections.abc import Iterator
from functools import partial

from botocore.exceptions import ClientError

from lambdas.aws import limits as quota
from lambdas.aws import turn_steps
from lambdas.aws.faults import condition_failed, translated
from lambdas.aws.sessions import session_moved, session_unmoved, session_used
from lambdas.aws.table import Item, Refusals, Table, item_of, key, number_in
from lambdas.aws.turn_items import LAST_POSITION, TurnItems, key_of, pointer_key, turn_key
from lambdas.core.errors import ConflictError, LimitExceededError
from lambdas.core.identity import Owner
from lambdas.core.turns import Limits, Turn

_HISTORY_PAGE = 20


class DynamoTurns:
    def __init__(self, table: Table, items: TurnItems) -> None:
        self._table = table
        self._items = items

    def start(self, owner: Owner, turn: Turn, limits: Limits, *, keep: bool) -> None:
        steps = quota.claims(owner, turn, limits)
        refusals = [partial(quota.tokens_refused, limits), partial(quota.streams_refused, limits)]
        item = self._items.write(owner, turn) if keep else {}
        if keep:
            steps += [*turn_steps.begun(owner, turn, item), *session_moved(owner, turn)]
        try:
            self._commit_start(owner, steps, [*refusals, _taken, _taken, _taken])
        except (ConflictError, LimitExceededError):
            self._items.drop_texts(item)
            raise

    def _commit_start(self, owner: Owner, steps: list[turn_steps.Step], refusals: Refusals) -> None:
        try:
            self._table.commit(steps, refusals)
        except LimitExceededError:
            if not self._leftover_claims_dropped(owner):
                raise
            self._table.commit(steps, refusals)

    def save(self, owner: Owner, turn: Turn) -> None:
        made = self._items.write_made(owner, turn)
        change = turn_steps.changed(owner, turn, made, lease_until=turn.lease_until)
        try:
            with translated():
                self._table.client.update_item(TableName=self._table.name, **change)
        except ClientError as error:
            if not condition_failed(error):
                raise
            self._items.drop_texts(made)
            raise _lost() from error

    def finish(self, owner: Owner, turn: Turn, *, keep: bool, tokens: int) -> None:
        counted = [quota.release(owner, turn), quota.count_tokens(owner, tokens)]
        made = self._items.write_made(owner, turn) if keep else {}
        steps: list[turn_steps.Step] = []
        if keep:
            steps = [{"Update": _ended(owner, turn, made)}, *session_used(owner, turn)]
        try:
            self._table.commit([*steps, *counted], [_lost for _ in steps])
        except ConflictError:
            self._table.commit(counted)
            self._items.drop_texts(made)
            raise

    def abandon(self, owner: Owner, turn: Turn, *, keep: bool) -> None:
        released = quota.release(owner, turn)
        if keep and (self._removed(owner, turn, released) or self._failed(owner, turn, released)):
            return
        self._table.commit([released])

    def _removed(self, owner: Owner, turn: Turn, released: turn_steps.Step) -> bool:
        """Take a new turn out again, unless it is gone or another came after it."""
        if turn.attempt > 1:
            return False
        item = self._table.get(owner, key_of(turn)) or {}
        steps = [*turn_steps.removed(owner, turn), *session_unmoved(owner, turn)]
        try:
            self._table.commit([*steps, released], [_lost for _ in steps])
        except ConflictError:
            return False
        self._items.drop_texts(item)
        return True

    def _failed(self, owner: Owner, turn: Turn, released: turn_steps.Step) -> bool:
        made = self._items.write_made(owner, turn)
        change = turn_steps.changed(owner, turn, made, status="failed")
        try:
            self._table.commit([{"Update": change}, released], [_lost])
        except ConflictError:
            return False
        return True

    def find(self, owner: Owner, turn_id: str) -> Turn | None:
        pointer = self._table.get(owner, pointer_key(turn_id))
        item = self._table.get(owner, pointer["turn_key"]["S"]) if pointer else None
        return self._items.read(item) if item else None

    def request_stop(self, owner: Owner, turn_id: str) -> Turn | None:
        try:
            with translated():
                self._table.client.update_item(
                    TableName=self._table.name,
                    Key=key(owner, pointer_key(turn_id)),
                    UpdateExpression="SET stop_requested_at = :now",
                    ConditionExpression="attribute_exists(sk)",
                    ExpressionAttributeValues=item_of(**{":now": int(time.time())}),
                )
        except ClientError as error:
            if condition_failed(error):
                return None
            raise
        return self.find(owner, turn_id)

    def stop_requested(self, owner: Owner, turn_id: str) -> bool:
        pointer = self._table.get(owner, pointer_key(turn_id), consistent=False)
        return pointer is not None and number_in(pointer, "stop_requested_at") is not None

    def newest_turns(
        self, owner: Owner, session_id: str, *, before: int | None = None
    ) -> Iterator[Turn]:
        last = LAST_POSITION if before is None else before - 1
        if last < 0:
            return
        first_key, last_key = turn_key(session_id, 0), turn_key(session_id, last)
        for item in self._table.between(
            owner, first_key, last_key, newest_first=True, page=_HISTORY_PAGE
        ):
            yield self._items.read(item)

    def _leftover_claims_dropped(self, owner: Owner) -> bool:
        """Give back the streams of functions that died; whether there were any."""
        item = self._table.get(owner, quota.STREAMS_KEY) or {}
        leftover = [claim for claim in quota.claims_in(item) if self._is_leftover(owner, claim)]
        if leftover:
            self._table.commit([quota.dropped(owner, leftover)])
        return bool(leftover)

    def _is_leftover(self, owner: Owner, claim: quota.Claim) -> bool:
        turn = self.find(owner, claim.turn_id)
        if turn is None:
            return claim.outlived
        return turn.attempt != claim.attempt or turn.status_at(time.time()) != "running"


def _ended(owner: Owner, turn: Turn, made: Item) -> Item:
    usage = turn.usage
    return turn_steps.changed(
        owner,
        turn,
        made,
        status=turn.status,
        finish_reason=turn.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        message_tokens=turn.message_tokens,
        error=turn.error,
    )


def _taken() -> ConflictError:
    return ConflictError("another request of this session came first")


def _lost() -> ConflictError:
    return ConflictError("the turn was deleted or taken over", code="turn_lost")
