"""A model client that plays scripts."""

import threading
from collections.abc import Iterator, Sequence

from lambdas.core.catalogue import ModelEntry
from lambdas.core.errors import KitError
from lambdas.core.generation import GenerationRequest, Piece

_LONGEST_WAIT_S = 60  # of a model for its test: a failed test must not hang the run

Step = Piece | KitError | threading.Event
Script = Sequence[Step]


class ScriptedClient:
    """A `ModelClient` that plays one script a call, the last one again and again.

    A script gives pieces, raises errors (one in the first place already where the model is
    opened) and waits for events of the test.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self.requests: list[GenerationRequest] = []
        self.closed = threading.Event()

    def open(self, entry: ModelEntry, request: GenerationRequest) -> Iterator[Piece]:
        del entry
        self.requests.append(request)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        if script and isinstance(script[0], KitError):
            raise script[0]
        return self._play(script)

    def _play(self, script: Script) -> Iterator[Piece]:
        try:
            for step in script:
                if isinstance(step, KitError):
                    raise step
                if not isinstance(step, threading.Event):
                    yield step
                elif not step.wait(_LONGEST_WAIT_S):
                    raise TimeoutError("the test never set the event that the model waits for")
        finally:
            self.closed.set()
