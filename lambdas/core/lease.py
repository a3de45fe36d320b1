"""The lease of a turn whose model has not answered yet."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from lambdas.core.errors import ConflictError, UnavailableError
from lambdas.core.identity import Owner
from lambdas.core.pace import Pace
from lambdas.core.turns import LEASE_S, Turn, TurnStore


@contextmanager
def renewed(
    store: TurnStore, owner: Owner, turn: Turn, pace: Pace, *, keep: bool
) -> Iterator[None]:
    """Renew the lease of `turn` during the block.

    A model may be silent for longer than a lease; without this the turn would read interrupted,
    be taken over and lose its place in the limits while it waits.
    """
    if not keep:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_renew, args=(store, owner, turn, pace, over), name="lease")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()  # its last write must not come after what follows the block


def _renew(store: TurnStore, owner: Owner, turn: Turn, pace: Pace, over: threading.Event) -> None:
    while not over.wait(pace.renew_every_s):
        try:
            store.save(owner, replace(turn, lease_until=int(time.time()) + LEASE_S))
        except UnavailableError:
            continue
        except ConflictError:  # deleted: whoever works on the turn next is told so
            return
