"""Users who ask without a pause, each in several sessions, as clients do: cut calls are retried."""

import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.chat_calls import Asked, Heard, ask
from tests.e2e.cloud import User

CLIENTS = 4
TURNS_OF_A_SESSION = 4
CUT_TURNS_OF_A_USER = 4  # as many as may run at once: the next is refused until a lease ends
PAUSE_S = 1.0
RETRIES_AT_ONCE = 8  # of all cut calls: each may wait for the end of a lease


@dataclass
class Member:
    """A user of the crowd, and every call made in their name."""

    user: User
    calls: list[Heard] = field(default_factory=list)

    @property
    def cut(self) -> list[Heard]:
        """Calls that ended early: an accepted turn, or one whose fate the client cannot know."""
        return [c for c in self.calls if c.over_at and not c.whole and not c.refused]

    def by_session(self) -> dict[str, list[Heard]]:
        found: defaultdict[str, list[Heard]] = defaultdict(list)
        for call in self.calls:
            found[call.asked.session_id or ""].append(call)
        return dict(found)

    def ask(self, asked: Asked) -> Heard:
        heard = Heard(asked)
        self.calls.append(heard)
        ask(self.user.client, heard)
        return heard


class Crowd:
    """Starts asking at once, and stops at the end of the block."""

    def __init__(self, new_user: Callable[[], User], seed: str) -> None:
        self.members: list[Member] = []
        self._new_user = new_user
        self._seed = seed
        self._over = threading.Event()
        self._threads = ThreadPoolExecutor(CLIENTS + RETRIES_AT_ONCE, "crowd")
        self._work: list[Future[object]] = []

    def __enter__(self) -> "Crowd":
        self._work = [self._threads.submit(self._client, number) for number in range(CLIENTS)]
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the calls that are under way, retries among them."""
        self._over.set()
        self._threads.shutdown()
        for work in self._work:
            work.result()

    def close(self) -> None:
        for member in self.members:
            member.user.client.close()

    @property
    def calls(self) -> Sequence[Heard]:
        return [call for member in list(self.members) for call in list(member.calls)]

    def _client(self, number: int) -> None:
        rng = random.Random(f"{self._seed} client {number}")  # noqa: S311 no secret
        while not self._over.is_set():
            member = Member(self._new_user())
            self.members.append(member)
            while len(member.cut) < CUT_TURNS_OF_A_USER and not self._over.is_set():
                self._talk(member, questions(rng))

    def _talk(self, member: Member, questions: Iterator[Asked]) -> None:
        for asked in questions:
            heard = member.ask(asked)
            if heard.refused:
                self._over.wait(PAUSE_S)  # as clients do; the next question is as good as this one
            elif not heard.whole:
                self._retry(member, asked)
                return
            if self._over.is_set():
                return

    def _retry(self, member: Member, asked: Asked) -> None:
        if asked.client_turn_id and len(self._work) < CLIENTS + RETRIES_AT_ONCE:
            self._work.append(self._threads.submit(member.ask, asked))


def questions(rng: random.Random) -> Iterator[Asked]:
    """The turns of one session."""
    session_id = f"s-{rng.getrandbits(40):010x}"
    for number in range(TURNS_OF_A_SESSION):
        command, text = a_command(rng)
        name = f"{session_id}-{number}" if rng.random() < 0.6 else None
        stream = rng.random() < 0.75
        yield Asked(f"{session_id} turn {number}", command, text, session_id, name, stream)


def a_command(rng: random.Random) -> tuple[str, str]:
    """What the scripted model is told, and its whole answer."""
    if rng.random() < 0.1:
        words = " ".join(str(rng.randrange(1000)) for _ in range(20))
        return f"echo: {words}", words
    count, first_ms, every_ms = rng.randint(5, 60), rng.randint(100, 400), rng.randint(10, 40)
    text = " ".join(map(str, range(1, count + 1)))
    return f"slow first {first_ms} then count {count} every {every_ms}", text
