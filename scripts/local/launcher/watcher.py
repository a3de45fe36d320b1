"""Ships changed code to the functions while someone works on it."""

import time
from collections.abc import Callable

from scripts.local.launcher import assembly, deployment, fingerprint
from scripts.local.launcher.layout import STAGE, Layout, machine
from scripts.local.launcher.progress import Silent

_POLL_S = 1.0


def watch(
    layout: Layout, say: Callable[[str], None], *, pause: Callable[[float], None] = time.sleep
) -> None:
    """Look once a second, until interrupted. Infrastructure is not deployed: that is named."""
    told = shipped = fingerprint.code(layout.root)
    infrastructure = fingerprint.infrastructure(layout.root, machine(), STAGE)
    while True:
        pause(_POLL_S)
        code = fingerprint.code(layout.root)
        if code == shipped:
            continue
        made = assembly.read(layout)
        if made is None or _changed(layout, infrastructure):
            if code != told:
                say("the infrastructure has changed too. Next: kit local up")
                told = code
            continue
        deployment.ensure(layout, made, code, Silent())
        told = shipped = code
        say("shipped the changed code")


def _changed(layout: Layout, infrastructure: str) -> bool:
    return fingerprint.infrastructure(layout.root, machine(), STAGE) != infrastructure
