"""How turns and sessions are items of the one table; docs/architecture.md lists the keys."""

import json
from dataclasses import asdict
from typing import Any

from lambdas.aws.table import Item, item_of, key, number_in, text_in
from lambdas.aws.texts import Texts
from lambdas.core.generation import Message, ToolCall, Usage
from lambdas.core.identity import Owner
from lambdas.core.turns import Session, Turn

LAST_POSITION = 99_999_999  # the highest that the eight digits of a turn's key can hold


def session_key(session_id: str) -> str:
    return f"S#{session_id}"


def turn_key(session_id: str, position: int) -> str:
    return f"S#{session_id}#T#{position:08d}"


def pointer_key(turn_id: str) -> str:
    return f"M#{turn_id}"


def key_of(turn: Turn) -> str:
    """A turn without a session stands alone under its own id."""
    return turn_key(turn.session_id or turn.id, turn.position)


class TurnItems:
    """Turns as items. Long texts go to the bucket, and the item keeps their key."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def write(self, owner: Owner, turn: Turn) -> Item:
        asked = {"system": turn.system, "messages": [asdict(m) for m in turn.messages]}
        return {
            **key(owner, key_of(turn)),
            **item_of(
                id=turn.id,
                session_id=turn.session_id,
                position=turn.position,
                model=turn.model,
                status=turn.status,
                attempt=turn.attempt,
                created_at=turn.created_at,
                lease_until=turn.lease_until,
                expires_at=turn.expires_at,
            ),
            **self._texts.put(owner, turn, "asked", json.dumps(asked, ensure_ascii=False)),
        }

    def write_made(self, owner: Owner, turn: Turn) -> Item:
        """The attribute, under one of two names, that holds what the model made."""
        made = {"text": turn.text, "tool_calls": [asdict(c) for c in turn.tool_calls]}
        return self._texts.put(owner, turn, "made", json.dumps(made, ensure_ascii=False))

    def drop_texts(self, item: Item) -> None:
        """Delete the long texts that `write` or `write_made` stored for `item`."""
        self._texts.drop(item)

    def read(self, item: Item) -> Turn:
        asked = json.loads(self._texts.get(item, "asked") or "{}")
        made = json.loads(self._texts.get(item, "made") or "{}")
        prompt_tokens = number_in(item, "prompt_tokens")
        completion_tokens = number_in(item, "completion_tokens") or 0
        status: Any = item["status"]["S"]
        reason: Any = text_in(item, "finish_reason")
        return Turn(
            id=item["id"]["S"],
            session_id=text_in(item, "session_id"),
            position=int(item["position"]["N"]),
            model=item["model"]["S"],
            messages=tuple(_message(m) for m in asked.get("messages", ())),
            created_at=int(item["created_at"]["N"]),
            lease_until=int(item["lease_until"]["N"]),
            system=asked.get("system"),
            status=status,
            attempt=int(item["attempt"]["N"]),
            text=made.get("text", ""),
            tool_calls=tuple(ToolCall(**call) for call in made.get("tool_calls", ())),
            finish_reason=reason,
            usage=None if prompt_tokens is None else Usage(prompt_tokens, completion_tokens),
            message_tokens=number_in(item, "message_tokens"),
            error=text_in(item, "error"),
            expires_at=number_in(item, "expires_at"),
        )


def read_session(item: Item) -> Session:
    return Session(
        id=item["session_id"]["S"],
        title=item["title"]["S"],
        created_at=int(item["created_at"]["N"]),
        updated_at=int(item["updated_at"]["N"]),
        turn_count=int(item["turn_count"]["N"]),
    )


def _message(fields: dict[str, Any]) -> Message:
    calls = tuple(ToolCall(**call) for call in fields.pop("tool_calls", ()))
    return Message(**fields, tool_calls=calls)
