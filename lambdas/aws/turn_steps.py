"""The steps of transactions that begin, take over, change and remove a turn."""

import time
from typing import Any

from lambdas.aws.table import Item, item_of, key, written
from lambdas.aws.turn_items import key_of, pointer_key
from lambdas.core.identity import Owner
from lambdas.core.turns import Turn

Step = dict[str, Any]

_NEW = "attribute_not_exists(sk)"
# A turn is taken over only where nobody works on it: failed, or its lease has run out.
_FREE = "attempt = :before AND (#status = :failed OR (#status = :running AND lease_until <= :now))"
_HELD = "#status = :running AND attempt = :attempt"


def begun(owner: Owner, turn: Turn, item: Item) -> list[Step]:
    """Write the turn's item, and a pointer under its id that also carries the wish to stop it."""
    pointer = {
        **key(owner, pointer_key(turn.id)),
        **item_of(turn_key=key_of(turn), expires_at=turn.expires_at),
    }
    if turn.attempt == 1:
        return [{"Put": {"Item": made, "ConditionExpression": _NEW}} for made in (item, pointer)]
    taken_over = {
        "Item": item,
        "ConditionExpression": _FREE,
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {
            ":before": written(turn.attempt - 1),
            ":now": written(int(time.time())),
            ":failed": written("failed"),
            ":running": written("running"),
        },
    }
    return [{"Put": taken_over}, {"Put": {"Item": pointer}}]


def changed(owner: Owner, turn: Turn, made: Item, **values: str | int | None) -> Item:
    """An update of a running turn by the attempt that works on it; `made` holds its reply."""
    attributes = {**made, **item_of(**values)}
    other = "made" if "made_key" in made else "made_key"
    settings = ", ".join(f"#{name} = :{name}" for name in attributes)
    names = {f"#{name}": name for name in attributes}
    return {
        "Key": key(owner, key_of(turn)),
        "UpdateExpression": f"SET {settings} REMOVE {other}",
        "ConditionExpression": _HELD,
        "ExpressionAttributeNames": {"#status": "status", **names},
        "ExpressionAttributeValues": {
            **{f":{name}": value for name, value in attributes.items()},
            **_holder(turn),
        },
    }


def removed(owner: Owner, turn: Turn) -> list[Step]:
    """Delete a running turn, and the pointer to it."""
    held = {
        "Key": key(owner, key_of(turn)),
        "ConditionExpression": _HELD,
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": _holder(turn),
    }
    return [{"Delete": held}, {"Delete": {"Key": key(owner, pointer_key(turn.id))}}]


def _holder(turn: Turn) -> Item:
    return {":running": written("running"), ":attempt": written(turn.attempt)}
