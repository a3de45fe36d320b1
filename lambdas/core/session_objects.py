"""Sessions and turns as the API shows them."""

import time
from collections.abc import Sequence
from typing import TypeVar

from lambdas.core.api_objects import Identified, Page, SessionObject, TurnObject
from lambdas.core.completion import message_fields, usage_fields
from lambdas.core.turns import Session, Turn

T = TypeVar("T", bound=Identified)


def page_object(items: Sequence[T], *, has_more: bool) -> Page[T]:
    """A page of a list: ask for the next with `after` = `last_id`."""
    ids = [item["id"] for item in items]
    return {
        "object": "list",
        "data": list(items),
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more,
    }


def session_object(session: Session) -> SessionObject:
    return {
        "id": session.id,
        "object": "session",
        "title": session.title,
        "created_at": session.created_at,
        "updated_at": session.updated_at,
        "turn_count": session.turn_count,
    }


def turn_object(turn: Turn) -> TurnObject:
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
