"""Sessions in the one DynamoDB table: the `SessionStore` port, and the steps that turns add to."""

import time
from typing import Any

from lambdas.aws.faults import translated
from lambdas.aws.table import Item, Table, item_of, key, partition, written
from lambdas.aws.texts import Texts
from lambdas.aws.turn_items import (
    LAST_POSITION,
    TurnItems,
    pointer_key,
    read_session,
    session_key,
    turn_key,
)
from lambdas.core.errors import ConflictError, NotFoundError
from lambdas.core.identity import Owner
from lambdas.core.turns import Session, Turn

INDEX = "gsi1"
# A function's whole answer is 6 MB at most, and JSON within JSON writes many characters as two.
PAGE_BYTES = 2_000_000


class DynamoSessions:
    def __init__(
        self, table: Table, items: TurnItems, texts: Texts, *, page_bytes: int = PAGE_BYTES
    ) -> None:
        self._table = table
        self._items = items
        self._texts = texts
        self._page_bytes = page_bytes

    def session(self, owner: Owner, session_id: str) -> Session | None:
        item = self._table.get(owner, session_key(session_id))
        return read_session(item) if item else None

    def sessions(
        self, owner: Owner, *, limit: int, after: str | None = None
    ) -> tuple[list[Session], bool]:
        query: dict[str, Any] = {
            "TableName": self._table.name,
            "IndexName": INDEX,
            "KeyConditionExpression": "gsi1pk = :owner",
            "ExpressionAttributeValues": item_of(**{":owner": _sessions_of(owner)}),
            "ScanIndexForward": False,
            "Limit": limit + 1,
        }
        if after is not None:
            query["ExclusiveStartKey"] = self._place_in_index(owner, after)
        with translated():
            items = self._table.client.query(**query)["Items"]
        return [read_session(item) for item in items[:limit]], len(items) > limit

    def turns(
        self, owner: Owner, session_id: str, *, limit: int, after: int = -1
    ) -> tuple[list[Turn], bool]:
        first, last = turn_key(session_id, after + 1), turn_key(session_id, LAST_POSITION)
        shown: list[Turn] = []
        left_bytes = self._page_bytes
        for item in self._table.between(owner, first, last, page=limit + 1):
            if len(shown) == limit or left_bytes <= 0:
                return shown, True
            shown.append(self._items.read(item))
            left_bytes -= _size_bytes(shown[-1])
        return shown, False

    def delete_session(self, owner: Owner, session_id: str) -> bool:
        """The session's own item goes last: whoever is cut off in between can ask again."""
        place = session_key(session_id)
        found = session = self._table.get(owner, place)
        while session is not None:
            first, last = turn_key(session_id, 0), turn_key(session_id, LAST_POSITION)
            for item in self._table.between(owner, first, last):
                names = (pointer_key(item["id"]["S"]), item["sk"]["S"])
                self._table.commit([{"Delete": {"Key": key(owner, name)}} for name in names])
            self._texts.drop_session(owner, session_id)
            session = None if self._removed(session) else self._table.get(owner, place)
        return found is not None

    def _removed(self, session: Item) -> bool:
        """Delete the session's item, unless a turn has used the session since it was read."""
        gone = {
            "Key": {name: session[name] for name in ("pk", "sk")},
            "ConditionExpression": "gsi1sk = :used",
            "ExpressionAttributeValues": {":used": session["gsi1sk"]},
        }
        try:
            self._table.commit([{"Delete": gone}], [_moved])
        except ConflictError:
            return False
        return True

    def _place_in_index(self, owner: Owner, session_id: str) -> Item:
        item = self._table.get(owner, session_key(session_id))
        if item is None:
            raise NotFoundError("there is no session to list after", param="after")
        return {name: item[name] for name in ("pk", "sk", "gsi1pk", "gsi1sk")}


def session_moved(owner: Owner, turn: Turn) -> list[dict[str, Any]]:
    """Transaction steps that make or move the session to which a turn is added."""
    if turn.session_id is None or turn.attempt > 1:
        return session_used(owner, turn)
    return [
        _session_step(
            owner,
            turn,
            "title = if_not_exists(title, :title), session_id = :session,"
            " created_at = if_not_exists(created_at, :created), turn_count = :count",
            {
                ":title": turn.title,
                ":session": turn.session_id,
                ":created": turn.created_at,
                ":count": turn.position + 1,
            },
        )
    ]


def session_used(owner: Owner, turn: Turn) -> list[dict[str, Any]]:
    """Transaction steps when a turn that is there is written; none brings a session back."""
    if turn.session_id is None:
        return []
    step = _session_step(owner, turn, "", {})
    step["Update"]["ConditionExpression"] = "attribute_exists(sk)"
    return [step]


def session_unmoved(owner: Owner, turn: Turn) -> list[dict[str, Any]]:
    """Transaction steps that take `session_moved` of a new turn back, if it was the last."""
    if turn.session_id is None:
        return []
    if turn.position == 0:
        return [_session_gone(owner, turn.session_id, 1)]
    return [
        {
            "Update": {
                "Key": key(owner, session_key(turn.session_id)),
                "UpdateExpression": "SET turn_count = :count",
                "ConditionExpression": "turn_count = :moved",
                "ExpressionAttributeValues": item_of(
                    **{":count": turn.position, ":moved": turn.position + 1}
                ),
            }
        }
    ]


def _session_gone(owner: Owner, session_id: str, turn_count: int) -> dict[str, Any]:
    return {
        "Delete": {
            "Key": key(owner, session_key(session_id)),
            "ConditionExpression": "turn_count = :count",
            "ExpressionAttributeValues": item_of(**{":count": turn_count}),
        }
    }


def _session_step(
    owner: Owner, turn: Turn, settings: str, values: dict[str, str | int]
) -> dict[str, Any]:
    now_ms = time.time_ns() // 1_000_000
    used = "updated_at = :updated, gsi1pk = :owner, gsi1sk = :used"
    return {
        "Update": {
            "Key": key(owner, session_key(turn.session_id or turn.id)),
            "UpdateExpression": "SET " + ", ".join(filter(None, (settings, used))),
            "ExpressionAttributeValues": {
                **item_of(**values),
                ":updated": written(now_ms // 1000),
                ":owner": written(_sessions_of(owner)),
                ":used": written(f"{now_ms:015d}"),
            },
        }
    }


def _size_bytes(turn: Turn) -> int:
    messages = (*turn.messages, turn.reply)
    texts = [turn.system or "", *(message.content for message in messages)]
    texts += [call.arguments for message in messages for call in message.tool_calls]
    return sum(len(text.encode()) for text in texts)


def _sessions_of(owner: Owner) -> str:
    return f"{partition(owner)}#S"


def _moved() -> ConflictError:
    return ConflictError("the session was used meanwhile")
