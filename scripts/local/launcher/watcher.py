"""Ships changed code to the functions while someone works on it."""

import time
from collections.abc import Callable

from scripts.local.launcher import assembly, deployment, fingerprint
from scripts.local.launcher.layout import Layout, machine
from scripts.local.launcher.progress import Silent

_POLL_S = 1.0


def watch(
    layout: Layout, say: Callable[[str], None], *, pause: Callable[[float], None] = time.sleep
) -> None:
    """Look once a second, until interrupted. A changed infrastructure is named, not deployed."""
    told = ""
    while True:
        seen = fingerprint.code(layout.root) + fingerprint.infrastructure(layout.root, machine())
        if seen != told:
            say(bring(layout))
            told = seen
        pause(_POLL_S)


def bring(layout: Layout) -> str:
    """Ship the code if only the code has changed; the result says what was done."""
    made = assembly.read(layout)
    if made is None or made.infrastructure != assembly.wanted(layout):
        return "the infrastructure has changed. Next: kit local up"
    deployment.ensure(layout, made, fingerprint.code(layout.root), Silent())
    return "the functions run the code of this checkout"
