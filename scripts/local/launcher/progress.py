"""How the launcher tells what it does, without knowing whether a person or a log reads it."""

from typing import Protocol


class Progress(Protocol):
    def step(self, text: str) -> None:
        """A new thing has begun."""

    def detail(self, text: str) -> None:
        """A line from inside the present step; may be dropped where nobody watches."""


class Silent:
    """Nobody listens."""

    def step(self, text: str) -> None:
        pass

    def detail(self, text: str) -> None:
        pass
