"""The work on one running turn: pieces go to the caller as they come, the store follows.

Three threads, so that neither a slow store delays a token nor a silent model delays a stop:
the caller's iterates `pieces()`; one reads the model; one renews the turn's lease, writes what is
there and looks whether someone asked to stop.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from queue import SimpleQueue

from lambdas.core.draft import Draft
from lambdas.core.errors import KitError, UnavailableError
from lambdas.core.generation import Finished, Message, Piece, TextDelta, ToolCallDelta
from lambdas.core.identity import Owner
from lambdas.core.pace import DEFAULT_PACE, Pace
from lambdas.core.prompt import estimated_tokens
from lambdas.core.turns import LEASE_S, Turn, TurnStatus, TurnStore


class TurnRun:
    """Runs a started turn to its end, whoever still listens."""

    def __init__(
        self,
        store: TurnStore,
        owner: Owner,
        turn: Turn,
        model_pieces: Iterator[Piece],
        *,
        keep: bool,
        history_tokens: int,
        pace: Pace = DEFAULT_PACE,
    ) -> None:
        self._store = store
        self._owner = owner
        self._turn = turn
        self._model_pieces = model_pieces
        self._keep = keep
        self._history_tokens = history_tokens
        self._pace = pace
        self._draft = Draft()
        self._over = threading.Event()
        self._events: SimpleQueue[Piece | Future[bool]] = SimpleQueue()
        self.first_piece_at: float | None = None

    def pieces(self) -> Iterator[Piece]:
        """Text and tool call fragments as they come; then, once the turn is stored, its end.

        Whoever takes an iterator must exhaust it: the turn's end is written by it.

        Raises:
            KitError: the model broke off, or the turn was deleted or taken over. What was made
                until then is stored where there is a turn to store it in.
        """
        threads = ThreadPoolExecutor(2, "turn")
        for work in (self._read_model, self._follow):
            threads.submit(work).add_done_callback(self._events.put)
        error: KitError | None = None
        try:
            yield from self._until_over()
        except KitError as failure:
            error = failure
        finally:
            self._over.set()
            threads.shutdown(wait=False)  # a silent model may hold its reader for long
        yield from self._end(error)

    def _until_over(self) -> Iterator[Piece]:
        while True:
            event = self._events.get()
            if isinstance(event, Future):
                event.result()
                return
            self.first_piece_at = self.first_piece_at or time.monotonic()
            self._draft.add(event)
            if isinstance(event, TextDelta | ToolCallDelta):
                yield event

    def _end(self, error: KitError | None) -> Iterator[Piece]:
        ended = replace(
            self._snapshot(),
            status=self._status(error),
            finish_reason=self._draft.reason,
            usage=self._draft.usage,
            message_tokens=self._message_tokens(),
            error=error.code if error else None,
        )
        self._store.finish(self._owner, ended, keep=self._keep, tokens=self._tokens_of(ended))
        if error:
            raise error
        yield Finished(self._draft.reason or "stop")
        if self._draft.usage:
            yield self._draft.usage

    def _status(self, error: KitError | None) -> TurnStatus:
        if error:
            return "failed"
        return "completed" if self._draft.reason else "stopped"

    def _message_tokens(self) -> int | None:
        """The new messages' share of the prompt: what the model counted beyond the history."""
        usage = self._draft.usage
        return max(0, usage.prompt_tokens - self._history_tokens) if usage else None

    def _tokens_of(self, turn: Turn) -> int:
        """What the turn costs its owner: estimated where it ended before the model had counted."""
        if turn.usage:
            return turn.usage.total_tokens
        head = [Message("system", turn.system)] if turn.system else []
        return self._history_tokens + estimated_tokens([*head, *turn.messages, turn.reply])

    def _snapshot(self) -> Turn:
        return replace(
            self._turn,
            text=self._draft.text,
            tool_calls=self._draft.tool_calls,
            lease_until=int(time.time()) + LEASE_S,
        )

    def _read_model(self) -> bool:
        try:
            for piece in self._model_pieces:
                self._events.put(piece)
                if self._over.is_set():
                    break
        finally:
            _close(self._model_pieces)
        return True

    def _follow(self) -> bool:
        """Keep the stored turn up to date; ends when the turn is over or someone asks to stop.

        A store that is out for a moment is asked again at the next look.
        """
        saved_text, saved_at = "", time.monotonic()
        while self._keep and not self._over.wait(self._pace.look_every_s):
            age_s = time.monotonic() - saved_at
            try:
                if self._store.stop_requested(self._owner, self._turn.id):
                    return True
                now = self._snapshot()
                if self._is_due(age_s, has_more=now.text != saved_text):
                    self._store.save(self._owner, now)
                    saved_text, saved_at = now.text, time.monotonic()
            except UnavailableError:
                continue
        self._over.wait()
        return True

    def _is_due(self, age_s: float, *, has_more: bool) -> bool:
        return age_s >= (self._pace.save_every_s if has_more else self._pace.renew_every_s)


def _close(pieces: Iterator[Piece]) -> None:
    """End the connection to the model, where the iterator still holds one."""
    close = getattr(pieces, "close", None)
    if close:
        close()
