"""The stores of lambdas.core in memory: they pass the same contracts as those on AWS."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from lambdas.core.errors import ConflictError, LimitExceededError, NotFoundError
from lambdas.core.identity import Owner
from lambdas.core.turns import Limits, Session, Turn

CLAIM_AGE_S = 15 * 60
Place = tuple[str, str, int]


class MemoryStore:
    """Turns and sessions in dictionaries: the ports `TurnStore` and `SessionStore`.

    A test puts an action under the name of a call into `before`: it runs ahead of the call, and
    may raise what the store shall raise, or wait for an event of the test.
    """

    def __init__(self) -> None:
        self.before: dict[str, Callable[[], None]] = {}
        self.calls: list[str] = []
        self._lock = threading.RLock()
        self._called = threading.Condition(self._lock)
        self._turns: dict[Place, Turn] = {}
        self._places: dict[tuple[str, str], Place] = {}
        self._stops: set[tuple[str, str]] = set()
        self._sessions: dict[tuple[str, str], Session] = {}
        self._used: dict[tuple[str, str], int] = {}
        self._uses = 0
        self._claims: dict[str, set[tuple[int, int, str]]] = defaultdict(set)
        self._tokens: dict[tuple[str, str], int] = defaultdict(int)

    def wait_for(self, call: str, times: int = 1, limit_s: float = 20) -> None:
        """Block until `call` has been carried out so many times in all."""
        with self._called:
            if not self._called.wait_for(lambda: self.calls.count(call) >= times, limit_s):
                raise TimeoutError(f"{call} was not called {times} times: {self.calls}")

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left of anyone's turns; counters do not matter."""
        return not (self._turns or self._places or self._sessions)

    def start(self, owner: Owner, turn: Turn, limits: Limits, *, keep: bool) -> None:
        with self._call("start"):
            self._check_limits(owner, limits)
            if keep:
                self._check_free(owner, turn)
                self._put(owner, turn)
                self._places[owner.sub, turn.id] = _place(owner, turn)
                self._stops.discard((owner.sub, turn.id))
                self._move_session(owner, turn)
            self._claims[owner.sub].add(_claim(turn))

    def save(self, owner: Owner, turn: Turn) -> None:
        with self._call("save"):
            self._check_held(owner, turn)
            held = self._turns[_place(owner, turn)]
            held = replace(held, text=turn.text, tool_calls=turn.tool_calls)
            self._put(owner, replace(held, lease_until=turn.lease_until))

    def finish(self, owner: Owner, turn: Turn, *, keep: bool, tokens: int) -> None:
        with self._call("finish"):
            self._claims[owner.sub].discard(_claim(turn))
            self._tokens[owner.sub, _today()] += tokens
            if keep:
                self._check_held(owner, turn)
                held = self._turns[_place(owner, turn)]
                self._put(owner, replace(turn, lease_until=held.lease_until))
                self._use_session(owner, turn)

    def abandon(self, owner: Owner, turn: Turn, *, keep: bool) -> None:
        with self._call("abandon"):
            self._claims[owner.sub].discard(_claim(turn))
            if keep and self._is_held(owner, turn):
                if turn.attempt > 1 or self._has_successor(owner, turn):
                    self._put(owner, replace(turn, status="failed"))
                else:
                    self._remove(owner, turn)
                    self._take_session_back(owner, turn)

    def find(self, owner: Owner, turn_id: str) -> Turn | None:
        with self._call("find"):
            place = self._places.get((owner.sub, turn_id))
            return self._turns[place] if place else None

    def request_stop(self, owner: Owner, turn_id: str) -> Turn | None:
        with self._call("request_stop"):
            place = self._places.get((owner.sub, turn_id))
            if place is None:
                return None
            self._stops.add((owner.sub, turn_id))
            return self._turns[place]

    def stop_requested(self, owner: Owner, turn_id: str) -> bool:
        with self._call("stop_requested"):
            return (owner.sub, turn_id) in self._stops

    def newest_turns(
        self, owner: Owner, session_id: str, *, before: int | None = None
    ) -> Iterator[Turn]:
        with self._call("newest_turns"):
            turns = [t for t in self._turns_of(owner, session_id) if _is_before(t, before)]
        yield from reversed(turns)

    def session(self, owner: Owner, session_id: str) -> Session | None:
        with self._call("session"):
            return self._sessions.get((owner.sub, session_id))

    def sessions(
        self, owner: Owner, *, limit: int, after: str | None = None
    ) -> tuple[list[Session], bool]:
        with self._call("sessions"):
            mine = [session for (sub, _), session in self._sessions.items() if sub == owner.sub]
            mine.sort(key=lambda session: self._used[owner.sub, session.id], reverse=True)
            if after is not None:
                ids = [session.id for session in mine]
                if after not in ids:
                    raise NotFoundError("there is no session to list after", param="after")
                mine = mine[ids.index(after) + 1 :]
            return mine[:limit], len(mine) > limit

    def turns(
        self, owner: Owner, session_id: str, *, limit: int, after: int = -1
    ) -> tuple[list[Turn], bool]:
        with self._call("turns"):
            turns = [t for t in self._turns_of(owner, session_id) if t.position > after]
            return turns[:limit], len(turns) > limit

    def delete_session(self, owner: Owner, session_id: str) -> bool:
        with self._call("delete_session"):
            if self._sessions.pop((owner.sub, session_id), None) is None:
                return False
            for turn in self._turns_of(owner, session_id):
                self._remove(owner, turn)
            return True

    def _call(self, name: str) -> "_Call":
        action = self.before.get(name)
        if action:
            action()
        return _Call(self._called, self.calls, name)

    def _check_limits(self, owner: Owner, limits: Limits) -> None:
        if self._tokens[owner.sub, _today()] >= limits.tokens_per_day:
            raise LimitExceededError("tokens_per_day", retry_after_s=1, code="insufficient_quota")
        claims = self._claims[owner.sub]
        if len(claims) >= limits.concurrent_streams:
            claims -= {claim for claim in claims if self._is_leftover(owner, claim)}
        if len(claims) >= limits.concurrent_streams:
            raise LimitExceededError("concurrent_streams", retry_after_s=1)

    def _is_leftover(self, owner: Owner, claim: tuple[int, int, str]) -> bool:
        created_at, attempt, turn_id = claim
        place = self._places.get((owner.sub, turn_id))
        if place is None:
            return time.time() > created_at + CLAIM_AGE_S
        turn = self._turns[place]
        return turn.attempt != attempt or turn.status_at(time.time()) != "running"

    def _check_free(self, owner: Owner, turn: Turn) -> None:
        held = self._turns.get(_place(owner, turn))
        if turn.attempt == 1:
            free = held is None and (owner.sub, turn.id) not in self._places
        else:
            free = held is not None and held.attempt == turn.attempt - 1 and _is_over(held)
        if not free:
            raise ConflictError("another request of this session came first")

    def _check_held(self, owner: Owner, turn: Turn) -> None:
        if not self._is_held(owner, turn):
            raise ConflictError("the turn was deleted or taken over", code="turn_lost")

    def _is_held(self, owner: Owner, turn: Turn) -> bool:
        held = self._turns.get(_place(owner, turn))
        return held is not None and (held.status, held.attempt) == ("running", turn.attempt)

    def _has_successor(self, owner: Owner, turn: Turn) -> bool:
        after = turn.position + 1
        return turn.session_id is not None and (owner.sub, turn.session_id, after) in self._turns

    def _put(self, owner: Owner, turn: Turn) -> None:
        self._turns[_place(owner, turn)] = turn

    def _remove(self, owner: Owner, turn: Turn) -> None:
        del self._turns[_place(owner, turn)]
        del self._places[owner.sub, turn.id]

    def _turns_of(self, owner: Owner, session_id: str) -> list[Turn]:
        mine = [t for place, t in self._turns.items() if place[:2] == (owner.sub, session_id)]
        return sorted(mine, key=lambda turn: turn.position)

    def _move_session(self, owner: Owner, turn: Turn) -> None:
        if turn.session_id is None:
            return
        key = (owner.sub, turn.session_id)
        new = Session(turn.session_id, turn.title, turn.created_at, turn.created_at, 0)
        moved = self._sessions.get(key, new)
        if turn.attempt == 1:
            moved = replace(moved, turn_count=turn.position + 1)
        self._sessions[key] = moved
        self._use_session(owner, turn)

    def _use_session(self, owner: Owner, turn: Turn) -> None:
        if turn.session_id is None:
            return
        key = (owner.sub, turn.session_id)
        self._uses += 1
        self._used[key] = self._uses
        self._sessions[key] = replace(self._sessions[key], updated_at=int(time.time()))

    def _take_session_back(self, owner: Owner, turn: Turn) -> None:
        if turn.session_id is None:
            return
        key = (owner.sub, turn.session_id)
        if turn.position == 0:
            del self._sessions[key]
        else:
            self._sessions[key] = replace(self._sessions[key], turn_count=turn.position)


class _Call:
    """Holds the store's lock during a call and tells those who wait for the call."""

    def __init__(self, called: threading.Condition, calls: list[str], name: str) -> None:
        self._called = called
        self._calls = calls
        self._name = name

    def __enter__(self) -> None:
        self._called.acquire()

    def __exit__(self, *_: object) -> None:
        self._calls.append(self._name)
        self._called.notify_all()
        self._called.release()


def _place(owner: Owner, turn: Turn) -> Place:
    return owner.sub, turn.session_id or turn.id, turn.position


def _claim(turn: Turn) -> tuple[int, int, str]:
    return turn.created_at, turn.attempt, turn.id


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"


def _is_before(turn: Turn, before: int | None) -> bool:
    return before is None or turn.position < before


def _is_over(turn: Turn) -> bool:
    return turn.status_at(time.time()) in {"failed", "interrupted"}
