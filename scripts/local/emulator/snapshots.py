"""Whole-state snapshots on disk: each is complete or absent, whatever kills the process.

    snapshots/000000000007/<service>.json

A snapshot is written under a temporary name, synced, and renamed; only then is the older one
removed. Services that did not change are linked from the previous snapshot, not written again.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

TEMPORARY = ".writing"


class SnapshotFolder:
    """Writes and reads the newest snapshot of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._digests: dict[str, bytes] = {}
        self._newest = max(self._complete(), default=None)
        self._sweep()

    @property
    def newest(self) -> Path | None:
        return self._newest

    def read(self, service: str) -> bytes | None:
        if self._newest is None:
            return None
        path = self._newest / f"{service}.json"
        return path.read_bytes() if path.exists() else None

    def save(self, documents: Mapping[str, bytes]) -> bool:
        """Write a new snapshot, unless nothing differs from the one this process wrote last.

        A service that is not among `documents` keeps what the newest snapshot has of it.
        """
        digests = {name: hashlib.sha256(data).digest() for name, data in documents.items()}
        if self._newest is not None and all(
            self._digests.get(name) == digest for name, digest in digests.items()
        ):
            return False
        number = int(self._newest.name) + 1 if self._newest else 1
        final = self._folder / f"{number:012}"
        temporary = final.with_suffix(TEMPORARY)
        temporary.mkdir()
        self._link_unchanged(temporary, digests)
        for name, data in documents.items():
            if not (temporary / f"{name}.json").exists():
                _write_synced(temporary / f"{name}.json", data)
        _sync_folder(temporary)
        temporary.rename(final)
        _sync_folder(self._folder)
        self._newest, self._digests = final, digests
        self._sweep()
        return True

    def _link_unchanged(self, target: Path, digests: Mapping[str, bytes]) -> None:
        for old in self._newest.iterdir() if self._newest else ():
            name = old.name.removesuffix(".json")
            if name not in digests or self._digests.get(name) == digests[name]:
                os.link(old, target / old.name)

    def _complete(self) -> list[Path]:
        return [path for path in self._folder.iterdir() if path.name.isdigit()]

    def _sweep(self) -> None:
        """Remove older snapshots and unfinished ones."""
        for path in self._folder.iterdir():
            if path != self._newest:
                shutil.rmtree(path)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
