"""Sessions and turns as the API shows them."""

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lambdas.core.completion import message_fields, usage_fields
from lambdas.core.turns import Session, Turn


def page_object(items: Sequence[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """A page of a list: ask for the next with `after` = `last_id`."""
    ids = [item["id"] for item in items]
    return {
        "object": "list",
        "data": list(items),
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more,
    }


def session_object(session: Session) -> dict[str, Any]:
    return {"object": "session", **asdict(session)}


def turn_object(turn: Turn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "object": "turn",
        "position": turn.position,
        "status": turn.status_at(time.time()),
        "model": turn.model,
        "created_at": turn.created_at,
        "system": turn.system,
        "messages": [message_fields(message) for message in turn.messages],
        "reply": message_fields(turn.reply),
        "finish_reason": turn.finish_reason,
        "usage": usage_fields(turn.usage) if turn.usage else None,
        "error": turn.error,
    }
