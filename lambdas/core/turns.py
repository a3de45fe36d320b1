"""Turns and sessions: what is kept of a conversation, and the port of the store that keeps it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from lambdas.core.generation import FinishReason, Message, ToolCall, Usage
from lambdas.core.identity import Owner

TurnStatus = Literal["running", "completed", "stopped", "failed", "interrupted"]

# A running turn renews its lease while its function lives. One whose lease has run out reads as
# interrupted, so a killed function is noticed in seconds and not after the function's time-out.
LEASE_S = 30
TITLE_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Turn:
    """One exchange: the new messages of the caller and what the model made of them.

    `attempt` counts the functions that worked on it: a retry of an interrupted turn takes it over,
    and what the earlier function still writes is refused. `system` is the system message in force,
    inherited from the turn before unless the caller gave one. `message_tokens` is the share of the
    new messages in the prompt, as the model counted it; None until known. Times are epoch seconds.
    """

    id: str
    session_id: str | None
    position: int
    model: str
    messages: tuple[Message, ...]
    created_at: int
    lease_until: int
    system: str | None = None
    status: TurnStatus = "running"
    attempt: int = 1
    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    message_tokens: int | None = None
    error: str | None = None
    expires_at: int | None = None

    def status_at(self, now: float) -> TurnStatus:
        return "interrupted" if self.status == "running" and now > self.lease_until else self.status

    @property
    def reply(self) -> Message:
        return Message("assistant", self.text, tool_calls=self.tool_calls)

    @property
    def title(self) -> str:
        """The start of what the user said: a session is called after its first turn."""
        said = next((m.content for m in self.messages if m.role == "user"), "")
        return " ".join(said.split())[:TITLE_LENGTH]


@dataclass(frozen=True, slots=True)
class Session:
    id: str
    title: str
    created_at: int
    updated_at: int
    turn_count: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one user may use. The day's tokens are checked before a turn and counted after it."""

    tokens_per_day: int
    concurrent_streams: int


class TurnStore(Protocol):
    """Keeps turns and the counters of each user's limits.

    Whatever an owner does not own does not exist for them. Every call may raise UnavailableError.
    """

    def start(self, owner: Owner, turn: Turn, limits: Limits, *, keep: bool) -> None:
        """Write a running turn, move its session and claim its place in the limits: all or nothing.

        With `attempt` above 1 the turn is taken over from the attempt before. With `keep` False
        only the limits are claimed.

        Raises:
            ConflictError: the position or the attempt is taken, or the turn's id exists.
            LimitExceededError: the message names the limit.
        """
        ...

    def save(self, owner: Owner, turn: Turn) -> None:
        """Write what a running turn has so far and renew its lease.

        Raises:
            ConflictError: deleted, ended or taken over meanwhile.
        """
        ...

    def finish(self, owner: Owner, turn: Turn, *, keep: bool, tokens: int) -> None:
        """Write the end of a turn, give its place back and count `tokens`: all or nothing.

        Raises:
            ConflictError: deleted, ended or taken over meanwhile; its place is given back, and
                its tokens are counted.
        """
        ...

    def abandon(self, owner: Owner, turn: Turn, *, keep: bool) -> None:
        """Undo `start`: the model refused, nothing was promised. A taken-over turn reads failed."""
        ...

    def find(self, owner: Owner, turn_id: str) -> Turn | None: ...

    def request_stop(self, owner: Owner, turn_id: str) -> Turn | None:
        """Ask the function that works on a turn to end it; None when there is no such turn."""
        ...

    def stop_requested(self, owner: Owner, turn_id: str) -> bool: ...

    def newest_turns(
        self, owner: Owner, session_id: str, *, before: int | None = None
    ) -> Iterator[Turn]:
        """The turns of a session, newest first, read page by page as they are asked for.

        With `before` only those at lower positions.
        """
        ...


class SessionStore(Protocol):
    """Shows and removes what the turns have left. Every call may raise UnavailableError."""

    def session(self, owner: Owner, session_id: str) -> Session | None: ...

    def sessions(
        self, owner: Owner, *, limit: int, after: str | None = None
    ) -> tuple[list[Session], bool]:
        """Sessions by last use, newest first, and whether there are more.

        Raises:
            NotFoundError: there is no session `after`.
        """
        ...

    def turns(
        self, owner: Owner, session_id: str, *, limit: int, after: int = -1
    ) -> tuple[list[Turn], bool]:
        """Turns in order, from the position past `after`, and whether there are more.

        Fewer than `limit` where they are long.
        """
        ...

    def delete_session(self, owner: Owner, session_id: str) -> bool:
        """Remove a session with its turns and texts; False when there is none."""
        ...
