"""What a user's conversations have left: list, read and delete sessions, stop a running turn."""

import time
from typing import Any

from aws_lambda_powertools.event_handler import Response

from lambdas.core.api_objects import DeletedSession, SessionWithTurns, StopObject
from lambdas.core.chat_request import is_id
from lambdas.core.errors import NotFoundError
from lambdas.core.session_objects import session_object, session_page, turn_page
from lambdas.functions.rest import Event, Rest
from lambdas.wiring import services

app = Rest()


@app.get("/v1/sessions")
def list_sessions() -> Response[str]:
    after = app.after()
    if after is not None and not is_id(after):
        raise NotFoundError("there is no session to list after", param="after")
    found, has_more = services().sessions.sessions(app.owner, limit=app.page_size(), after=after)
    return app.ok(session_page(found, has_more=has_more))


@app.get("/v1/sessions/<session_id>")
def get_session(session_id: str) -> Response[str]:
    owner, after = app.owner, app.after()
    session = services().sessions.session(owner, session_id) if is_id(session_id) else None
    if session is None:
        raise _no_session()
    turns, has_more = services().sessions.turns(
        owner, session_id, limit=app.page_size(), after=_position(session_id, after)
    )
    page = turn_page(turns, has_more=has_more)
    shown: SessionWithTurns = {**session_object(session), "turns": page}
    return app.ok(shown)


@app.delete("/v1/sessions/<session_id>")
def delete_session(session_id: str) -> Response[str]:
    if not (is_id(session_id) and services().sessions.delete_session(app.owner, session_id)):
        raise _no_session()
    deleted: DeletedSession = {"id": session_id, "object": "session.deleted", "deleted": True}
    return app.ok(deleted)


@app.delete("/v1/chat/completions/<completion_id>")
def stop_completion(completion_id: str) -> Response[str]:
    """Ask a running turn to stop. It stays in its session, with what was generated."""
    owner, turns = app.owner, services().turns
    turn = turns.request_stop(owner, completion_id) if is_id(completion_id) else None
    if turn is None:
        raise NotFoundError("no such completion", code="completion_not_found")
    stopped: StopObject = {
        "id": turn.id,
        "object": "chat.completion.deleted",
        "deleted": False,
        "kit": {"status": turn.status_at(time.time())},
    }
    return app.ok(stopped)


def handler(event: Event, context: Any) -> Any:
    return app.resolve(event, context)


def _position(session_id: str, after: str | None) -> int:
    """The place of the turn `after`; before the first without one."""
    if after is None:
        return -1
    turn = services().turns.find(app.owner, after) if is_id(after) else None
    if turn is None or turn.session_id != session_id:
        raise NotFoundError("there is no turn to list after", param="after")
    return turn.position


def _no_session() -> NotFoundError:
    return NotFoundError("no such session", code="session_not_found")
