"""How often the work on a turn looks at the store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """In seconds. A look is one cheap read; a save writes all that was made so far."""

    look_every_s: float = 1.0
    save_every_s: float = 2.0
    renew_every_s: float = 10.0
    replay_every_s: float = 0.5


DEFAULT_PACE = Pace()
