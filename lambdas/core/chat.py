"""The rule of a chat turn: check, remember, ask the model, store what it says."""

import hashlib
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain

from lambdas.core import lease
from lambdas.core.catalogue import ModelEntry
from lambdas.core.chat_request import ChatRequest
from lambdas.core.chat_rules import (
    SYSTEM_ROLES,
    checked_messages,
    entry_for,
    generation_request,
    max_tokens,
)
from lambdas.core.errors import ConflictError, InvalidRequestError
from lambdas.core.generation import Message, ModelClient, Piece
from lambdas.core.identity import Owner
from lambdas.core.pace import DEFAULT_PACE, Pace
from lambdas.core.prompt import build_prompt
from lambdas.core.turn_replay import replay
from lambdas.core.turn_run import TurnRun
from lambdas.core.turns import LEASE_S, Limits, Turn, TurnStore

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Reply:
    """An accepted turn. `pieces` must be exhausted, whoever still listens."""

    turn: Turn
    pieces: Iterator[Piece]
    run: TurnRun | None = None


class ChatService:
    """Answers chat requests with the models that are up."""

    def __init__(
        self,
        models: Mapping[str, ModelEntry],
        client: ModelClient,
        store: TurnStore,
        limits: Limits,
        *,
        completion_ttl_days: int,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self._models = models
        self._client = client
        self._store = store
        self._limits = limits
        self._ttl_s = completion_ttl_days * DAY_S
        self._pace = pace

    def reply(self, owner: Owner, request: ChatRequest) -> Reply:
        """Start a turn, or return to the one that an earlier call with its client id started.

        When this returns, the turn is stored and the model has accepted it; when it raises, the
        request left nothing behind.

        Raises:
            NotFoundError: the model is not up.
            InvalidRequestError: the model cannot honour the request.
            ConflictError: the session's last turn still runs, or the client id meant another turn.
            LimitExceededError: the owner's limits are used up.
            UnavailableError, ModelFailedError: see `ModelClient.open`.
        """
        entry = entry_for(self._models, request.model)
        messages = checked_messages(request)
        generation_request(entry, request, messages)
        turn = self._new_turn(owner, request, messages)
        earlier = self._earlier(owner, request, turn)
        if earlier and earlier.status_at(time.time()) not in {"interrupted", "failed"}:
            return Reply(earlier, replay(self._store, owner, earlier, self._pace))
        if earlier:
            turn, history = self._retaken(owner, earlier, request.model)
        else:
            turn, history = self._appended(owner, turn)
        keep = request.store is not False
        self._store.start(owner, turn, self._limits, keep=keep)
        with self._undone_if_refused(owner, turn, keep=keep):
            pieces, history_tokens = self._open(entry, request, turn, history)
        run = TurnRun(
            self._store,
            owner,
            turn,
            pieces,
            keep=keep,
            history_tokens=history_tokens,
            pace=self._pace,
        )
        return Reply(turn, run.pieces(), run)

    @contextmanager
    def _undone_if_refused(self, owner: Owner, turn: Turn, *, keep: bool) -> Iterator[None]:
        with ExitStack() as undo:
            undo.callback(self._store.abandon, owner, turn, keep=keep)
            with lease.renewed(self._store, owner, turn, self._pace, keep=keep):
                yield
            undo.pop_all()

    def _new_turn(self, owner: Owner, request: ChatRequest, messages: Sequence[Message]) -> Turn:
        now = int(time.time())
        session_id = request.kit.session_id
        # A turn that is not kept is never found again; and were its id not its own, two such turns
        # of one second would be one claim on the limits.
        client_turn_id = None if request.store is False else request.kit.client_turn_id
        said = tuple(m for m in messages if m.role not in SYSTEM_ROLES)
        system = "\n\n".join(m.content for m in messages if m.role in SYSTEM_ROLES)
        return Turn(
            id=_turn_id(owner, session_id, client_turn_id),
            session_id=session_id,
            position=0,
            model=request.model,
            messages=said if session_id else tuple(messages),
            system=(system or None) if session_id else None,
            created_at=now,
            lease_until=now + LEASE_S,
            expires_at=None if session_id else now + self._ttl_s,
        )

    def _earlier(self, owner: Owner, request: ChatRequest, turn: Turn) -> Turn | None:
        if request.kit.client_turn_id is None or request.store is False:
            return None
        earlier = self._store.find(owner, turn.id)
        if earlier and earlier.messages != turn.messages:
            raise ConflictError(
                "this client_turn_id was used for other messages", param="kit.client_turn_id"
            )
        return earlier

    def _appended(self, owner: Owner, turn: Turn) -> tuple[Turn, Iterable[Turn]]:
        """Place a new turn after the newest of its session, under the same system message."""
        if turn.session_id is None:
            return turn, ()
        history = self._store.newest_turns(owner, turn.session_id)
        newest = next(history, None)
        if newest is None:
            return turn, ()
        if newest.status_at(time.time()) == "running":
            raise ConflictError("the session's last turn still runs", code="turn_running")
        system = turn.system or newest.system
        return replace(turn, position=newest.position + 1, system=system), chain([newest], history)

    def _retaken(self, owner: Owner, turn: Turn, model: str) -> tuple[Turn, Iterable[Turn]]:
        """Take over a turn whose function died or failed: same id and place, a new attempt."""
        again = Turn(
            id=turn.id,
            session_id=turn.session_id,
            position=turn.position,
            model=model,
            messages=turn.messages,
            system=turn.system,
            created_at=turn.created_at,
            lease_until=int(time.time()) + LEASE_S,
            expires_at=turn.expires_at,
            attempt=turn.attempt + 1,
        )
        if turn.session_id is None:
            return again, ()
        return again, self._store.newest_turns(owner, turn.session_id, before=turn.position)

    def _open(
        self, entry: ModelEntry, request: ChatRequest, turn: Turn, history: Iterable[Turn]
    ) -> tuple[Iterator[Piece], int]:
        """Call the model with as much history as it accepts; its share of the prompt comes too.

        Our count can be too low for a model whose tokenizer we do not have, so a prompt that the
        model finds too long goes again with the newer half of its history.
        """
        budget_tokens = entry.context_tokens - max_tokens(entry, request)
        while True:
            prompt = build_prompt(turn.system, history, turn.messages, budget_tokens=budget_tokens)
            call = generation_request(entry, request, prompt.messages)
            try:
                return self._client.open(entry, call), prompt.history_tokens
            except InvalidRequestError as error:
                if error.code != "context_length_exceeded" or not prompt.history:
                    raise
                history = prompt.history[: len(prompt.history) // 2]


def _turn_id(owner: Owner, session_id: str | None, client_turn_id: str | None) -> str:
    """Random, or the same for the same client id: a retry finds the turn of the first try."""
    if client_turn_id is None:
        return f"chatcmpl-{uuid.uuid4().hex}"
    name = "\n".join((owner.sub, session_id or "", client_turn_id))
    return f"chatcmpl-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
