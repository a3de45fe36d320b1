"""Kills -9 at random moments of the turns of a crowd, each booked in the window that it hit."""

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from tests.chat_calls import Heard, Phase
from tests.e2e.crowd import Crowd
from tests.e2e.victims import (
    Respawned,
    chat_function_pid,
    kill_chat_function,
    wait_until,
)

Target = Literal["chat function", "model server", "SageMaker runtime"]
Window = Literal[
    "before start", "before first token", "while streaming", "while finishing", "buffered", "idle"
]
WINDOWS: tuple[Window, ...] = Window.__args__  # type: ignore[attr-defined]

# How many of the kills wait for which phase of some turn; those of `over` wait for none.
AIMS: Mapping[Target, Mapping[Phase, int]] = {
    "chat function": {"no head": 8, "streaming": 9, "finishing": 4, "over": 4},
    "model server": {"no head": 5, "streaming": 9, "over": 3},
    "SageMaker runtime": {"no head": 3, "streaming": 4, "over": 1},
}
AIM_WITHIN_S = 20
JITTER_S: Mapping[Phase, float] = {"no head": 0.3, "streaming": 0.5, "finishing": 0, "over": 1}


@dataclass(frozen=True)
class Kill:
    target: Target
    at: float


class Killer:
    def __init__(
        self, crowd: Crowd, emulator_pid: int, others: Mapping[Target, Respawned], seed: str
    ) -> None:
        self._crowd = crowd
        self._emulator_pid = emulator_pid
        self._others = others
        self._rng = random.Random(f"{seed} killer")  # noqa: S311 no secret
        self._function_killed_at = 0.0
        self.kills: list[Kill] = []

    def kill_all(self) -> None:
        shots = [
            (who, aim) for who, aims in AIMS.items() for aim, n in aims.items() for _ in range(n)
        ]
        self._rng.shuffle(shots)
        for target, aim in shots:
            wait_until(partial(self._is_there, target), f"the {target} is there")
            self._take_aim(aim)
            self._kill(target)

    def _take_aim(self, aim: Phase) -> None:
        if aim != "over":
            wait_until(lambda: self._someone_is(aim), f"a turn is in {aim!r}", AIM_WITHIN_S)
        time.sleep(self._rng.uniform(0, JITTER_S[aim]))  # the random moment itself

    def _someone_is(self, aim: Phase) -> bool:
        """Whether a call is in that phase, and the function at work: it has accepted a turn."""
        now, calls = time.monotonic(), self._crowd.calls
        works = any(
            call.acknowledged and (call.head_at or 0) > self._function_killed_at for call in calls
        )
        return works and any(call.phase_at(now) == aim for call in calls)

    def _is_there(self, target: Target) -> bool:
        if target == "chat function":
            return chat_function_pid(self._emulator_pid) is not None
        return self._others[target].is_ready

    def _kill(self, target: Target) -> None:
        at = time.monotonic()
        if target == "chat function":
            kill_chat_function(self._emulator_pid)
            self._function_killed_at = time.monotonic()
        else:
            self._others[target].kill()
        self.kills.append(Kill(target, at))


def hits(
    kills: Sequence[Kill], calls: Sequence[Heard], kept: set[str]
) -> Counter[tuple[Target, Window]]:
    """In how many turns each kind of kill hit which window.

    `kept` are the marks of turns that the store has: one that is there, or that the model refused,
    had been started.
    """
    found: Counter[tuple[Target, Window]] = Counter()
    for kill in kills:
        at_work = [call for call in calls if call.phase_at(kill.at) not in {"not sent", "over"}]
        found.update((kill.target, window_of(call, kill.at, kept)) for call in at_work)
        if not at_work:
            found[kill.target, "idle"] += 1
    return found


def window_of(call: Heard, moment: float, kept: set[str]) -> Window:
    phase = call.phase_at(moment)
    if phase == "no head" and call.asked.mark not in kept and not call.refused:
        return "before start"
    if not call.asked.stream:
        return "buffered"
    if phase in {"no head", "no token"}:
        return "before first token"
    return "while finishing" if phase == "finishing" else "while streaming"


def table(found: Counter[tuple[Target, Window]], kills: Sequence[Kill]) -> str:
    """Kills by target, and turns that they hit by window."""
    shot = Counter(kill.target for kill in kills)
    lines = [f"{'kill -9 of':<20}{'kills':>7}" + "".join(f"{window:>20}" for window in WINDOWS)]
    for target in AIMS:
        counts = "".join(f"{found[target, window]:>20}" for window in WINDOWS)
        lines.append(f"{target:<20}{shot[target]:>7}{counts}")
    return "\n".join(lines)
