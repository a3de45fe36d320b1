"""Saves and loads all services' state as whole snapshots."""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack import app
from ministack.core import persistence
from ministack.services import lambda_svc

from scripts.local.emulator.snapshots import SnapshotFolder

log = logging.getLogger(__name__)

FORMAT = "__ministack_format__"
ATTEMPTS = 3  # worker threads of the emulator may change a store while it is being copied


@dataclass(frozen=True)
class Capture:
    """All services' state at one moment; a higher number is a later moment."""

    number: int
    states: Mapping[str, Any]


class StateKeeper:
    """Copies every service's state, and keeps it in a snapshot folder."""

    def __init__(self, folder: SnapshotFolder) -> None:
        self._folder = folder
        self._prune_blobs = lambda_svc._prune_orphan_code_blobs
        self._blobs_in_use: set[str] | None = None
        self._captured = self._written = 0
        self._writing = threading.Lock()

    def install(self) -> None:
        app.save_all = self.save
        app.load_state = self.load
        # Function code lies beside the snapshots: remove old code only after the snapshot that no
        # longer needs it is complete, else a kill in between leaves a function without its code.
        lambda_svc._prune_orphan_code_blobs = self._note_blobs

    def capture(self) -> Capture:
        """Copy the state of all services; call it on the event loop, so that it is one moment."""
        return self._captured_from(app._build_persistence_save_dict())

    def write(self, capture: Capture) -> bool:
        """Write what was captured unless nothing has changed; may run in a thread."""
        with self._writing:
            if capture.number < self._written:
                return False  # the state at the stop overtook a periodic one
            documents = {name: _encoded(name, state) for name, state in capture.states.items()}
            changed = self._folder.save(documents)
            self._written = capture.number
            if changed and self._blobs_in_use is not None:
                self._prune_blobs(self._blobs_in_use)
            return changed

    def save(self, services: Mapping[str, Callable[[], Any]]) -> None:
        """What the emulator calls at a clean stop."""
        self.write(self._captured_from(services))

    def _captured_from(self, services: Mapping[str, Callable[[], Any]]) -> Capture:
        copies = {name: _copied(get_state) for name, get_state in services.items()}
        self._captured += 1
        # None is a service that could not be loaded: its last snapshot stays.
        return Capture(self._captured, {k: v for k, v in copies.items() if v is not None})

    def load(self, service: str) -> Any:
        data = self._folder.read(service)
        if data is None:
            return None
        saved = json.loads(data, object_hook=persistence._json_object_hook)
        if saved[FORMAT] > persistence._state_format_version(service):
            raise ValueError(f"the state of {service} was written by a newer emulator")
        return saved["payload"]

    def _note_blobs(self, referenced: set[str]) -> None:
        self._blobs_in_use = set(referenced)


def _copied(get_state: Callable[[], Any]) -> Any:
    for _ in range(ATTEMPTS - 1):
        try:
            return get_state()
        except RuntimeError as error:  # "dictionary changed size during iteration"
            log.debug("state changed while it was copied: %s", error)
    return get_state()


def _encoded(name: str, state: Any) -> bytes:
    wrapped = {FORMAT: persistence._state_format_version(name), "payload": state}
    return json.dumps(wrapped, default=persistence._json_default).encode()
