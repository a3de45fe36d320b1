"""Sessions and turns as the API shows them."""

import time
from collections.abc import Sequence

from lambdas.core.api_objects import Page, SessionObject, SessionPage, TurnObject, TurnPage
from lambdas.core.completion import message_fields, usage_fields
from lambdas.core.turns import Session, Turn


def session_page(sessions: Sequence[Session], *, has_more: bool) -> SessionPage:
    data = [session_object(session) for session in sessions]
    return {**_page([session.id for session in sessions], has_more=has_more), "data": data}


def turn_page(turns: Sequence[Turn], *, has_more: bool) -> TurnPage:
    data = [turn_object(turn) for turn in turns]
    return {**_page([turn.id for turn in turns], has_more=has_more), "data": data}


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


def _page(ids: Sequence[str], *, has_more: bool) -> Page:
    return {
        "object": "list",
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": has_more,
    }
