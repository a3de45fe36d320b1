"""Turns and the limits of their owners in the one DynamoDB table: the `TurnStore` port."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws import limits as quota
from lambdas.aws.sessions import session_ended, session_moved, session_unmoved
from lambdas.aws.table import (
    Item,
    Table,
    condition_failed,
    item_of,
    key,
    number_in,
    translated,
    written,
)
from lambdas.aws.turn_items import TurnItems, key_of, pointer_key, turn_key
from lambdas.core.errors import ConflictError, LimitExceededError
from lambdas.core.identity import Owner
from lambdas.core.turns import Limits, Turn

_HISTORY_PAGE = 20
_LAST_POSITION = 99_999_999
_RUNNING = "#status = :running AND attempt = :attempt"


class DynamoTurns:
    def __init__(self, table: Table, items: TurnItems) -> None:
        self._table = table
        self._items = items

    def start(self, owner: Owner, turn: Turn, limits: Limits, *, keep: bool) -> None:
        steps = quota.claims(owner, turn, limits)
        refusals = [partial(quota.tokens_refused, limits), partial(quota.streams_refused, limits)]
        taken = partial(ConflictError, "another request of this session came first")
        if keep:
            steps += [*self._written(owner, turn), *session_moved(owner, turn)]
        try:
            self._table.commit(steps, [*refusals, taken, taken])
        except LimitExceededError:
            if not self._leftover_claims_dropped(owner):
                raise
            self._table.commit(steps, [*refusals, taken, taken])

    def save(self, owner: Owner, turn: Turn) -> None:
        change = self._change(owner, turn, lease_until=turn.lease_until)
        try:
            with translated():
                self._table.client.update_item(TableName=self._table.name, **change)
        except ClientError as error:
            if condition_failed(error):
                raise _lost() from error
            raise

    def finish(self, owner: Owner, turn: Turn, *, keep: bool) -> None:
        counted = [quota.release(owner, turn), quota.count_tokens(owner, turn)]
        steps: list[dict[str, Any]] = []
        if keep:
            steps = [{"Update": self._ended(owner, turn)}, *session_ended(owner, turn)]
        try:
            self._table.commit([*steps, *counted], [_lost for _ in steps])
        except ConflictError:
            self._table.commit(counted)
            raise

    def abandon(self, owner: Owner, turn: Turn, *, keep: bool) -> None:
        steps: list[dict[str, Any]] = [quota.release(owner, turn)]
        if keep and turn.attempt == 1:
            places = (key_of(turn), pointer_key(turn.id))
            steps += [{"Delete": {"Key": key(owner, place)}} for place in places]
            steps += session_unmoved(owner, turn)
        elif keep:
            steps += [{"Update": self._change(owner, turn, status="failed")}]
        self._table.commit(steps)

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
        last = _LAST_POSITION if before is None else before - 1
        if last < 0:
            return
        first_key, last_key = turn_key(session_id, 0), turn_key(session_id, last)
        for item in self._table.between(
            owner, first_key, last_key, newest_first=True, page=_HISTORY_PAGE
        ):
            yield self._items.read(item)

    def _written(self, owner: Owner, turn: Turn) -> list[dict[str, Any]]:
        """The turn, and a pointer to it under its id that also carries the wish to stop it."""
        new = turn.attempt == 1
        values = {} if new else item_of(**{":before": turn.attempt - 1, ":now": int(time.time())})
        # A turn is taken over only where nobody works on it: failed, or its lease has run out.
        free = "attempt = :before AND (#status = :failed OR lease_until < :now)"
        names = {} if new else {"#status": "status"}
        pointer = {
            **key(owner, pointer_key(turn.id)),
            **item_of(turn_key=key_of(turn), expires_at=turn.expires_at),
        }
        taken_over = {
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": {**values, **item_of(**{":failed": "failed"})},
        }
        return [
            {
                "Put": {
                    "Item": self._items.write(owner, turn),
                    "ConditionExpression": "attribute_not_exists(sk)" if new else free,
                    **({} if new else taken_over),
                }
            },
            {
                "Put": {
                    "Item": pointer,
                    **({"ConditionExpression": "attribute_not_exists(sk)"} if new else {}),
                }
            },
        ]

    def _ended(self, owner: Owner, turn: Turn) -> Item:
        usage = turn.usage
        return self._change(
            owner,
            turn,
            status=turn.status,
            finish_reason=turn.finish_reason,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            message_tokens=turn.message_tokens,
            error=turn.error,
        )

    def _change(self, owner: Owner, turn: Turn, **values: str | int | None) -> Item:
        """An update of a running turn by the attempt that works on it; what was made goes along."""
        attributes = {**self._items.write_made(owner, turn), **item_of(**values)}
        other = "made" if "made_key" in attributes else "made_key"
        settings = ", ".join(f"#{name} = :{name}" for name in attributes)
        return {
            "Key": key(owner, key_of(turn)),
            "UpdateExpression": f"SET {settings} REMOVE {other}",
            "ConditionExpression": _RUNNING,
            "ExpressionAttributeNames": {
                "#status": "status",
                **{f"#{name}": name for name in attributes},
            },
            "ExpressionAttributeValues": {
                **{f":{name}": value for name, value in attributes.items()},
                ":running": written("running"),
                ":attempt": written(turn.attempt),
            },
        }

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


def _lost() -> ConflictError:
    return ConflictError("the turn was deleted or taken over", code="turn_lost")
