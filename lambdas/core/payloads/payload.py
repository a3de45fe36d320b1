"""The port of a payload adapter."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from lambdas.core.catalogue import ModelEntry
from lambdas.core.errors import KitError
from lambdas.core.generation import GenerationRequest, Piece


class Payload(Protocol):
    """Writes the request body of a container family and reads its replies. Holds no state."""

    @property
    def streams(self) -> bool:
        """Whether the container streams; else `read` gets the whole reply as one part."""
        ...

    def write(self, entry: ModelEntry, request: GenerationRequest) -> bytes:
        """The body for /invocations.

        Raises:
            InvalidRequestError: the family has no way to say what is asked.
        """
        ...

    def read(self, parts: Iterable[bytes]) -> Iterator[Piece]:
        """The pieces in a reply's bytes, cut anywhere.

        Raises:
            KitError: the container reports a failure, or the reply ends before it is complete.
        """
        ...

    def refusal(self, status: int, body: str) -> KitError:
        """The error that a container's reply with a 4xx or 5xx status means."""
        ...
